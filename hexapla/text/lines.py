"""Text files, plain or compressed -> numbered lines.

`x.jsonl.gz` and `x.jsonl.zst` are read as `x.jsonl` would be. Lines of UTF-8 are decoded one by
one, so that an error can name the line whose bytes are not UTF-8. A file that begins with the byte
order mark of UTF-16 or UTF-32 (a spreadsheet's "Unicode text") is decoded accordingly. Only a
newline ends a line: U+2028, U+0085 or a form feed may stand in a text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from hexapla.errors import InputError
from hexapla.text.limits import max_text_bytes, too_long
from hexapla.text.special_files import refuse_special

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_BUFFER_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 15  # stays in the cache of the processor
# UTF-32 first, whose little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NO_TEXT = {
    b"\x1f\x8b": "is compressed; end its name in .gz",
    b"\x28\xb5\x2f\xfd": "is compressed; end its name in .zst",
    b"\xfd7zXZ": f"is compressed by xz; give it plain or as {' or '.join(COMPRESSIONS)}",
    b"PK\x03\x04": "is an archive or a spreadsheet (ZIP); save or unpack it as text in UTF-8",
}


def ending(path: Path) -> str:
    """Return a file's ending in lower case, without that of a compression.

    >>> ending(Path("a/train.TSV.gz")), ending(Path("train.v2.txt")), ending(Path("train"))
    ('.tsv', '.txt', '')
    """
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() if last in COMPRESSIONS else last


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for its bytes, decompressed if its name ends in .gz or .zst.

    A damaged compressed file raises an OSError when it is read. The zero bytes with which tapes and
    block devices pad a gzip file are no damage.

    Raises:
        InputError: The path cannot be opened, or is a pipe, a socket or a device.
    """
    refuse_special(path)
    compression = COMPRESSIONS.get(path.suffix.lower())
    try:
        if compression is None:
            return path.open("rb")
        if compression == "gzip":
            return io.BufferedReader(_GzipBytes(path), _BUFFER_BYTES)
        # The frame's window, which is held in memory, may have 128 MiB: the decoder's own limit.
        stream = pa.input_stream(str(path), compression=compression)
        return cast(BinaryIO, io.BufferedReader(stream, _BUFFER_BYTES))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


class _GzipBytes(io.RawIOBase):
    """A gzip file's bytes, whose damage of any kind is an OSError."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path)  # noqa: SIM115, closed with this object

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; 0 at the end."""
        try:
            return self._file.readinto(buffer)
        except (EOFError, zlib.error) as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its line end) of a text file.

    The file is UTF-8, or begins with a byte order mark that says otherwise. A mark at the beginning
    of any line is removed, as files with a mark may have been joined.

    Raises:
        InputError: Bytes that are not UTF-8, a line beyond the limit, a compressed file that cannot
            be decompressed to its end, or one whose name does not say that it is compressed.
    """
    with open_bytes(path) as file:
        # No line of a plain file is longer than the file.
        is_short = path.suffix.lower() not in COMPRESSIONS and (
            path.stat().st_size <= max_text_bytes()
        )
        try:
            head = cast(io.BufferedReader, file).peek(8)
            for magic, what in _NO_TEXT.items():
                if head.startswith(magic):
                    raise InputError(f"{path} {what}")
            for mark, encoding in _MARKS.items():
                if head.startswith(mark):
                    yield from _other_lines(file, encoding, str(path))
                    return
            lines = file if is_short else _guarded(file)
            yield from _decoded(lines, str(path))
        except OSError as error:
            if path.suffix.lower() in COMPRESSIONS:
                raise damaged(path, error) from error
            raise


def decode_lines(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, decoded line) of a stream of UTF-8.

    Args:
        file: The stream.
        name: The file's name, for errors.

    Raises:
        InputError: A line beyond the limit, or bytes that are not UTF-8; the line is named.
    """
    return _decoded(_guarded(file), name)


def _decoded(lines: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(lines, start=1):
            yield number, line.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}:{number}: byte {error.start + 1} of the line is not UTF-8; "
            "save the file as UTF-8"
        ) from error
    except _LineTooLongError as error:
        raise too_long(f"{name}:{number + 1}", "the line") from error


def _guarded(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_LineGuard(file), _BLOCK_BYTES))


class _LineTooLongError(Exception):
    """The line after the last whole one is beyond the limit."""


class _LineGuard(io.RawIOBase):
    """The bytes of a stream, until a line is beyond the limit.

    Lines are measured block by block, since `readline` with a limit takes half as long again.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = cast(io.BufferedReader, file)
        self._limit = max_text_bytes()
        self._n_begun = 0  # bytes of the line that has not ended

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; 0 at the end."""
        n_read = self._file.readinto1(buffer)
        block = bytes(buffer[:n_read])
        end = block.find(b"\n") + 1
        if self._n_begun + (end or n_read) > self._limit:
            raise _LineTooLongError
        self._n_begun = n_read - block.rfind(b"\n") - 1 if end else self._n_begun + n_read
        return n_read


def damaged(path: Path, error: OSError) -> InputError:
    """Return the error for a compressed file that cannot be read to its end."""
    compression = COMPRESSIONS[path.suffix.lower()]
    return InputError(
        f"{path} cannot be decompressed: it is truncated, altered or not {compression} ({error})"
    )


def _other_lines(file: BinaryIO, encoding: str, name: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines of a file in UTF-16 or UTF-32; the limit counts their characters."""
    limit = max_text_bytes()
    number = 0
    text = io.TextIOWrapper(file, encoding, newline="\n")
    try:
        for number, line in enumerate(iter(partial(text.readline, limit + 1), ""), start=1):
            if len(line) > limit:
                raise too_long(f"{name}:{number}", "the line")
            yield number, line.removeprefix("\ufeff")
    except UnicodeError as error:
        raise InputError(
            f"{name}: after line {number} it is not {encoding.upper()}, "
            "as its first bytes say; save the file as UTF-8"
        ) from error
