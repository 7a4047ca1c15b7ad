"""What was rejected, as lines of JSON: one file for each language, and one for whole rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from hexapla.runs.atomic import replace_folder

REJECTED = "rejected"
"""The folder of these files in a corpus folder."""


class RejectedFiles:
    """Writes the files into the work folder of a corpus that is being made.

    The rejected cells may be as large as the corpus. There is room for them there, and they become
    part of it by a rename instead of a copy.
    """

    def __init__(self, work: Path, names: Iterable[str]) -> None:
        """Make the folder and open the files.

        Args:
            work: The work folder, locked.
            names: One name for each file, such as language codes.
        """
        self._folder = work / REJECTED
        self._folder.mkdir()
        self._files: dict[str, IO[str]] = {}
        try:
            for name in names:
                path = self._folder / f"{name}.jsonl"
                self._files[name] = path.open("w", encoding="utf-8", newline="\n")
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> RejectedFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def write(self, name: str, entry: Mapping[str, object]) -> None:
        """Write an entry into the file of a name."""
        write_line(self._files[name], entry)

    def move_into(self, corpus: Path) -> None:
        """Make the files the folder `REJECTED` of a corpus folder that is being written."""
        self._close()
        replace_folder(self._folder, corpus / REJECTED, overwrite=False)

    def _close(self) -> None:
        for file in self._files.values():
            file.close()


def write_line(file: IO[str], entry: Mapping[str, object]) -> None:
    """Write an entry as a line of JSON."""
    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
