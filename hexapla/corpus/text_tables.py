"""JSON lines, TSV and CSV files -> records, each with its line number.

An error names the file and line, as in `train.tsv:812`. TSV has no quoting, as its media type (IANA
text/tab-separated-values) says: a lone `"` in a cell is common in bitext and must not swallow the
lines after it. CSV is quoted as in RFC 4180.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hexapla.corpus.rows import META, as_meta
from hexapla.errors import InputError
from hexapla.text.lines import ending, read_lines


def table_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (first line, {column: value}) of every row of a .jsonl, .tsv or .csv file.

    Raises:
        InputError: A line that cannot be parsed, or a row with more or fewer fields than the
            header.
    """
    yield from _json_records(path) if ending(path) == ".jsonl" else _delimited_records(path)


def text_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (place to begin an error with, {column: cell}) of every row.

    A column that a row lacks is None; `meta.` columns come as text.
    """
    for line, record in table_records(path):
        row = {
            name: as_meta(record.get(name)) if name.startswith(META) else record.get(name)
            for name in columns
        }
        yield f"{path}:{line}: row", row


def read_header(path: Path) -> list[str]:
    """Return the columns of a TSV or CSV file; an empty file has none."""
    _, header = next(_fields(path), (0, []))
    return header


def refuse_repeated(path: Path, names: Sequence[str]) -> None:
    """Refuse a file with two columns of one name.

    Raises:
        InputError: A name occurs twice; all such names are listed.
    """
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        listed = ", ".join(sorted(repeated))
        raise InputError(f"{path} has more than one column named {listed}; rename all but one")


def _json_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
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
                f"{path}:{number}: not a JSON object; "
                'a row is {"eng_Latn": "...", "deu_Latn": "..."}'
            )
        yield number, record


def _delimited_records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
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
    """Yield (first line, fields) of the header and of every row; blank lines are skipped."""
    records = _csv_fields(path) if ending(path) == ".csv" else _tsv_fields(path)
    for place, (number, fields) in enumerate(records):
        if place == 0:
            fields = [name.strip() for name in fields]
            refuse_repeated(path, fields)
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
