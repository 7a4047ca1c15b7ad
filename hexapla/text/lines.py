"""Text files, plain or compressed -> numbered lines.

`x.jsonl.gz` and `x.jsonl.zst` are read as `x.jsonl` would be. Every line is decoded by itself, so
that an error can name the line whose bytes are not UTF-8.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from hexapla.errors import InputError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_BUFFER_BYTES = 1 << 20


def ending(path: Path) -> str:
    """Return a file's ending in lower case, without that of a compression.

    >>> ending(Path("a/train.TSV.gz")), ending(Path("train.v2.txt")), ending(Path("train"))
    ('.tsv', '.txt', '')
    """
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() if last in COMPRESSIONS else last


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for its bytes, decompressed if its name ends in .gz or .zst.

    A damaged compressed file raises an OSError when it is read.
    """
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return path.open("rb")
    stream = pa.input_stream(str(path), compression=compression)
    return cast(BinaryIO, io.BufferedReader(stream, _BUFFER_BYTES))


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its line end) of a UTF-8 file, byte order mark removed.

    Raises:
        InputError: Bytes that are not UTF-8, or a compressed file that cannot be decompressed to
            its end.
    """
    with open_bytes(path) as file:
        yield from decode_lines(_undamaged(path, file), str(path))


def decode_lines(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, decoded line) of lines that were split at newlines only.

    Other line separators, such as U+2028, may occur within a cell.

    Args:
        lines: Lines of UTF-8.
        name: The file's name, for errors.

    Raises:
        InputError: Bytes that are not UTF-8; their line is named.
    """
    for number, line in enumerate(lines, start=1):
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}:{number}: byte {error.start + 1} of the line is not UTF-8; "
                "save the file as UTF-8"
            ) from error


def damaged(path: Path, error: OSError) -> InputError:
    """Return the error for a compressed file that cannot be read to its end."""
    compression = COMPRESSIONS[path.suffix.lower()]
    return InputError(
        f"{path} cannot be decompressed: it is truncated, altered or not {compression} ({error})"
    )


def _undamaged(path: Path, file: BinaryIO) -> Iterator[bytes]:
    try:
        yield from file
    except OSError as error:
        if path.suffix.lower() in COMPRESSIONS:
            raise damaged(path, error) from error
        raise
