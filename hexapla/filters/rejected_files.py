"""What was rejected, as lines of JSON: one file for each language, and one for whole rows."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from hexapla.errors import InputError
from hexapla.runs.atomic import replace_folder

REJECTED = "rejected"
"""The folder of these files in a corpus folder."""


class RejectedFiles:
    """Writes the files into a hidden folder beside a corpus that is being made.

    The rejected cells may be as large as the corpus. Beside it there is room for them, and they
    become part of it by a rename instead of a copy. The folder is removed at the end.
    """

    def __init__(self, out: Path, names: Iterable[str]) -> None:
        """Make the folder and open the files.

        Args:
            out: The corpus folder to be made.
            names: One name for each file, such as language codes.

        Raises:
            InputError: No folder can be made there.
        """
        final = Path(os.path.realpath(out))  # a link may lead to another file system
        self._folder = final.with_name(f".{final.name}.{uuid.uuid4().hex}.{REJECTED}")
        self._files: dict[str, IO[str]] = {}
        try:
            self._folder.mkdir(parents=True)
            for name in names:
                path = self._folder / f"{name}.jsonl"
                self._files[name] = path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            self._remove()
            raise InputError(
                f"no folder can be made in {final.parent}: {error.strerror}"
            ) from error

    def __enter__(self) -> RejectedFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def write(self, name: str, entry: Mapping[str, object]) -> None:
        """Write an entry into the file of a name."""
        write_line(self._files[name], entry)

    def move_into(self, corpus: Path) -> None:
        """Make the files the folder `REJECTED` of a corpus folder that is being written."""
        self._close()
        replace_folder(self._folder, corpus / REJECTED)

    def _remove(self) -> None:
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _close(self) -> None:
        for file in self._files.values():
            file.close()


def write_line(file: IO[str], entry: Mapping[str, object]) -> None:
    """Write an entry as a line of JSON."""
    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
