"""Parquet files -> Arrow batches, with damage reported as damage.

A compressed file (`train.parquet.gz`) is decompressed into a temporary file first, because Parquet
is read from its end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hexapla.corpus.rows import META, as_meta
from hexapla.errors import InputError, did_you_mean
from hexapla.text.limits import max_text_bytes, too_long
from hexapla.text.lines import COMPRESSIONS, damaged, open_bytes
from hexapla.text.special_files import refuse_special


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file, memory-mapped; reading verifies page checksums where the file has them.

    Raises:
        InputError: The file is damaged, or not Parquet.
    """
    refuse_special(path)
    try:
        source = _decompressed(path) if path.suffix.lower() in COMPRESSIONS else path
        return pq.ParquetFile(source, memory_map=True, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _decompressed(path: Path) -> IO[bytes]:
    """Return an unnamed file that holds `path` decompressed."""
    plain = tempfile.TemporaryFile()  # noqa: SIM115, it goes away with its last reader
    with open_bytes(path) as file:
        try:
            shutil.copyfileobj(file, plain)
        except OSError as error:
            raise damaged(path, error) from error
    return plain


def read_parquet(
    path: Path, columns: Sequence[str], n_rows: int, *, any_length: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `n_rows` rows with `columns` in that order, as they are in the file.

    Of long rows, such as whole documents, a batch has fewer.

    Args:
        path: The file.
        columns: Names of columns that it has.
        n_rows: Rows of a batch.
        any_length: Do not limit a cell. A corpus was limited when its texts were read.

    Raises:
        InputError: The file is damaged, lacks a column, or has a cell beyond the limit of a text.
    """
    with open_parquet(path) as file:
        names = frozenset(file.schema_arrow.names)
        for name in columns:
            if name not in names:
                hint = did_you_mean(name, file.schema_arrow.names)
                raise InputError(f"{path} has no column {name}{hint}")
        n_rows = min(n_rows, max(1, max_text_bytes() // _bytes_per_row(file.metadata)))
        n_before = 0
        try:
            for batch in file.iter_batches(batch_size=n_rows, columns=list(columns)):
                if not any_length:
                    _check_cells(path, n_before, batch)
                n_before += batch.num_rows
                yield batch.select(list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error


def _bytes_per_row(metadata: pq.FileMetaData) -> int:
    """Return the mean size of a row, decompressed, in the row group where it is largest."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    return (
        max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1) or 1
    )


def _check_cells(path: Path, n_before: int, batch: pa.RecordBatch) -> None:
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            lengths = pc.binary_length(column)
            if (pc.max(lengths).as_py() or 0) > max_text_bytes():
                row = n_before + 1 + pc.index(lengths, pc.max(lengths)).as_py()
                raise too_long(f"{path}: row {row}", "the cell")


def parquet_rows(
    path: Path, columns: Sequence[str], n_rows: int
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (place to begin an error with, {column: cell}) of every row, `n_rows` read at once."""
    number = 0
    for batch in read_parquet(path, columns, n_rows):
        decoded = [decode_column(path, number, batch, name) for name in columns]
        for cells in zip(*decoded, strict=True):
            number += 1
            yield f"{path}: row {number}", dict(zip(columns, cells, strict=True))


def decode_column(path: Path, n_before: int, batch: pa.RecordBatch, name: str) -> list[object]:
    """Return a column's cells as Python values, those of a `meta.` column as text.

    Neither Parquet nor Arrow checks that the bytes of a text column are UTF-8.

    Args:
        path: The file that the batch is from.
        n_before: Rows of the file before the batch.
        batch: Rows of the file.
        name: The column.

    Raises:
        InputError: A cell's bytes are not UTF-8; its row is named.
    """
    column = batch.column(name)
    if name.startswith(META) and not is_text(column.type):
        return [as_meta(value) for value in column.to_pylist()]
    try:
        cells: list[object] = column.to_pylist()
    except UnicodeDecodeError:
        for number, cell in enumerate(column, start=n_before + 1):
            try:
                cell.as_py()
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}: row {number} has bytes in {name} that are not UTF-8 ({error})"
                ) from error
        raise
    return cells


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds text; one of nothing but nulls does."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_null,
    )
    return any(check(kind) for check in checks)


def _damaged(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0]
    return InputError(
        f"{path} cannot be read as Parquet: "
        f"it is truncated, altered or of another format ({reason})"
    )
