"""Names that a user gives (files, folders, `-`, datasets) -> sources of numbered texts.

The ending of a file alone decides its format, and nothing in a folder is silently skipped: a file
with an unknown ending is an error. Only names that begin with a dot are ignored.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hexapla.corpus import tables
from hexapla.errors import InputError, did_you_mean
from hexapla.sources.hub import Dataset, is_dataset_name, missing_field
from hexapla.text.lines import COMPRESSIONS, decode_lines, ending, read_lines
from hexapla.text.special_files import refuse_special

STANDARD_INPUT = "-"
ENDINGS = (".txt", *tables.SUFFIXES)
_MAX_NAMED = 5  # files that an error lists


class Source(Protocol):
    """A source of texts.

    Attributes:
        name: Its name in the places of its texts.
        has_fields: Whether its texts stand in named fields.
    """

    name: str
    has_fields: bool

    def check(self, field: str | None) -> None:
        """Refuse a source that cannot be read, as far as its beginning shows."""

    def texts(self, field: str) -> Iterator[tuple[int, str | None]]:
        """Yield (line or row, text) of a field, or of the lines if there are no fields.

        An empty field is None; a blank line is left out.
        """

    def facts(self) -> dict[str, object]:
        """Return the facts that change with the content: the name and, if there is one, a hash."""


class File:
    """A file as a source of texts.

    Attributes:
        path: Its path.
        name: Its name in the places of its texts; for a file in a folder, the path from the folder.
        listed: Whether it was listed from a folder, where an empty file is allowed.
    """

    def __init__(self, path: Path, name: str, *, listed: bool) -> None:
        self.path, self.name, self.listed = path, name, listed
        self.has_fields = ending(path) != ".txt"

    def check(self, field: str | None) -> None:
        """Read the first text and check that there is the field.

        Raises:
            InputError: The file cannot be opened, has another format, lacks the field or has no
                text.
        """
        try:
            if self.has_fields and not self._is_blank():
                fields = tables.text_fields(self.path)
                if field not in fields:
                    raise missing_field(str(self.path), field, fields)
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
        """Return the name, size and hash of the file as it is, compressed or not."""
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
    """Lines of text from standard input, which can be read only once."""

    name = STANDARD_INPUT
    has_fields = False

    def check(self, field: str | None) -> None:
        """Read nothing: what is read here would be lost."""

    def texts(self, field: str) -> Iterator[tuple[int, str | None]]:
        """Yield (line, text)."""
        return _text_lines(decode_lines(sys.stdin.buffer, "standard input"), "standard input")

    def facts(self) -> dict[str, object]:
        """Return the name; nothing else is known before it is read."""
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
    """Return the sources that the names mean: a file or folder if it exists, else a dataset.

    Raises:
        InputError: There is no such file, a folder has no files, the ending of a file is unknown,
            or standard input is given twice.
    """
    sources: list[Source] = []
    for text in texts:
        path = Path(text)
        if text == STANDARD_INPUT:
            sources.append(StandardInput())
            continue
        refuse_special(path)
        if path.is_dir():
            sources += _files_in(path)
        elif path.exists():
            _check_endings([path])
            sources.append(File(path, path.name, listed=False))
        elif is_dataset_name(text) and ending(path) not in ENDINGS:
            sources.append(Dataset(text))
        else:
            here = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            raise InputError(f"{text}: no such file or folder{did_you_mean(path.name, here)}")
    if texts.count(STANDARD_INPUT) > 1:
        raise InputError('"-" is given twice; standard input can be read once')
    _distinguish_names(sources)
    return sources


def _files_in(folder: Path) -> list[File]:
    """Return the files of a folder and its subfolders, sorted by path."""
    inside = sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    names = [name for name in inside if not any(part.startswith(".") for part in name.parts)]
    if not names:
        raise InputError(
            f"{folder} holds no files; give a folder with files ending in {', '.join(ENDINGS)}"
        )
    for name in names:
        refuse_special(folder / name)
    _check_endings([folder / name for name in names])
    return [File(folder / name, name.as_posix(), listed=True) for name in names]


def _check_endings(paths: Sequence[Path]) -> None:
    others = [str(path) for path in paths if ending(path) not in ENDINGS]
    if others:
        named = ", ".join(others[:_MAX_NAMED]) + (
            f" and {len(others) - _MAX_NAMED} more" if others[_MAX_NAMED:] else ""
        )
        raise InputError(
            f"{named}: no file of a known ending; text is read from {', '.join(ENDINGS)}, each "
            f'also with {" or ".join(COMPRESSIONS)}; rename or move it, or pipe text into "-"'
        )


def _distinguish_names(sources: Sequence[Source]) -> None:
    """Name files by their whole path where two different ones have the same name."""
    files = [source for source in sources if isinstance(source, File)]
    paths: dict[str, set[Path]] = {}
    for file in files:
        paths.setdefault(file.name, set()).add(file.path.resolve())
    for file in files:
        if len(paths[file.name]) > 1:
            file.name = str(file.path)
