"""Names that a user gives (files, folders, `-`, datasets) -> sources of numbered texts.

What a file holds is told by its ending alone, and nothing in a folder is passed over in silence: a
file of another ending there is an error. Only names that begin with a dot are no part of a folder.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hexapla.corpus import tables
from hexapla.errors import InputError, did_you_mean
from hexapla.sources.hub import Dataset, is_dataset_name, no_field
from hexapla.text.lines import COMPRESSIONS, decode_lines, ending, read_lines

STANDARD_INPUT = "-"
ENDINGS = (".txt", *tables.SUFFIXES)
_N_NAMED = 5  # files that an error lists


class Source(Protocol):
    """Where texts come from."""

    name: str
    has_fields: bool

    def check(self, field: str | None) -> None:
        """Refuse what cannot be read, having looked at its beginning only."""

    def texts(self, field: str) -> Iterator[tuple[int, str | None]]:
        """Yield (line or row, text) of a field, or of the lines where there are no fields.

        An empty field is None; a blank line is no text.
        """

    def facts(self) -> dict[str, object]:
        """Return what tells whether it is still the same: the name and, where there is one, a hash."""


class File:
    """One file.

    Attributes:
        path: where it is.
        name: what it is called in the places of its texts; of a file in a folder, the path from
            there.
        listed: whether it was found in a folder; an empty one is then no mistake.
    """

    def __init__(self, path: Path, name: str, *, listed: bool) -> None:
        self.path, self.name, self.listed = path, name, listed
        self.has_fields = ending(path) != ".txt"

    def check(self, field: str | None) -> None:
        """Read the first text and see that the field is there.

        Raises:
            InputError: Not to be opened, of another format, no such field, no text at all.
        """
        try:
            if (
                self.has_fields
                and not self._is_blank()
                and field not in (fields := tables.text_fields(self.path))
            ):
                raise no_field(str(self.path), field, fields)
            if next(self.texts(field or ""), None) is None and not self.listed:
                raise InputError(f"{self.path} is empty; give a file that holds text")
        except OSError as error:
            raise self._unreadable(error) from error

    def texts(self, field: str) -> Iterator[tuple[int, str | None]]:
        """Yield (line or row, text)."""
        if self.has_fields:
            return tables.read_field(self.path, field)
        return _text_lines(read_lines(self.path), str(self.path))

    def facts(self) -> dict[str, object]:
        """Return name, size and hash of the file as it lies there."""
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                return {"name": self.name, "n_bytes": file.tell(), "sha256": digest}
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"{self.path} cannot be read: {error.strerror or error}")

    def _is_blank(self) -> bool:
        return ending(self.path) != ".parquet" and not any(
            line.strip() for _, line in read_lines(self.path)
        )


class StandardInput:
    """Lines of text piped in; read once, so not before they are wanted."""

    name = STANDARD_INPUT
    has_fields = False

    def check(self, field: str | None) -> None:
        """Leave it untouched."""

    def texts(self, field: str) -> Iterator[tuple[int, str | None]]:
        """Yield (line, text)."""
        return _text_lines(decode_lines(sys.stdin.buffer, "standard input"), "standard input")

    def facts(self) -> dict[str, object]:
        """Return the name: there is nothing else to know before it is read."""
        return {"name": self.name}


def _text_lines(lines: Iterator[tuple[int, str]], place: str) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        if "\0" in line:
            raise InputError(
                f"{place}:{number}: line has a NUL byte: a binary file, or text that is not UTF-8"
            )
        if line.strip():
            yield number, line


def find_sources(texts: Sequence[str]) -> list[Source]:
    """Find out what each name is: what exists here first, then a dataset.

    Raises:
        InputError: No such file, a folder without files, files of unknown ending, standard input
            twice.
    """
    sources: list[Source] = []
    for text in texts:
        path = Path(text)
        if text == STANDARD_INPUT:
            sources.append(StandardInput())
        elif path.is_dir():
            sources += _files_in(path)
        elif path.exists():
            _refuse_others([path])
            sources.append(File(path, path.name, listed=False))
        elif is_dataset_name(text) and ending(path) not in ENDINGS:
            sources.append(Dataset(text))
        else:
            here = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            raise InputError(f"{text}: no such file or folder{did_you_mean(path.name, here)}")
    if texts.count(STANDARD_INPUT) > 1:
        raise InputError('"-" is given twice; standard input can be read once')
    _tell_apart(sources)
    return sources


def _files_in(folder: Path) -> list[File]:
    """Return the files of a folder and of those in it, sorted by name."""
    inside = sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    names = [name for name in inside if not any(part.startswith(".") for part in name.parts)]
    if not names:
        raise InputError(
            f"{folder} holds no files; give a folder with files ending in {', '.join(ENDINGS)}"
        )
    _refuse_others([folder / name for name in names])
    return [File(folder / name, name.as_posix(), listed=True) for name in names]


def _refuse_others(paths: Sequence[Path]) -> None:
    others = [str(path) for path in paths if ending(path) not in ENDINGS or path.is_fifo()]
    if others:
        named = ", ".join(others[:_N_NAMED]) + (
            f" and {len(others) - _N_NAMED} more" if others[_N_NAMED:] else ""
        )
        raise InputError(
            f"{named}: no file of a known ending; text is read from {', '.join(ENDINGS)}, each also with "
            f'{" or ".join(COMPRESSIONS)}; rename or move it, or pipe text into "-"'
        )


def _tell_apart(sources: Sequence[Source]) -> None:
    """Call files by the path that was given where two different ones have the same name."""
    files = [source for source in sources if isinstance(source, File)]
    paths: dict[str, set[Path]] = {}
    for file in files:
        paths.setdefault(file.name, set()).add(file.path.resolve())
    for file in files:
        if len(paths[file.name]) > 1:
            file.name = str(file.path)
