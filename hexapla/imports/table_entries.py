"""Tables and datasets -> entries: every row is one, with every text that stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hexapla.corpus import tables
from hexapla.corpus.rows import as_cell
from hexapla.imports.entries import ImportEntry
from hexapla.sources.hub import Dataset
from hexapla.text.language_tags import LanguageTags, TagMeaning


@dataclass(frozen=True)
class TableOptions:
    """How the tables of an import are read.

    Attributes:
        columns: The languages of TSV and CSV files without a header, in order; `-` or an empty name
            is a column that is not used. None if the first line names the columns.
        separator: The character between two cells of TSV and CSV files. By default the tab or the
            comma, as the ending says.
        skip_bad_rows: Whether rows that cannot be read are left out and counted, instead of
            stopping the import.
    """

    columns: tuple[str, ...] | None = None
    separator: str | None = None
    skip_bad_rows: bool = False


def read_table(path: Path, tags: LanguageTags, options: TableOptions) -> Iterator[ImportEntry]:
    """Yield the rows of a .tsv, .csv, .jsonl or .parquet file, plain or compressed.

    Raises:
        InputError: The file cannot be read, has no two columns named by language, or lacks the
            pivot; or a row cannot be read and bad rows are not skipped.
    """
    columns = tables.language_columns(path, tables.text_columns(path), tags.asked)
    meanings = [TagMeaning(code) for code in columns]
    for batch in tables.read_cells(path, list(columns.values()), columns[tags.pivot], 8192):
        for row in batch.to_pylist():
            texts = [text or "" for text in row.values()]
            yield ImportEntry(list(zip(meanings, texts, strict=True)))


def read_dataset(name: str, tags: LanguageTags) -> Iterator[ImportEntry]:
    """Yield the records of a dataset of the Hub.

    A record's texts are its field `translation` of {language: text}, or else its fields that are
    named by language.

    Raises:
        InputError: The dataset cannot be read, or names no two languages.
    """
    columns: dict[str, TagMeaning] = {}
    for number, record in enumerate(Dataset(name).records(), start=1):
        place = f"{name}: record {number}"
        texts = record.get("translation")
        if isinstance(texts, dict):
            columns = {tag: tags.resolve(tag, place) for tag in texts}
        else:
            texts = record
            if not columns:
                is_text = {
                    key: value is None or isinstance(value, str) for key, value in record.items()
                }
                found = tables.language_columns(Path(name), is_text, tags.asked)
                columns = {key: TagMeaning(code) for code, key in found.items()}
        yield ImportEntry(
            [
                (meaning, as_cell(texts.get(key), place, key) or "")
                for key, meaning in columns.items()
            ]
        )
