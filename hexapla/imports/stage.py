"""Translated files -> one corpus folder, their rows joined on the pivot.

A file's texts are cleaned as those of every other stage are, and what is not used is counted by
reason. `corpus.json` says which files each column came from, and under `import` what each file gave
and lost.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from hexapla.corpus.writer import check_out_folder, file_facts, write_corpus
from hexapla.errors import InputError
from hexapla.imports.config import ImportConfig
from hexapla.imports.join import RowJoin
from hexapla.imports.source_files import Source, find_sources, refuse_without_pivot
from hexapla.imports.tags import Entry, LanguageTags
from hexapla.text.clean import clean_text

if TYPE_CHECKING:
    from hexapla.corpus.reader import Corpus


def import_corpus(config: ImportConfig, *, quiet: bool = False) -> Corpus:
    """Read files that people have, join them and write them as a corpus.

    Two entries are one row when their pivot texts are equal after cleaning. Where their
    translations differ, the most frequent is kept, of equally many the first, and the row is
    counted as a conflict of that language.

    Args:
        config: The settings.
        quiet: Show no progress; there is none either when stderr is no terminal.

    Returns:
        The written corpus, opened.

    Raises:
        InputError: A setting, file or folder that cannot be; each with what is wrong in which line.
    """
    check_out_folder(config.out, config.overwrite)
    tags = LanguageTags(config.pivot, config.languages)
    sources = find_sources(config.files, tags)
    places = _places(sources)
    with RowJoin(config.pivot) as join:
        with _progress(quiet=quiet) as advance:
            facts = [
                _add(source, join, tags, places, partial(advance, source.name))
                for source in sources
            ]
        found = dict.fromkeys(code for fact in facts for code in fact["n_texts"])
        if missing := [code for code in config.languages or () if code not in found]:
            have = ", ".join(found) or "nothing"
            raise InputError(
                f"no file has usable text in {', '.join(missing)}; what can be joined is in {have}"
            )
        if not found:
            raise InputError(_nothing_to_join(facts))
        languages = tuple(dict.fromkeys([config.pivot, *(config.languages or found)]))
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


def _add(
    source: Source,
    join: RowJoin,
    tags: LanguageTags,
    places: Mapping[Path, str],
    advance: Callable[[], None],
) -> dict[str, Any]:
    """Add a source's entries to the join, and return its part of the manifest."""
    left_out: Counter[str] = Counter()
    n_texts: Counter[str] = Counter()
    found: dict[str, None] = {}  # every language of the source, asked for or not
    n_entries = 0
    for entry in source.read(left_out):
        n_entries += 1
        advance()
        found |= dict.fromkeys(entry)
        if cells := _cells(entry, tags, left_out):
            n_texts.update(cells.keys())
            join.add(cells)
    if not n_entries:
        raise InputError(f"{source.name} is empty: it has no entry")
    if found:
        refuse_without_pivot(source.name, tags.pivot, list(found))
    return {
        "from": [file_facts(path) | {"file": places[path]} for path in source.files.values()]
        or source.name,
        "n_entries": n_entries,
        "n_texts": dict(n_texts),
        "left_out": dict(+left_out),
    }


def _cells(entry: Entry, tags: LanguageTags, left_out: Counter[str]) -> dict[str, str]:
    """Return an entry's clean texts in the languages asked for, or nothing, with the reason counted."""
    if not entry:
        return {}  # its reader has counted the reason
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
    return f"of {n_entries:,} entries none can be used ({reasons}); one has its pivot and a text in another language"


def _places(sources: Sequence[Source]) -> dict[Path, str]:
    """Name every file from the folder that all of them are in, so that `de/app.po` and `fr/app.po` are told apart."""
    files = [path for source in sources for path in source.files.values()]
    folder = os.path.commonpath([path.absolute().parent for path in files]) if files else ""
    return {path: Path(os.path.relpath(path.absolute(), folder)).as_posix() for path in files}


def _made(
    code: str,
    sources: Sequence[Source],
    facts: Sequence[Mapping[str, Any]],
    places: Mapping[Path, str],
) -> dict[str, object]:
    """Return what a column came from, and how that was made where it says so."""
    origins: list[str] = []
    made: dict[str, object] = {}
    for source, fact in zip(sources, facts, strict=True):
        if code in fact["n_texts"]:
            files = [source.files[code]] if code in source.files else source.files.values()
            origins += [places[path] for path in files] or [source.name]
            if how := source.made.get(code):
                made[origins[-1]] = how
    return {"from": origins} | ({"made": made} if made else {})


class _Rate(ProgressColumn):
    """How many entries are read, and how many in a second."""

    def render(self, task: Task) -> Text:
        """Return as `12,000 entries, 540/s`."""
        return Text(
            f"{task.completed:,.0f} entries" + (f", {task.speed:,.0f}/s" if task.speed else "")
        )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being read; how much is left is not known before it is read. Gives what counts one entry."""
    console = Console(stderr=True)
    shown = not quiet and console.is_terminal
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        _Rate(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not shown,
    ) as progress:
        task = progress.add_task("reading", total=None)

        def advance(name: str) -> None:
            progress.update(task, advance=1, description=name)

        yield advance if shown else lambda name: None
