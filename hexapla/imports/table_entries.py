"""Tables and datasets -> entries: every row is one, with every text that stands in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from hexapla.corpus.parquet import is_text, open_parquet, parquet_rows
from hexapla.corpus.rows import BadRow, as_cell
from hexapla.corpus.shards import N_ROWS
from hexapla.corpus.tables import text_columns
from hexapla.corpus.text_tables import delimited_rows, json_columns, json_rows
from hexapla.imports.entries import ImportEntry
from hexapla.imports.table_columns import AS_CSV, TableOptions, choose_columns, pick_columns
from hexapla.sources.hub import Dataset
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.limits import check_n_columns
from hexapla.text.lines import ending

_log = logging.getLogger(__name__)
_NESTED = "translation"  # a record's {language: text}, as datasets of translations have it
_HEADER = "header"
_QUOTED = re.compile(r'"[^"]*(""[^"]*)+"')


def read_table(path: Path, tags: LanguageTags, options: TableOptions) -> Iterator[ImportEntry]:
    """Yield the rows of a .tsv, .csv, .jsonl or .parquet file, plain or compressed.

    Blank lines are no rows. An empty cell is an empty text, and a key that a JSON line lacks is
    none.

    Raises:
        InputError: The file cannot be read, has no two columns named by language, or lacks the
            pivot; or a row cannot be read and bad rows are not skipped.
    """
    kind = ending(path)
    if kind == ".parquet":
        return _parquet_entries(path, tags, options)
    if kind == ".jsonl":
        return _json_entries(path, tags, options)
    return _delimited_entries(path, tags, options)


def read_dataset(name: str, tags: LanguageTags) -> Iterator[ImportEntry]:
    """Yield the records of a dataset of the Hub.

    A record's texts are its field `translation` of {language: text}, or else its fields that are
    named by language.

    Raises:
        InputError: The dataset cannot be read, names no two languages, or has a cell that is not
            text.
    """
    meanings: dict[str, TagMeaning] = {}
    for number, record in enumerate(Dataset(name).records(), start=1):
        place = f"{name}: record {number}"
        texts = record.get(_NESTED)
        if isinstance(texts, dict):
            for tag in texts:
                if tag not in meanings:
                    meanings[tag] = tags.resolve(tag, place)
            check_n_columns(name, len(meanings))
        else:
            texts = record
            if not meanings:
                check_n_columns(name, len(record))
                columns = {
                    key: value is None or isinstance(value, str) for key, value in record.items()
                }
                meanings = choose_columns(Path(name), columns, tags, TableOptions())
        yield _entry(place, texts, meanings)


def _delimited_entries(
    path: Path, tags: LanguageTags, options: TableOptions
) -> Iterator[ImportEntry]:
    columns = pick_columns(path, tags, options)
    rows = delimited_rows(path, options.separator, columns.n_columns)
    if columns.has_spare_header:
        next(rows)
        yield ImportEntry((), _HEADER)
    n_quoted = n_joined = 0
    for line, fields in rows:
        if isinstance(fields, BadRow):
            yield options.left_out(fields)
            continue
        row = "\t".join(fields)
        if "\0" in row:
            message = f"{path}:{line}: row has a NUL character"
            yield options.left_out(BadRow(message, "a NUL character"))
            continue
        n_quoted += '""' in row and any(map(_QUOTED.fullmatch, fields))
        n_joined += "\n" in row and any("\n" in text and "\t" in text for text in fields)
        yield ImportEntry([(meaning, fields[place]) for meaning, place in columns.picked])
    if n_quoted and ending(path) == ".tsv":
        _log.warning(
            "%s: %d rows have a cell that is quoted as in CSV, and keep the quotes; if they are "
            "not part of the text, %s",
            *(path, n_quoted, AS_CSV),
        )
    if n_joined and options.separator == "\t":
        _log.warning(
            "%s: %d rows have a cell with a tab and a line break in quotes; if the quotes are part "
            "of the text, these are several rows: end the name in .tsv, which has no quoting",
            *(path, n_joined),
        )


def _json_entries(path: Path, tags: LanguageTags, options: TableOptions) -> Iterator[ImportEntry]:
    records = (record for _, record in json_rows(path) if not isinstance(record, BadRow))
    columns = json_columns(path, map(_texts, records))
    meanings = choose_columns(path, columns, tags, options)
    for line, record in json_rows(path):
        try:
            if isinstance(record, BadRow):
                raise record
            yield _entry(f"{path}:{line}: row", _texts(record), meanings)
        except BadRow as row:
            yield options.left_out(row)


def _parquet_entries(
    path: Path, tags: LanguageTags, options: TableOptions
) -> Iterator[ImportEntry]:
    with open_parquet(path) as file:
        schema = file.schema_arrow
    nested = schema.field(_NESTED).type if _NESTED in schema.names else None
    if nested is not None and pa.types.is_struct(nested):
        columns = {field.name: is_text(field.type) for field in nested}
        check_n_columns(path, len(columns))
        meanings = choose_columns(path, columns, tags, options)
        records = parquet_rows(path, [_NESTED], N_ROWS)
    else:
        meanings = choose_columns(path, text_columns(path), tags, options)
        records = parquet_rows(path, list(meanings), N_ROWS)
    for place, record in records:
        try:
            yield _entry(place, _texts(record), meanings)
        except BadRow as row:
            yield options.left_out(row)


def _texts(record: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = record.get(_NESTED)
    return nested if isinstance(nested, dict) else record


def _entry(
    place: str, texts: Mapping[str, object], meanings: Mapping[str, TagMeaning]
) -> ImportEntry:
    """Return a record's texts.

    Raises:
        BadRow: A cell is not text, or is damaged.
    """
    return ImportEntry(
        [
            (meaning, as_cell(texts[name], place, name) or "")
            for name, meaning in meanings.items()
            if name in texts
        ]
    )
