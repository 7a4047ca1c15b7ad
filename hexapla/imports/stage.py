"""Translated files -> one corpus folder, joined on the pivot.

Texts are cleaned as in every other stage, and what is not used is counted by reason. `corpus.json`
says which files each column came from, and under `import` what each file contributed and lost.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import Corpus
from hexapla.corpus.shards import file_facts
from hexapla.corpus.work_folder import open_work_folder
from hexapla.corpus.writer import check_corpus_folder, write_corpus
from hexapla.errors import InputError
from hexapla.imports.account import SourceAccount, check_sum
from hexapla.imports.config import ImportConfig
from hexapla.imports.entries import ImportEntry
from hexapla.imports.join import RowJoin
from hexapla.imports.script_guard import ScriptGuard
from hexapla.imports.source_files import ImportSource, find_import_sources
from hexapla.imports.symbolic_keys import KeyCount
from hexapla.runs.progress import Bar, Progress
from hexapla.runs.record import check_apart
from hexapla.text.language_tags import LanguageTags
from hexapla.text.limits import with_text_limit

_ENTRIES_PER_UPDATE = 1000
_LANGUAGES_SHOWN = 12  # in a message
_MIN_COPIES = 3  # texts; fewer may be names

_log = logging.getLogger(__name__)


@with_text_limit
def import_corpus(config: ImportConfig, *, quiet: bool = False) -> Corpus:
    """Read files of translations, join them and write them as a corpus.

    Two units are one row if their pivot texts are equal after cleaning. Where their translations
    differ, `RowJoin` says which is kept, and the others are counted as conflicts.

    Args:
        config: The settings.
        quiet: Show no progress.

    Returns:
        The written corpus, opened.

    Raises:
        InputError: A setting, file or folder is not allowed; of a file, the line is named.
        RuntimeError: Texts are neither in the corpus nor counted, which is a fault of the program.
    """
    check_corpus_folder(config.out, config.overwrite)
    check_apart(config.out, {f"input {name}": name for name in config.files})
    tags = LanguageTags(config.pivot, config.languages)
    sources = find_import_sources(config, tags)
    guard = ScriptGuard(config.max_other_script)
    with open_work_folder(config.out) as work, RowJoin(config.pivot, work) as join:
        with Progress(quiet=quiet) as progress:
            bar = progress.add("reading", unit="entries")
            accounts = [_add(source, join, guard, tags, bar) for source in sources]
        languages = _languages(tags, sources, accounts)
        guard.check()
        places = _places(sources)
        return write_corpus(
            join.rows(),
            config.out,
            languages=languages,
            pivot=config.pivot,
            columns={code: _made(code, sources, accounts, places) for code in languages},
            overwrite=config.overwrite,
            license=config.license,
            finish=lambda _: {"import": _facts(join, sources, accounts, places)},
            workspace=work,
        )


def _add(
    source: ImportSource, join: RowJoin, guard: ScriptGuard, tags: LanguageTags, bar: Bar
) -> SourceAccount:
    """Add a source's units to the join, and return the account of them."""
    account = SourceAccount(tags.pivot, tags.asked)
    keys = KeyCount()
    for unit in _counted(source.read(), bar, source.name):
        cells, ranks = account.usable(unit)
        if cells:
            join.add(cells, ranks, account.n_units)
            guard.add(source.name, cells, tags.pivot)
            keys.add(cells[tags.pivot])
    account.check(source.name)
    _refuse_without_pivot(source.name, tags.pivot, account)
    keys.warn(source.name)
    _warn_of_copies(source.name, account)
    return account


def _warn_of_copies(name: str, account: SourceAccount) -> None:
    """Warn of each language in which most texts of a source are its originals."""
    for code, n_copies in account.copies.items():
        if n_copies >= _MIN_COPIES and n_copies > account.used[code] / 2:
            _log.warning(
                "%s: %s of %s texts in %s are equal to their originals, so nobody may have "
                "translated them; hexapla filter removes copies",
                *(name, f"{n_copies:,}", f"{account.used[code]:,}", code),
            )


def _refuse_without_pivot(name: str, pivot: str, account: SourceAccount) -> None:
    """Refuse a source without the pivot, which nothing would join with the others.

    Raises:
        InputError: No text of the source, not even an empty one, is in the pivot.
    """
    languages = dict.fromkeys([*account.had, *account.empty])
    if languages and pivot not in languages:
        raise InputError(
            f"{name} has no {pivot}, the pivot that rows are joined on; "
            f"it has {', '.join(languages)}: see --pivot"
        )


def _languages(
    tags: LanguageTags, sources: Sequence[ImportSource], accounts: Sequence[SourceAccount]
) -> tuple[str, ...]:
    """Return the languages of the corpus, the pivot first; warn of each source that gave nothing.

    Raises:
        InputError: No file has usable text in one of them, or in any.
    """
    if not any(account.n_units for account in accounts):
        names = ", ".join(source.name for source in sources)
        raise InputError(f"{names} is empty: it has no entry")
    usable = dict.fromkeys(code for account in accounts for code in account.used)
    missing = [code for code in tags.asked or () if code not in usable and code != tags.pivot]
    if missing or not usable:
        where = f"no file has usable text in {', '.join(missing)}; " if missing else ""
        raise InputError(where + _what_there_was(accounts))
    for source, account in zip(sources, accounts, strict=True):
        if not account.n_used:
            _log.warning("%s gives nothing: %s", source.name, _what_there_was([account]))
    return tuple(dict.fromkeys([tags.pivot, *(tags.asked or usable)]))


def _what_there_was(accounts: Sequence[SourceAccount]) -> str:
    """Return what the sources of an import had and why it is not used, to end a message with."""
    n_units = sum(account.n_units for account in accounts)
    n_used = sum(account.n_used for account in accounts)
    left_out = sum((account.left_out for account in accounts), Counter())
    had: Counter[str] = Counter()
    for account in accounts:
        had.update(dict.fromkeys(account.empty, 0))  # a language of empty texts is named too
        had.update(account.had)
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in left_out.most_common())
    shown = [f"{code} ({n:,})" for code, n in had.most_common(_LANGUAGES_SHOWN)]
    if len(had) > len(shown):
        shown.append(f"{len(had) - len(shown)} more")
    return (
        f"of {n_units:,} entries {f'{n_used:,}' if n_used else 'none'} can be used"
        + (f" ({reasons})" if reasons else "")
        + f"; there is text in {', '.join(shown) or 'no language'}"
        + "; a usable entry has its pivot and a text in another language"
    )


def _facts(
    join: RowJoin,
    sources: Sequence[ImportSource],
    accounts: Sequence[SourceAccount],
    places: Mapping[Path, str],
) -> dict[str, Any]:
    """Return the manifest's account of the import, and check that it adds up.

    Raises:
        RuntimeError: It does not.
    """
    n_used = sum(account.n_used for account in accounts)
    n_texts = sum(account.used.total() for account in accounts)
    check_sum("entries to use", n_used, join.n_rows + join.n_joined)
    check_sum("texts to use", n_texts, join.n_cells + join.n_repeats + join.conflicts.total())
    return {
        "sources": [
            {
                "from": [file_facts(path) | {"file": places[path]} for path in source.all_files]
                or source.name,
                "n_entries": account.n_units,
                "n_texts": dict(account.used),
                "copies": dict(account.copies),
                "left_out": dict(account.left_out),
                "left_out_texts": dict(+account.left_out_texts),
            }
            for source, account in zip(sources, accounts, strict=True)
        ],
        "n_rows": join.n_rows,
        "n_joined": join.n_joined,
        "n_cells": join.n_cells,
        "n_repeats": join.n_repeats,
        "conflicts": dict(sorted(join.conflicts.items())),
    }


def _places(sources: Sequence[ImportSource]) -> dict[Path, str]:
    """Return the path of every file from the folder that all of them lie in.

    The names alone would not distinguish `de/app.po` from `fr/app.po`.
    """
    files = [path for source in sources for path in source.all_files]
    folder = os.path.commonpath([path.absolute().parent for path in files]) if files else ""
    return {path: Path(os.path.relpath(path.absolute(), folder)).as_posix() for path in files}


def _made(
    code: str,
    sources: Sequence[ImportSource],
    accounts: Sequence[SourceAccount],
    places: Mapping[Path, str],
) -> dict[str, object]:
    """Return what a column came from, and how that was made where its source says so."""
    origins: list[str] = []
    made: dict[str, object] = {}
    for source, account in zip(sources, accounts, strict=True):
        if code in account.used:
            files = source.files.get(code, source.all_files)
            origins += [places[path] for path in files] or [source.name]
            if how := source.made.get(code):
                made[origins[-1]] = how
    return {"from": origins} | ({"made": made} if made else {})


def _counted(units: Iterable[ImportEntry], bar: Bar, name: str) -> Iterator[ImportEntry]:
    """Yield the units, and count them on the bar in groups, since each is quick to read."""
    bar.advance(0, description=name)
    n_entries = 0
    for unit in units:
        yield unit
        n_entries += 1
        if n_entries % _ENTRIES_PER_UPDATE == 0:
            bar.advance(_ENTRIES_PER_UPDATE)
    bar.advance(n_entries % _ENTRIES_PER_UPDATE)
