"""Which columns of a table an import uses, and what each of them means.

Columns are found by name. A header that names no languages is an error, unless the languages of the
columns are given. Several columns of one language, as regional variants, are all used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hexapla.corpus.rows import BadRow
from hexapla.corpus.tables import column_meanings, list_columns, note_unused
from hexapla.corpus.text_tables import REPEATED_HEADER, delimited_columns, first_fields, read_header
from hexapla.errors import InputError
from hexapla.imports.entries import ImportEntry
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.limits import MAX_COLUMNS
from hexapla.text.lines import ending, read_lines

_SIDES = (("source", "target"), ("src", "tgt"), ("src", "trg"))
_SEPARATORS = {"\t": "tab", ";": ";", "|": "|", ",": ","}
_UNUSED = ("", "-")
_IN_QUOTES = re.compile('".*"')
_LONG_NAME = 40  # characters; a longer "name" of a column is rather a text
AS_CSV = "end the name in .csv and give --separator tab"
"""What to do about a TSV file with quotes that are not part of its texts."""


@dataclass(frozen=True)
class TableOptions:
    r"""How the tables of an import are read.

    Attributes:
        columns: The languages of the columns of TSV and CSV files without a header, in order; `-`
            or an empty name is a column that is not used. Of a mined file, which has a header, they
            are the languages of `source` and `target`. Or `name=language` for columns of any table
            whose names do not say it. None if the names of all columns say their language.
        separator: The character between two cells of TSV and CSV files; `tab` or `\t` is a tab. By
            default the tab or the comma, as the ending says.
        skip_bad_rows: Whether rows that cannot be read are left out and counted, instead of
            stopping the import.
    """

    columns: tuple[str, ...] | None = None
    separator: str | None = None
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        """Check the options, and make a tab of its escape."""
        if self.separator in ("tab", r"\t"):
            object.__setattr__(self, "separator", "\t")
        if self.separator is not None and (
            len(self.separator) != 1 or self.separator in '"\r\n\0\ufeff'
        ):
            raise InputError(
                f"the separator is {self.separator!r}; it is one character, such as ; or \\t, "
                "and neither a quote nor a line end"
            )
        if self.columns is not None and not self.named and len(self.in_order) < 2:
            raise InputError(
                f"the columns are {','.join(self.columns)!r}; name two languages or more, in the "
                "order of the file, and write - for a column that is not used; or write name=en "
                "for columns of a header, and nothing else then"
            )

    @property
    def named(self) -> dict[str, str]:
        """Column -> language, if columns are given by name."""
        pairs = [name.rpartition("=") for name in self.columns or ()]
        is_named = all(name and language for name, _, language in pairs)
        return {name.strip(): language.strip() for name, _, language in pairs if is_named}

    @property
    def in_order(self) -> list[tuple[int, str]]:
        """Place and language of each column that is used, if columns are given in order."""
        names = () if self.named else self.columns or ()
        return [
            (place, name)
            for place, name in enumerate(names)
            if name not in _UNUSED and "=" not in name
        ]

    def left_out(self, row: BadRow) -> ImportEntry:
        """Return the entry that stands for a bad row.

        Raises:
            InputError: Bad rows are not skipped.
        """
        if not self.skip_bad_rows and row.reason != REPEATED_HEADER:
            raise InputError(
                f"{row}; --skip-bad-rows leaves out such rows and counts them"
            ) from row
        return ImportEntry((), row.reason)


@dataclass(frozen=True)
class DelimitedColumns:
    """The columns that are used of a TSV or CSV file.

    Attributes:
        picked: What a column means, and its place from 0.
        n_columns: The number of columns of a file without a header; None if it has one.
        has_spare_header: Whether the first line names the columns, although --columns does.
    """

    picked: Sequence[tuple[TagMeaning, int]]
    n_columns: int | None
    has_spare_header: bool


def pick_columns(path: Path, tags: LanguageTags, options: TableOptions) -> DelimitedColumns:
    """Return the columns to use of a TSV or CSV file.

    Raises:
        InputError: There are no two languages, or not the pivot.
    """
    first = [name.strip() for name in first_fields(path, options.separator)]
    if not options.in_order or _sides_among(first):
        header = read_header(path, options.separator)
        columns = delimited_columns(path, options.separator)
        meanings = choose_columns(path, columns, tags, options)
        places = {name: place for place, name in enumerate(header)}
        picked = [(meaning, places[name]) for name, meaning in meanings.items()]
        return DelimitedColumns(picked, None, has_spare_header=False)
    n_columns = len(options.columns or ())
    picked = [(tags.resolve(name, "--columns"), place) for place, name in options.in_order]
    _check_pivot(path, [meaning for meaning, _ in picked], tags)
    _check_width(path, first, options)
    is_header = _is_header(path, first, picked, tags)
    return DelimitedColumns(picked, n_columns, has_spare_header=is_header)


def choose_columns(
    path: Path, columns: Mapping[str, bool], tags: LanguageTags, options: TableOptions
) -> dict[str, TagMeaning]:
    """Return column -> meaning of the columns of an import.

    Raises:
        InputError: There are no two languages, or not the pivot.
    """
    named = options.named
    unnamed = {name: has_text for name, has_text in columns.items() if name not in named}
    found = column_meanings(path, unnamed, tags) | {
        name: tags.resolve(language, "--columns")
        for name, language in named.items()
        if name in columns and language not in _UNUSED
    }
    if len(found) < 2 and (sides := _sides_among(columns)):
        found = _sides(path, sides, tags, options)
    if len({meaning.code for meaning in found.values()}) < 2:
        raise InputError(_no_languages(path, list(columns), list(found), tags, options))
    _check_pivot(path, list(found.values()), tags)
    note_unused(path, columns, {*found, *named})
    return found


def _sides_among(columns: Iterable[str]) -> tuple[str, str] | None:
    """Return the two columns of a bitext, such as a mined file, that does not say its languages."""
    names = set(columns)
    return next((sides for sides in _SIDES if names.issuperset(sides)), None)


def _sides(
    path: Path, sides: tuple[str, str], tags: LanguageTags, options: TableOptions
) -> dict[str, TagMeaning]:
    names = [name for _, name in options.in_order]
    if len(names) != 2:
        raise InputError(
            f"{path}: its columns {' and '.join(sides)} do not say their languages; name them in "
            "this order, as in --columns en,de"
        )
    return {side: tags.resolve(name, "--columns") for side, name in zip(sides, names, strict=True)}


def _check_pivot(path: Path, meanings: Sequence[TagMeaning], tags: LanguageTags) -> None:
    languages = dict.fromkeys(meaning.code for meaning in meanings)
    if tags.pivot not in languages:
        raise InputError(
            f"{path} has no {tags.pivot}, the pivot that rows are joined on; "
            f"it has {', '.join(languages)}: see --pivot"
        )


def _check_width(path: Path, first: Sequence[str], options: TableOptions) -> None:
    """Refuse a first row that does not fit the columns named: then no row may fit them."""
    names = options.columns or ()
    if first and len(first) != len(names) and any(first[len(names) :] or [len(first) < len(names)]):
        raise InputError(
            f"{path}: --columns names {len(names)} columns; the first row has {len(first)} "
            f"({list_columns(first)}){_separator_hint(path, len(names), options)}"
        )


def _is_header(
    path: Path,
    first: Sequence[str],
    picked: Sequence[tuple[TagMeaning, int]],
    tags: LanguageTags,
) -> bool:
    """Return whether the first row names languages, though --columns does so already.

    Raises:
        InputError: It names them in another order.
    """
    names = [first[place] if place < len(first) else "" for _, place in picked]
    try:
        said = column_meanings(path, dict.fromkeys(names, True), tags)
    except InputError:
        return False  # one is an ambiguous name: a text like "no" or "min"
    named = [said[name].code for name in names if name in said]
    languages = [meaning.code for meaning, _ in picked]
    if named != languages and sorted(named) == sorted(languages):
        raise InputError(
            f"{path}: --columns gives {', '.join(languages)}, its header "
            f"{', '.join(named)}; drop --columns"
        )
    return named == languages


def _no_languages(
    path: Path,
    columns: Sequence[str],
    found: Sequence[str],
    tags: LanguageTags,
    options: TableOptions,
) -> str:
    """Return the error for a table without two languages."""
    listed = f"{'only' if found else 'none among'} {list_columns(columns, found)}"
    message = f"{path}: an import needs two columns named by language (en, de); it has {listed}"
    if ending(path) not in (".tsv", ".csv"):
        return f"{message}; name others with --columns name=en,other=de"
    if hint := _separator_hint(path, 2, options, tags):
        return message + hint
    if ending(path) == ".tsv" and columns and all(map(_IN_QUOTES.fullmatch, columns)):
        return f"{message}; cells of TSV have no quotes: {AS_CSV}"
    if not found and any(" " in name or len(name) > _LONG_NAME for name in columns):
        message = f"{path}: its first line is text rather than a header ({list_columns(columns)})"
    return (
        f"{message}; name the columns: --columns en,de in order if the file has no header, or else "
        "--columns name=en,other=de"
    )


def _separator_hint(
    path: Path, n_least: int, options: TableOptions, tags: LanguageTags | None = None
) -> str:
    """Return a hint if another separator makes columns of the first line.

    Args:
        path: The file.
        n_least: How many columns there should be.
        options: How the file was read.
        tags: Given if the first line should be a header; it is enough that it has no separator.
    """
    _, line = next(read_lines(path), (0, ""))
    used = options.separator or ("," if ending(path) == ".csv" else "\t")
    for separator, spelled in _SEPARATORS.items():
        names = [name.strip().strip('"') for name in line.split(separator, MAX_COLUMNS)]
        if separator == used or not n_least <= len(names) <= MAX_COLUMNS:
            continue
        if tags and used in line:
            try:
                if len(column_meanings(path, dict.fromkeys(names, True), tags)) < n_least:
                    continue
            except InputError:
                pass  # an ambiguous name is one of a language
        return f'; the separator seems to be "{spelled}": give --separator "{spelled}"'
    return ""
