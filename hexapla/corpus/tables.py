"""Table files that people bring (Parquet, TSV, CSV, JSON lines) -> Arrow batches of clean cells.

Every file is streamed, and may be compressed (`train.tsv.gz`).
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from itertools import islice
from pathlib import Path

import pyarrow as pa

from hexapla.corpus.parquet import (
    decode_column,
    is_text,
    open_parquet,
    parquet_rows,
    read_parquet,
)
from hexapla.corpus.rows import META, as_cell
from hexapla.corpus.text_tables import (
    delimited_columns,
    json_columns,
    refuse_repeated,
    table_records,
    text_rows,
)
from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.limits import check_n_columns
from hexapla.text.lines import ending
from hexapla.text.spellings import codes_by_spelling

SUFFIXES = (".parquet", ".tsv", ".csv", ".jsonl")
_WORDS = {"id": "ind_Latn", "to": "ton_Latn"}  # columns that are rarely the language of that code
_SEPARATORS = {
    ";": (";", "semicolons"),
    "\t": ("tab", "tabs"),
    "|": ("|", "vertical bars"),
    ",": (",", "commas"),
}
_FIELD_ROWS = 8192  # rows that `read_field` reads at once
_MAX_NAMED, _MAX_NAME = 20, 40  # columns that an error lists, and characters of each
_TAG = re.compile("[a-z]{2,3}([-_][a-z]{4})?([-_]([a-z]{2}|[0-9]{3}))?(@[a-z]+)?", re.IGNORECASE)
_log = logging.getLogger(__name__)
_WRITTEN_AS_A_CODE = re.compile(r"[a-z]{2,3}[-_]([A-Z][a-z]{2,4}|[A-Z]{2})")


def text_columns(path: Path) -> dict[str, bool]:
    """Return the columns of a file in order, and whether each holds text.

    In JSON lines the columns are the keys of any line.

    Raises:
        InputError: Too many columns, two of one name, or a file that cannot be read.
    """
    if ending(path) == ".parquet":
        with open_parquet(path) as file:
            check_n_columns(path, len(file.schema_arrow))
            refuse_repeated(path, file.schema_arrow.names)
            return {field.name: is_text(field.type) for field in file.schema_arrow}
    if ending(path) == ".jsonl":
        return json_columns(path, (record for _, record in table_records(path)))
    return delimited_columns(path)


def language_columns(
    path: Path, columns: Mapping[str, bool], asked: Sequence[str] | None
) -> dict[str, str]:
    """Return language -> column for those of the `text_columns` that are named by a language.

    The languages asked for settle what an ambiguous name means, and other columns may be unclear
    then. A file that is read as a corpus has one column for each language: which of two regional
    variants a row needs is for an import to choose.

    Raises:
        InputError: Two columns of one language, fewer than two languages, an ambiguous name, or a
            column of a language that holds no text.
    """
    found: dict[str, str] = {}
    tags = LanguageTags(asked[0] if asked else "", asked)
    for name, meaning in column_meanings(path, columns, tags).items():
        code = meaning.code
        if not codes.is_language(code):
            continue
        if code in found:
            if asked and code not in asked:
                continue
            raise InputError(
                f"{path}: the columns {found[code]} and {name} are both {code}; rename or drop "
                "one, or let hexapla import choose between them row by row"
            )
        found[code] = name
    if len(found) < 2:
        raise InputError(
            f"{path}: a corpus needs two columns named by language (eng_Latn, deu_Latn); "
            f"it has {'only' if found else 'none among'} {list_columns(columns, found.values())}"
            f"{_separator_hint(path, list(columns))}"
        )
    return found


def _separator_hint(path: Path, columns: Sequence[str]) -> str:
    """Return a hint if the only column of a TSV or CSV file has other separators in its name."""
    if len(columns) != 1 or ending(path) not in (".tsv", ".csv"):
        return ""
    for separator, (given, name) in _SEPARATORS.items():
        if separator in columns[0]:
            return (
                f"; it looks separated by {name}: hexapla import {shlex.quote(str(path))} "
                f'--separator "{given}" --out corpus reads it, or save it with '
                f"{'commas' if ending(path) == '.csv' else 'tabs'}"
            )
    return ""


def list_columns(columns: Iterable[str], first: Iterable[str] = ()) -> str:
    """Return the names of columns for an error, some of them first."""
    names = list(dict.fromkeys([*first, *columns]))
    return ", ".join(_shortened(name) for name in names[:_MAX_NAMED]) + (
        f" and {len(names) - _MAX_NAMED} more"
        if names[_MAX_NAMED:]
        else ""
        if names
        else "no columns"
    )


def note_unused(path: Path, columns: Iterable[str], used: Iterable[str]) -> None:
    """Log which columns of a table are neither a language's nor hexapla's own."""
    known = {"", "row_id", *used}
    unused = [name for name in columns if name not in known and not name.startswith(META)]
    if unused:
        which, names = ("column", "that name") if len(unused) == 1 else ("columns", "these names")
        note_once(
            path.parent,
            f"not used: {which} {list_columns(unused)} (no language is known by {names})",
        )


@cache
def note_once(folder: Path, text: str) -> None:
    """Log a note on the files of a folder; a command may open a file, and many alike, again."""
    _log.info(text)


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."


def column_meanings(
    path: Path, columns: Mapping[str, bool], tags: LanguageTags
) -> dict[str, TagMeaning]:
    """Return column -> meaning for those of the `text_columns` that are named by a language.

    Several may mean one language, as regional variants. A column `id` nearly always numbers the
    rows, and one `to` says where a text goes. They are Indonesian and Tongan only when these
    languages are among those asked for and no other column has them.

    Raises:
        InputError: An ambiguous name, or a column of a language that holds no text.
    """
    found: dict[str, TagMeaning] = {}
    names = frozenset(columns)
    for name, has_text in columns.items():
        if name.casefold() in _WORDS or not (has_text or codes.is_language(name)):
            continue
        if meaning := _meaning(path, name, names, tags):
            found[name] = meaning
            if not has_text:
                raise InputError(
                    f"{path}: the column {name} holds no text; a language's column does"
                )
    for word, code in _WORDS.items():
        if code in (tags.asked or ()) and code not in [meaning.code for meaning in found.values()]:
            named = [name for name, has_text in columns.items() if has_text]
            found |= {name: TagMeaning(code) for name in named if name.casefold() == word}
    return found


def _meaning(path: Path, name: str, names: Set[str], tags: LanguageTags) -> TagMeaning | None:
    """Return the language that a column is named by, or None for a column of another kind.

    An ambiguous `zh` (which script?) and a mistyped `deu_Lath` are errors, not columns of another
    kind, unless the languages asked for settle them.
    """
    if _is_pair(name, names, tags):
        return None
    place = f"{path}, column {name}"
    if not codes.codes_of(name) and not _is_like_a_tag(name):
        return None  # without looking for languages nearest to it, which takes milliseconds
    try:
        code = codes.parse(name)
    except InputError as error:
        if not _is_like_a_tag(name):
            return None
        try:
            return tags.resolve(name, place)
        except InputError:
            raise InputError(f"{place}: {error}") from None
    return tags.resolve(name, place) if _TAG.fullmatch(name) else TagMeaning(code)


def _is_like_a_tag(name: str) -> bool:
    """Return whether a name that may be no language's is written as one is."""
    return bool(_WRITTEN_AS_A_CODE.fullmatch(name)) or (
        bool(_TAG.fullmatch(name)) and re.split("[-_@]", name.casefold())[0] in _short_codes()
    )


def _is_pair(name: str, names: Set[str], tags: LanguageTags) -> bool:
    """Return whether `en_de` is rather a column about two languages than English of a region.

    It is if both languages are asked for, or else if both have a column of their own.
    """
    parts = re.fullmatch("([a-z]{2,3})[-_]([a-z]{2,3})", name)
    if not parts:
        return False
    if tags.asked is None:
        return set(parts.groups()) <= names
    found = {code for part in parts.groups() for code in codes_by_spelling().get(part, ())}
    return len(found.intersection(tags.asked)) > 1


@cache
def _short_codes() -> frozenset[str]:
    rows = codes.LANGUAGES.values()
    tags = (tag for row in rows for tag in (row.code, row.bcp47, *row.mteb, *row.aliases))
    return frozenset(re.split("[-_]", tag)[0].casefold() for tag in tags)


def read_cells(
    path: Path, columns: Sequence[str], required: str, n_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `n_rows` rows with `columns` in that order.

    All columns are strings, and an empty cell is null.

    Args:
        path: A file with one of the `SUFFIXES`.
        columns: Names as in the file. A `meta.` column may hold anything and comes as text.
        required: One of `columns` that must not have a null: the pivot.
        n_rows: Rows per batch.

    Raises:
        InputError: A row without its pivot, a cell that is not clean text, or a line that cannot be
            parsed.
    """
    is_parquet = ending(path) == ".parquet"
    rows = parquet_rows(path, columns, n_rows) if is_parquet else text_rows(path, columns)
    schema = pa.schema([(name, pa.string()) for name in columns])
    checked = (_check_row(place, row, required) for place, row in rows)
    while batch := list(islice(checked, n_rows)):
        yield pa.RecordBatch.from_pylist(batch, schema=schema)


def text_fields(path: Path) -> list[str]:
    """Return the columns that hold text; of JSON lines only the first line is read."""
    if ending(path) == ".jsonl":
        _, record = next(table_records(path), (0, {}))
        return [name for name, value in record.items() if value is None or isinstance(value, str)]
    return [name for name, has_text in text_columns(path).items() if has_text]


def read_field(path: Path, field: str) -> Iterator[tuple[int, str | None]]:
    """Yield (line, or row of a Parquet file; cell) of one of the `text_fields` in order.

    Raises:
        InputError: A line without the field, a cell that is not clean text, or a line that cannot
            be parsed.
    """
    if ending(path) == ".parquet":
        number = 0
        for batch in read_parquet(path, [field], _FIELD_ROWS):
            for cell in decode_column(path, number, batch, field):
                number += 1
                yield number, as_cell(cell, f"{path}: row {number}", field)
        return
    for line, record in table_records(path):
        if field not in record:
            hint = did_you_mean(field, record)
            raise InputError(
                f"{path}:{line}: row has no field {field}; it has {list_columns(record)}{hint}"
            )
        yield line, as_cell(record[field], f"{path}:{line}: row", field)


def _check_row(place: str, row: Mapping[str, object], required: str) -> dict[str, str | None]:
    cells = {name: as_cell(value, place, name) for name, value in row.items()}
    if cells[required] is None:
        raise InputError(
            f"{place} has no {required} cell; every row needs its pivot (hexapla import "
            "leaves such rows out, and its --pivot chooses another language)"
        )
    return cells
