"""JSON lines, TSV and CSV files -> rows, each with its line number.

An error names the file and line, as in `train.tsv:812`. TSV has no quoting, as its media type (IANA
text/tab-separated-values) says: a lone `"` in a cell is common in bitext and must not swallow the
lines after it. CSV is quoted as in RFC 4180. Blank lines are no rows.

A row that cannot be read is yielded as a `BadRow`, which the caller raises or counts. What may
concern more than one row, such as a quote that is never closed, is raised here.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any

from hexapla.corpus.rows import META, BadRow, as_meta
from hexapla.errors import InputError
from hexapla.runs.schema import unique_keys
from hexapla.text.limits import MAX_COLUMNS, check_n_columns, max_text_bytes, too_long
from hexapla.text.lines import ending, read_lines

REPEATED_HEADER = "the header again"
"""Why a row is left out that repeats the header, as in tables that were joined end to end."""

_LONE_CR = "a carriage return outside quotes"
_NUMBER = re.compile(r"\s*[\d.]*\s*")
_ROWS_TRIED = 100  # rows that show whether a column holds numbers
_MAX_NAMED = 20  # columns that an error lists
_limit_lock = Lock()
_limits: list[int] = []  # what csv's limit was before each of the readings that are under way


def table_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (first line, {column: value}) of every row of a .jsonl, .tsv or .csv file.

    Raises:
        InputError: A line that cannot be parsed, or a row with more or fewer fields than the
            header.
    """
    if ending(path) == ".jsonl":
        for number, record in json_rows(path):
            if isinstance(record, BadRow):
                raise record
            yield number, record
        return
    header = read_header(path)
    for number, fields in delimited_rows(path):
        if isinstance(fields, BadRow):
            raise fields
        yield number, dict(zip(header, fields, strict=True))


def text_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (place to begin an error with, {column: cell}) of every row.

    A column that a row lacks is None; `meta.` columns come as text.
    """
    for line, record in table_records(path):
        place = f"{path}:{line}: row"
        row = {
            name: as_meta(record.get(name), place, name)
            if name.startswith(META)
            else record.get(name)
            for name in columns
        }
        yield place, row


def read_header(path: Path, separator: str | None = None) -> list[str]:
    """Return the columns of a TSV or CSV file; an empty file has none.

    Raises:
        InputError: Two columns of one name, too many columns, or a header that cannot be parsed.
    """
    fields = first_fields(path, separator)
    if any("\r" in name for name in fields):
        raise InputError(
            f"{path}: its header has a carriage return; save the file with lines that end in a "
            "newline"
        )
    check_n_columns(path, len(fields))
    header = [name.strip() for name in fields]
    refuse_repeated(path, header)
    return header


def delimited_columns(path: Path, separator: str | None = None) -> dict[str, bool]:
    """Return the columns of a TSV or CSV file in order, and whether each holds text.

    All do, but for a column `No` that numbers the rows, which would be Norwegian else.

    Raises:
        InputError: Two columns of one name, or a header that cannot be parsed.
    """
    header = read_header(path, separator)
    columns = dict.fromkeys(header, True)
    for place, name in enumerate(header):
        if name.casefold() == "no":
            rows = islice(delimited_rows(path, separator), _ROWS_TRIED)
            cells = [fields[place] for _, fields in rows if not isinstance(fields, BadRow)]
            columns[name] = not cells or not all(map(_NUMBER.fullmatch, cells))
    return columns


def first_fields(path: Path, separator: str | None = None) -> list[str]:
    """Return the fields of the first row of a TSV or CSV file, be it a header or not."""
    for _, fields in _fields(path, separator):
        if isinstance(fields, BadRow):
            raise fields
        return fields
    return []


def refuse_repeated(path: Path, names: Sequence[str]) -> None:
    """Refuse a file with two columns of one name.

    Raises:
        InputError: A name occurs twice; all such names are listed.
    """
    if repeated := [name for name, n in Counter(names).items() if name and n > 1]:
        listed = ", ".join(sorted(repeated)[:_MAX_NAMED])
        raise InputError(f"{path} has more than one column named {listed}; rename all but one")


def json_columns(path: Path, records: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Return the keys of any record in order, and whether a text stands under each.

    One text is enough: a number among its texts is then an error on reading, not a reason to
    overlook the column.

    Raises:
        InputError: There are too many keys, or one is no text.
    """
    columns: dict[str, bool] = {}
    for record in records:
        n_before = len(columns)
        for name, value in record.items():
            columns[name] = columns.get(name, False) or isinstance(value, str)
        if len(columns) > n_before:
            check_n_columns(path, len(columns))
    for name in columns:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{path}: the key {json.dumps(name)} has half of a surrogate pair; rename it"
            ) from None
    return columns


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Yield (line, record) of a .jsonl file."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            record = _decode(line)
        except (ValueError, RecursionError) as error:
            yield number, _not_json(f"{path}:{number}", error)
            continue
        if not isinstance(record, dict):
            record = BadRow(
                f"{path}:{number}: not a JSON object; "
                'a row is {"eng_Latn": "...", "deu_Latn": "..."}',
                "a line that is no JSON object",
            )
        yield number, record


_decode = json.JSONDecoder(object_pairs_hook=unique_keys).decode


def _not_json(place: str, error: Exception) -> BadRow:
    what = str(error)
    if isinstance(error, json.JSONDecodeError):
        what = f"{error.msg} at character {error.pos + 1}"
    elif isinstance(error, RecursionError):
        what = "it is nested too deep"
    elif "digits" in what:
        what = "an integer of thousands of digits"
    return BadRow(f"{place}: not JSON: {what}", "a line that is not JSON")


def delimited_rows(
    path: Path, separator: str | None = None, n_columns: int | None = None
) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Yield (first line, fields) of every row of a TSV or CSV file.

    Fields beyond the last column are dropped if they are all empty, and missing ones are added
    where the header has no name for them: many programs end every line in a separator.

    Args:
        path: The file.
        separator: What separates the fields. By default the tab, or the comma in CSV.
        n_columns: The number of columns of a file without a header. By default the first row is the
            header, and is not yielded.
    """
    header: list[str] = []
    has_header = n_columns is None
    n_least = n_columns or 0
    for number, fields in _fields(path, separator):
        if isinstance(fields, BadRow):
            yield number, fields
        elif n_columns is None:
            header = [name.strip() for name in fields]
            n_columns = len(header)
            check_n_columns(path, n_columns)
            n_least = max((place for place, name in enumerate(header, 1) if name), default=0)
        elif len(fields) == n_columns:
            yield number, _repeated(path, number) if fields == header else fields
        elif n_least <= len(fields) < n_columns:
            yield number, fields + [""] * (n_columns - len(fields))
        elif len(fields) > n_columns and not any(map(str.strip, fields[n_columns:])):
            yield number, fields[:n_columns]
        elif len(fields) > 1 or fields[0].strip():
            whose = "the header has" if has_header else "the columns named are"
            n_fields = len(fields) if len(fields) <= MAX_COLUMNS else f"more than {MAX_COLUMNS:,}"
            yield (
                number,
                BadRow(
                    f"{path}:{number}: row has {n_fields} fields; {whose} {n_columns}",
                    "more or fewer fields than columns",
                ),
            )


def _repeated(path: Path, number: int) -> BadRow:
    return BadRow(
        f"{path}:{number}: row is the header again, as in files that were joined; remove it",
        REPEATED_HEADER,
    )


def _fields(path: Path, separator: str | None) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Yield (first line, fields) of the header and of every row."""
    if ending(path) == ".csv":
        return _csv_fields(path, separator)
    return _tsv_fields(path, separator or "\t")


def _tsv_fields(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in read_lines(path):
        if line := line.removesuffix("\n").removesuffix("\r"):
            yield number, line.split(separator, MAX_COLUMNS)


def _csv_fields(path: Path, separator: str | None) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Yield the records of a CSV file; a first line `sep=;`, as Excel writes it, is none."""
    lines = read_lines(path)
    _, first = next(lines, (0, ""))
    said = re.fullmatch(r"sep=(.)\s*", first)
    separator = separator or (said[1] if said else ",")
    row = _CsvRow(path, lines if said else chain([(1, first)], lines))
    with _long_cells():
        reader = csv.reader(row.lines(), delimiter=separator, strict=True)
        while True:
            row.begin(number := reader.line_num + 1 + bool(said))
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = reader.line_num + bool(said)
                what = _LONE_CR if "new-line character" in str(error) else str(error)
                bad = BadRow(f"{path}:{number}: not CSV: {what}", "a line that is not CSV")
                if last > number or "end of data" in what:
                    raise InputError(f"{bad}; {_open_quote(number, last)}") from error
                yield number, bad
            else:
                if fields:
                    yield number, fields


def _open_quote(first: int, last: int) -> str:
    return (
        f"lines {first} to {last} are one row for a quote that opens a cell and does not close "
        "where the cell ends"
    )


class _CsvRow:
    """The lines of a CSV file, of which a row within quotes may take up only so many."""

    def __init__(self, path: Path, lines: Iterator[tuple[int, str]]) -> None:
        self._path = path
        self._lines = lines
        self._limit = max_text_bytes()
        self._first = self._n_characters = 0

    def begin(self, number: int) -> None:
        """Begin a row at a line."""
        self._first, self._n_characters = number, 0

    def lines(self) -> Iterator[str]:
        """Yield the lines.

        Raises:
            InputError: The row has more characters than the longest text may have bytes.
        """
        for number, line in self._lines:
            self._n_characters += len(line)
            if self._n_characters > self._limit:
                error = too_long(f"{self._path}:{self._first}", "the row")
                raise InputError(f"{error}; {_open_quote(self._first, number)}")
            yield line


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let csv read cells of any length, until the last reading under way ends.

    Its limit is global, and less than that of a row.
    """
    with _limit_lock:
        _limits.append(csv.field_size_limit())
        csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        with _limit_lock:
            before = _limits[0]
            _limits.pop()
            if not _limits:
                csv.field_size_limit(before)
