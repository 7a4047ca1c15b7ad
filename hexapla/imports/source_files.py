"""What the user names (files, corpus folders, datasets) -> sources that yield units.

Names and endings alone decide how a file is read, so that a wrong one is refused before any file is
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import SAMPLE, Corpus, open_corpus
from hexapla.corpus.tables import SUFFIXES
from hexapla.errors import InputError
from hexapla.imports.config import ImportConfig
from hexapla.imports.entries import ImportEntry, Read
from hexapla.imports.moses import MosesGroup, moses_groups, read_moses
from hexapla.imports.po import read_po
from hexapla.imports.table_columns import TableOptions
from hexapla.imports.table_entries import read_dataset, read_table
from hexapla.imports.tmx import read_tmx
from hexapla.imports.xliff import read_xliff
from hexapla.sources.hub import is_dataset_name
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.lines import ending
from hexapla.text.special_files import refuse_special

_XLIFF = (".xlf", ".xliff", ".sdlxliff", ".mxliff", ".mqxliff")


@dataclass(frozen=True, kw_only=True)
class ImportSource:
    """One thing that units come from.

    Attributes:
        name: Its name in messages.
        files: Its files: by language where each language has its own (Moses), else under ""; none
            for a dataset.
        read: Yields its units.
        made: How each column was made; known for a corpus folder only.
    """

    name: str
    files: Mapping[str, Sequence[Path]]
    read: Read
    made: Mapping[str, object] = field(default_factory=dict)

    @property
    def all_files(self) -> list[Path]:
        """Its files, in order."""
        return [path for paths in self.files.values() for path in paths]


def find_import_sources(config: ImportConfig, tags: LanguageTags) -> list[ImportSource]:
    """Return a source for each name, and for each group of Moses files, which come last.

    All names are checked before a corpus folder is verified, which may take a while.

    Raises:
        InputError: A name that is neither a file nor a dataset, an empty file, an unknown ending, a
            Moses file without its partner, a damaged corpus folder, or a setting of tables that is
            not allowed.
    """
    names = config.files
    _table_options(config)  # checked even if no file is a table
    for name in names:
        _check_name(name)
    files = [Path(name) for name in names if name != SAMPLE and Path(name).is_file()]
    moses = [path for path in files if not _reader(path, config, tags)]
    groups = moses_groups(moses, tags)
    sides = frozenset(moses)
    sources = [_source(name, config, tags) for name in names if Path(name) not in sides]
    return sources + [_moses_source(group) for group in groups]


def _check_name(name: str) -> None:
    if name == SAMPLE:
        return
    path = Path(name)
    refuse_special(path)
    if path.exists():
        if not path.is_dir() and path.stat().st_size == 0:
            raise InputError(f"{path} is empty")
    elif not is_dataset_name(name):
        raise InputError(
            f'there is no file {name}; give files, a corpus folder, "{SAMPLE}", or a dataset like '
            "org/name"
        )


def _source(name: str, config: ImportConfig, tags: LanguageTags) -> ImportSource:
    """Return the source for a name that is no Moses file."""
    path = Path(name)
    if name == SAMPLE or path.is_dir():
        corpus = open_corpus(name)
        made = corpus.manifest.get("columns", {})
        read = partial(_read_corpus, corpus)
        return ImportSource(name=name, files={"": [corpus.path / MANIFEST]}, read=read, made=made)
    if path.exists() and (read_file := _reader(path, config, tags)):
        return ImportSource(name=name, files={"": [path]}, read=read_file)
    return ImportSource(name=name, files={}, read=partial(read_dataset, name, tags))


def _moses_source(group: MosesGroup) -> ImportSource:
    files: dict[str, list[Path]] = {}
    for meaning, path in group:
        files.setdefault(meaning.code, []).append(path)
    name = " + ".join(str(path) for _, path in group)
    return ImportSource(name=name, files=files, read=partial(read_moses, group))


def _reader(path: Path, config: ImportConfig, tags: LanguageTags) -> Read | None:
    """Return what reads a file, None for a Moses file."""
    kind = ending(path)
    if kind == ".tmx":
        return partial(read_tmx, path, tags)
    if kind in _XLIFF or kind == ".po":
        return partial(
            read_po if kind == ".po" else read_xliff,
            path,
            tags,
            keep_unfinished=config.keep_unfinished,
            strip_accelerators=config.strip_accelerators,
        )
    if kind in SUFFIXES:
        return partial(read_table, path, tags, _table_options(config))
    return None


def _table_options(config: ImportConfig) -> TableOptions:
    return TableOptions(config.columns, config.separator, config.skip_bad_rows)


def _read_corpus(corpus: Corpus) -> Iterator[ImportEntry]:
    meanings = [TagMeaning(code) for code in corpus.languages]
    for batch in corpus.batches():
        for row in batch.select(list(corpus.languages)).to_pylist():
            texts = [text or "" for text in row.values()]
            yield ImportEntry(list(zip(meanings, texts, strict=True)))
