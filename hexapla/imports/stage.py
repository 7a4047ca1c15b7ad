"""Translated files -> one corpus folder, joined on the pivot.

Texts are cleaned as in every other stage, and what is not used is counted by reason. `corpus.json`
says which files each column came from, and under `import` what each file contributed and lost.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import Corpus
from hexapla.corpus.shards import file_facts
from hexapla.corpus.writer import check_corpus_folder, write_corpus
from hexapla.errors import InputError
from hexapla.imports.config import ImportConfig
from hexapla.imports.entries import Entry
from hexapla.imports.join import RowJoin
from hexapla.imports.source_files import ImportSource, find_import_sources, refuse_without_pivot
from hexapla.runs.progress import Bar, Progress
from hexapla.text.clean import clean_text
from hexapla.text.language_tags import LanguageTags

_ENTRIES_PER_UPDATE = 1000


def import_corpus(config: ImportConfig, *, quiet: bool = False) -> Corpus:
    """Read files of translations, join them and write them as a corpus.

    Two entries are one row if their pivot texts are equal after cleaning. Where their translations
    differ, the most frequent one is kept, the first of equally frequent ones, and the row is
    counted as a conflict in that language.

    Args:
        config: The settings.
        quiet: Show no progress.

    Returns:
        The written corpus, opened.

    Raises:
        InputError: A setting, file or folder is not allowed; of a file, the line is named.
    """
    check_corpus_folder(config.out, config.overwrite)
    tags = LanguageTags(config.pivot, config.languages)
    sources = find_import_sources(config.files, tags)
    places = _places(sources)
    with RowJoin(config.pivot) as join:
        with Progress(quiet=quiet) as progress:
            bar = progress.add("reading", unit="entries")
            facts = [_add(source, join, tags, places, bar) for source in sources]
        languages = _languages(config, facts)
        return write_corpus(
            join.rows(),
            config.out,
            languages=languages,
            pivot=config.pivot,
            columns={code: _made(code, sources, facts, places) for code in languages},
            overwrite=config.overwrite,
            license=config.license,
            finish=lambda folder: {"import": {"sources": facts, "conflicts": join.conflicts()}},
        )


def _languages(config: ImportConfig, facts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the languages of the corpus, the pivot first.

    Raises:
        InputError: No file has usable text in one of them, or in any.
    """
    usable = dict.fromkeys(code for fact in facts for code in fact["n_texts"])
    if missing := [code for code in config.languages or () if code not in usable]:
        have = ", ".join(usable) or "nothing"
        raise InputError(
            f"no file has usable text in {', '.join(missing)}; what can be joined is in {have}"
        )
    if not usable:
        raise InputError(_nothing_to_join(facts))
    return tuple(dict.fromkeys([config.pivot, *(config.languages or usable)]))


def _add(
    source: ImportSource,
    join: RowJoin,
    tags: LanguageTags,
    places: Mapping[Path, str],
    bar: Bar,
) -> dict[str, Any]:
    """Add a source's entries to the join, and return its part of the manifest."""
    left_out: Counter[str] = Counter()
    n_texts: Counter[str] = Counter()
    languages: dict[str, None] = {}  # those of the source, asked for or not
    n_entries = 0
    for entry in _counted(source.read(left_out), bar, source.name):
        n_entries += 1
        languages |= dict.fromkeys(entry)
        if cells := _cells(entry, tags, left_out):
            n_texts.update(cells.keys())
            join.add(cells)
    if not n_entries:
        raise InputError(f"{source.name} is empty: it has no entry")
    if languages:
        refuse_without_pivot(source.name, tags.pivot, list(languages))
    return {
        "from": [file_facts(path) | {"file": places[path]} for path in source.files.values()]
        or source.name,
        "n_entries": n_entries,
        "n_texts": dict(n_texts),
        "left_out": dict(+left_out),
    }


def _cells(entry: Entry, tags: LanguageTags, left_out: Counter[str]) -> dict[str, str]:
    """Return an entry's clean texts in the languages asked for.

    An entry that cannot be used gives nothing, and its reason is counted; that of an empty one was
    counted by its reader.
    """
    if not entry:
        return {}
    kept = {code: text for code, text in entry.items() if tags.asked is None or code in tags.asked}
    left_out["text in a language not asked for"] += len(entry) - len(kept)
    cells = {code: clean for code, text in kept.items() if (clean := clean_text(text))}
    if tags.pivot not in cells:
        left_out["no pivot"] += 1
        return {}
    if len(cells) < 2:
        left_out["untranslated"] += len(kept) == len(entry)
        return {}
    return cells


def _nothing_to_join(facts: Sequence[Mapping[str, Any]]) -> str:
    left_out = sum((Counter(fact["left_out"]) for fact in facts), Counter())
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in left_out.most_common())
    n_entries = sum(fact["n_entries"] for fact in facts)
    return (
        f"of {n_entries:,} entries none can be used ({reasons}); "
        "a usable one has its pivot and a text in another language"
    )


def _places(sources: Sequence[ImportSource]) -> dict[Path, str]:
    """Return the path of every file from the folder that all of them lie in.

    The names alone would not distinguish `de/app.po` from `fr/app.po`.
    """
    files = [path for source in sources for path in source.files.values()]
    folder = os.path.commonpath([path.absolute().parent for path in files]) if files else ""
    return {path: Path(os.path.relpath(path.absolute(), folder)).as_posix() for path in files}


def _made(
    code: str,
    sources: Sequence[ImportSource],
    facts: Sequence[Mapping[str, Any]],
    places: Mapping[Path, str],
) -> dict[str, object]:
    """Return what a column came from, and how that was made where its source says so."""
    origins: list[str] = []
    made: dict[str, object] = {}
    for source, fact in zip(sources, facts, strict=True):
        if code in fact["n_texts"]:
            files = [source.files[code]] if code in source.files else source.files.values()
            origins += [places[path] for path in files] or [source.name]
            if how := source.made.get(code):
                made[origins[-1]] = how
    return {"from": origins} | ({"made": made} if made else {})


def _counted(entries: Iterable[Entry], bar: Bar, name: str) -> Iterator[Entry]:
    """Yield the entries, and count them on the bar in groups, since each is quick to read."""
    bar.advance(0, description=name)
    n_entries = 0
    for entry in entries:
        yield entry
        n_entries += 1
        if n_entries % _ENTRIES_PER_UPDATE == 0:
            bar.advance(_ENTRIES_PER_UPDATE)
    bar.advance(n_entries % _ENTRIES_PER_UPDATE)
