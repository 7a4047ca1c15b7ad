"""What the user names (files, corpus folders, datasets) -> sources that yield entries.

Names and endings alone decide how a file is read, so that a wrong one is refused before any file is
read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hexapla.corpus import tables
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.rows import as_cell
from hexapla.corpus.shards import N_ROWS
from hexapla.errors import InputError
from hexapla.imports.entries import Entry
from hexapla.imports.moses import moses_groups, read_moses
from hexapla.imports.po import read_po
from hexapla.imports.tmx_xliff import read_tmx, read_xliff
from hexapla.sources.hub import Dataset, is_dataset_name
from hexapla.text.language_tags import LanguageTags
from hexapla.text.lines import ending

_XLIFF = (".xlf", ".xliff", ".sdlxliff", ".mxliff", ".mqxliff")

Read = Callable[[Counter[str]], Iterator[Entry]]
"""Yields entries, and counts what it leaves out. An entry may lack its pivot, or be empty."""


@dataclass(frozen=True, kw_only=True)
class ImportSource:
    """One thing that entries come from.

    Attributes:
        name: Its name in messages.
        files: Its files: by language where each language has its own (Moses), else a single one
            under ""; none for a dataset.
        read: Yields its entries.
        made: How each column was made; known for a corpus folder only.
    """

    name: str
    files: Mapping[str, Path]
    read: Read
    made: Mapping[str, object] = field(default_factory=dict)


def find_import_sources(names: Sequence[str], tags: LanguageTags) -> list[ImportSource]:
    """Return a source for each name, and for each group of Moses files, which come last.

    All names are checked before a corpus folder is verified, which may take a while.

    Raises:
        InputError: A name that is neither a file nor a dataset, an empty file, an unknown ending, a
            Moses file without its partner, or a damaged corpus folder.
    """
    for name in names:
        _check_name(name)
    files = [Path(name) for name in names if Path(name).exists() and not Path(name).is_dir()]
    moses = [path for path in files if not _reader(path, tags)]
    groups = moses_groups(moses)
    sources = [_source(name, tags) for name in names if Path(name) not in moses]
    for group in groups:
        name = " + ".join(map(str, group.values()))
        sources.append(ImportSource(name=name, files=group, read=partial(_read_moses, group)))
    return sources


def _check_name(name: str) -> None:
    path = Path(name)
    if path.exists():
        if not path.is_dir() and path.stat().st_size == 0:
            raise InputError(f"{path} is empty")
    elif not is_dataset_name(name):
        raise InputError(
            f"there is no file {name}; give files, a corpus folder, or a dataset like org/name"
        )


def _source(name: str, tags: LanguageTags) -> ImportSource:
    """Return the source for a name that is no Moses file."""
    path = Path(name)
    if path.is_dir():
        corpus = open_corpus(path)
        made = corpus.manifest.get("columns", {})
        read = partial(_read_corpus, corpus)
        return ImportSource(name=name, files={"": path / MANIFEST}, read=read, made=made)
    if path.exists() and (read_file := _reader(path, tags)):
        return ImportSource(name=name, files={"": path}, read=read_file)
    return ImportSource(name=name, files={}, read=partial(_read_dataset, name, tags))


def refuse_without_pivot(name: str, pivot: str, languages: Sequence[str]) -> None:
    """Refuse a source without the pivot, which nothing would join with the others.

    Raises:
        InputError: The pivot is not among the languages.
    """
    if pivot not in languages:
        have = ", ".join(languages) or "no text in any language"
        raise InputError(
            f"{name} has no {pivot}, the pivot that rows are joined on; it has {have}: see --pivot"
        )


def _reader(path: Path, tags: LanguageTags) -> Read | None:
    kind = ending(path)
    if kind == ".tmx":
        return partial(read_tmx, path, tags)
    if kind in _XLIFF:
        return partial(read_xliff, path, tags)
    if kind == ".po":
        return partial(read_po, path, tags)
    return partial(_read_table, path, tags) if kind in tables.SUFFIXES else None


def _read_moses(group: Mapping[str, Path], _: Counter[str]) -> Iterator[Entry]:
    return read_moses(group)


def _read_corpus(corpus: Corpus, _: Counter[str]) -> Iterator[Entry]:
    for batch in corpus.batches():
        for row in batch.drop_columns(["row_id"]).to_pylist():
            yield {code: text for code, text in row.items() if text}


def _read_table(path: Path, tags: LanguageTags, _: Counter[str]) -> Iterator[Entry]:
    columns = tables.language_columns(path, tables.text_columns(path), tags.asked)
    refuse_without_pivot(str(path), tags.pivot, list(columns))
    for batch in tables.read_cells(path, list(columns.values()), columns[tags.pivot], N_ROWS):
        for row in batch.to_pylist():
            yield {code: text for code, text in zip(columns, row.values(), strict=True) if text}


def _read_dataset(name: str, tags: LanguageTags, _: Counter[str]) -> Iterator[Entry]:
    """Yield the rows of a dataset.

    They are its column `translation` of {language: text}, or else its columns named by language.
    """
    columns: dict[str, str] = {}
    for number, record in enumerate(Dataset(name).records(), start=1):
        place = f"{name}: record {number}"
        texts = record.get("translation")
        if isinstance(texts, dict):
            columns = {tags.code(tag, place): tag for tag in texts}
        else:
            texts = record
            if not columns:
                is_text = {
                    key: value is None or isinstance(value, str) for key, value in record.items()
                }
                columns = tables.language_columns(Path(name), is_text, tags.asked)
        cells = {code: as_cell(texts.get(key), place, key) for code, key in columns.items()}
        yield {code: text for code, text in cells.items() if text}
