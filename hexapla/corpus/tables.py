"""Single files that people bring (Parquet, TSV, CSV, JSON lines) -> Arrow batches of clean cells.

Every file is streamed, and may be compressed (`train.tsv.gz`). What is wrong with a text file is
told with its line, as `train.tsv:812`. TSV has no quoting, as its media type (IANA
text/tab-separated-values) says: a lone `"` in a cell is common in bitext and must not swallow the
lines after it. CSV is quoted as in RFC 4180.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.corpus.rows import as_cell
from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes
from hexapla.text.lines import COMPRESSIONS, damaged, ending, open_bytes, read_lines

SUFFIXES = (".parquet", ".tsv", ".csv", ".jsonl")
META = "meta."
_FIELD_ROWS = 8192  # rows that `read_field` holds at once
_WRITTEN_AS_A_CODE = re.compile(r"[a-z]{2,3}[-_]([A-Z][a-z]{2,4}|[A-Z]{2})")


def text_columns(path: Path) -> dict[str, bool]:
    """Return the columns of a file in order, and whether each holds text.

    In JSON lines the columns are the keys of any line, and one string is enough for a column to be
    of text: a number among its texts is then an error on reading and not a reason to overlook the
    column.
    """
    if ending(path) == ".parquet":
        with open_parquet(path) as file:
            _refuse_repeated(path, file.schema_arrow.names)
            return {field.name: _is_text(field.type) for field in file.schema_arrow}
    if ending(path) == ".jsonl":
        columns: dict[str, bool] = {}
        for _, record in _jsonl_records(path):
            for name, value in record.items():
                columns[name] = columns.get(name, False) or isinstance(value, str)
        return columns
    _, header = next(_fields(path), (0, []))
    return dict.fromkeys(header, True)


def language_columns(
    path: Path, columns: Mapping[str, bool], asked: Sequence[str] | None
) -> dict[str, str]:
    """Return language -> column for those of the `text_columns` that a language names.

    A column `id` nearly always numbers the rows, so it is Indonesian only when that language is
    among those `asked` for and no other column has it.

    Raises:
        InputError: Two columns of one language, fewer than two languages, an ambiguous name or a
            language without text.
    """
    found: dict[str, str] = {}
    for name, is_text in columns.items():
        code = _language_of(name, path) if is_text or codes.is_language(name) else None
        if code is None or name == "id":
            continue
        if not is_text:
            raise InputError(f"{path}: the column {name} holds no text; a language's column does")
        if code in found:
            raise InputError(
                f"{path}: the columns {found[code]} and {name} are both {code}; rename or drop one"
            )
        found[code] = name
    if columns.get("id") and asked and "ind_Latn" in asked:
        found.setdefault("ind_Latn", "id")
    if len(found) < 2:
        others = [name for name in columns if name not in found.values()]
        have = (
            f"only {', '.join([*found, *others])}"
            if found
            else f"none among {', '.join(others) or 'no columns'}"
        )
        raise InputError(
            f"{path}: a corpus needs two columns named by language (eng_Latn, deu_Latn); it has {have}"
        )
    return found


def _language_of(name: str, path: Path) -> str | None:
    """Return the language that a column's name says, or None when it is a column of another kind.

    What is neither must not pass for another kind: `zh` (which script?) and the mistyped `deu_Lath`
    are errors.
    """
    try:
        return codes.parse(name)
    except InputError as error:
        tags = (
            tag
            for row in codes.LANGUAGES.values()
            for tag in (row.code, row.bcp47, *row.mteb, *row.aliases)
        )
        short = {re.split("[-_]", tag)[0].casefold() for tag in tags}
        if _WRITTEN_AS_A_CODE.fullmatch(name) or name.casefold() in short:
            raise InputError(f"{path}, column {name}: {error}") from None
        return None


def read_cells(
    path: Path, columns: Sequence[str], required: str, n_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `n_rows` rows with `columns` in that order, all strings, empty cells as null.

    Args:
        path: A file with one of the `SUFFIXES`.
        columns: Names as in the file. A `meta.` column may hold anything and comes out as text.
        required: The column that must not have a null: the pivot. One of `columns`.
        n_rows: Rows per batch.

    Raises:
        InputError: A row without its pivot, a cell that is no clean text, a line that cannot be
            parsed.
    """
    rows = (
        _parquet_rows(path, columns, n_rows)
        if ending(path) == ".parquet"
        else _text_rows(path, columns)
    )
    schema = pa.schema([(name, pa.string()) for name in columns])
    checked = (_check_row(place, row, required) for place, row in rows)
    while batch := list(islice(checked, n_rows)):
        yield pa.RecordBatch.from_pylist(batch, schema=schema)


def text_fields(path: Path) -> list[str]:
    """Return the columns that hold text, of JSON lines those of the first line: no more of a file is read."""
    if ending(path) == ".jsonl":
        _, record = next(_jsonl_records(path), (0, {}))
        return [name for name, value in record.items() if value is None or isinstance(value, str)]
    return [name for name, is_text in text_columns(path).items() if is_text]


def read_field(path: Path, field: str) -> Iterator[tuple[int, str | None]]:
    """Yield (line, or row of a Parquet file; cell) of one of the `text_fields` in order.

    Raises:
        InputError: A line without the field, a cell that is no clean text, a line that cannot be
            parsed.
    """
    if ending(path) == ".parquet":
        number = 0
        for batch in read_parquet(path, [field], _FIELD_ROWS):
            for cell in _decode(path, number, batch, field):
                number += 1
                yield number, as_cell(cell, f"{path}: row {number}", field)
        return
    for line, record in _jsonl_records(path) if ending(path) == ".jsonl" else _table_records(path):
        if field not in record:
            has = ", ".join(record) or "none"
            raise InputError(
                f"{path}:{line}: row has no field {field}; it has {has}{did_you_mean(field, record)}"
            )
        yield line, as_cell(record[field], f"{path}:{line}: row", field)


def _check_row(place: str, row: Mapping[str, object], required: str) -> dict[str, str | None]:
    cells = {name: as_cell(value, place, name) for name, value in row.items()}
    if cells[required] is None:
        raise InputError(f"{place} has no {required} cell; every row needs its pivot")
    return cells


# Parquet


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file memory-mapped, so that reading verifies page checksums where the file has them."""
    try:
        source = _decompressed(path) if path.suffix.lower() in COMPRESSIONS else path
        return pq.ParquetFile(source, memory_map=True, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _decompressed(path: Path) -> IO[bytes]:
    """Return a file without a name that holds `path` decompressed: Parquet is read from its end."""
    plain = tempfile.TemporaryFile()  # noqa: SIM115, it goes away with its last reader
    with open_bytes(path) as file:
        try:
            shutil.copyfileobj(file, plain)
        except OSError as error:
            raise damaged(path, error) from error
    return plain


def read_parquet(path: Path, columns: Sequence[str], n_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `n_rows` rows with `columns` in that order, as they are in the file."""
    with open_parquet(path) as file:
        for name in columns:
            if name not in file.schema_arrow.names:
                raise InputError(
                    f"{path} has no column {name}{did_you_mean(name, file.schema_arrow.names)}"
                )
        try:
            for batch in file.iter_batches(batch_size=n_rows, columns=list(columns)):
                yield batch.select(list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error


def _parquet_rows(
    path: Path, columns: Sequence[str], n_rows: int
) -> Iterator[tuple[str, dict[str, object]]]:
    number = 0
    for batch in read_parquet(path, columns, n_rows):
        arrays = [_decode(path, number, batch, name) for name in columns]
        for cells in zip(*arrays, strict=True):
            number += 1
            yield f"{path}: row {number}", dict(zip(columns, cells, strict=True))


def _decode(path: Path, n_before: int, batch: pa.RecordBatch, name: str) -> list[object]:
    """Return a column's cells, or say which row's bytes are no UTF-8: Parquet does not check them, Arrow neither."""
    column = batch.column(name)
    if name.startswith(META) and not _is_text(column.type):
        return [None if value is None else as_text(value) for value in column.to_pylist()]
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


def _is_text(kind: pa.DataType) -> bool:
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
        f"{path} cannot be read as Parquet: it is truncated, altered or of another format ({reason})"
    )


# Text files


def _text_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, object]]]:
    records = _jsonl_records(path) if ending(path) == ".jsonl" else _table_records(path)
    for line, record in records:
        row = {name: record.get(name) for name in columns}
        for name, value in row.items():
            if name.startswith(META) and value is not None and not isinstance(value, str):
                row[name] = as_text(value)
        yield f"{path}:{line}: row", row


def as_text(value: object) -> str:
    """Return a `meta.` value that is no text as the text of its JSON: 0.5 as "0.5", true as "true"."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _jsonl_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}:{number}: not JSON: {error.msg} at character {error.pos + 1}"
            ) from error
        if not isinstance(record, dict):
            raise InputError(
                f'{path}:{number}: not a JSON object; a row is {{"eng_Latn": "...", "deu_Latn": "..."}}'
            )
        yield number, record


def _table_records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    header: list[str] | None = None
    for number, fields in _fields(path):
        if header is None:
            header = fields
        elif len(fields) != len(header):
            raise InputError(
                f"{path}:{number}: row has {len(fields)} fields; the header has {len(header)}"
            )
        else:
            yield number, dict(zip(header, fields, strict=True))


def _fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of the header and of every row; blank lines hold no row."""
    records = _csv_fields(path) if ending(path) == ".csv" else _tsv_fields(path)
    for place, (number, fields) in enumerate(records):
        if place == 0:
            fields = [name.strip() for name in fields]
            _refuse_repeated(path, fields)
        yield number, fields


def _tsv_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in read_lines(path):
        if line := line.removesuffix("\n").removesuffix("\r"):
            yield number, line.split("\t")


def _csv_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line for _, line in read_lines(path)), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}:{number}: not CSV: {error}") from error
        if fields:
            yield number, fields


def _refuse_repeated(path: Path, names: Sequence[str]) -> None:
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        raise InputError(
            f"{path} has more than one column named {', '.join(sorted(repeated))}; rename all but one"
        )
