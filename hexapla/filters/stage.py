"""A corpus folder -> a cleaner one that also holds what was rejected and why: `hexapla filter`.

The corpus is read twice, for the statistics and for the verdicts, and is never held in memory
whole. Rows that are in an evaluation set and near-duplicates are left out first, so that they do
not count as losses of a language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from hexapla.corpus.contamination import Contamination
from hexapla.corpus.evaluation_sets import check_sets
from hexapla.corpus.near_duplicates import NearDuplicates
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.work_folder import open_work_folder
from hexapla.corpus.writer import check_corpus_folder, write_corpus
from hexapla.filters.chain import Chain
from hexapla.filters.config import FilterConfig
from hexapla.filters.filter_report import FilterReport
from hexapla.filters.filter_settings import FilterSettings, read_filters
from hexapla.filters.noted_log_probs import read_log_probs
from hexapla.filters.rejected_files import RejectedFiles
from hexapla.filters.row_filter import ROWS, Row, RowFilter
from hexapla.filters.statistics import Statistics
from hexapla.runs.progress import Progress
from hexapla.runs.record import check_apart

_ROWS_PER_GROUP = 2048


def filter_corpus(config: FilterConfig, *, quiet: bool = False) -> FilterReport:
    """Filter a corpus into a new folder.

    Args:
        config: What to filter and how.
        quiet: Show no progress, and no report when a language loses too much.

    Returns:
        Counts of what was rejected. `corpus.json` has them too, and `rejected/` has the cells.

    Raises:
        InputError: A setting or the corpus cannot be used, or a language loses more than it may.
            Nothing is written then.
    """
    check_corpus_folder(config.out, config.overwrite)
    read = {f"input {name}": name for name in (*config.against, config.filters)}
    check_apart(config.out, {"corpus": config.corpus, **read})
    settings = read_filters(config.filters)
    settings.check_available()
    seen = NearDuplicates(config.near_duplicates) if config.near_duplicates is not None else None
    check_sets(config.against)
    corpus = _open(config)
    contamination = Contamination.load(config.against, corpus.languages) if config.against else None
    targets = [code for code in corpus.languages if code != corpus.pivot]
    with open_work_folder(config.out) as work, RejectedFiles(work, (*targets, ROWS)) as rejected:
        statistics = _read_statistics(corpus, targets, quiet)
        row_filter = RowFilter(
            Chain(settings, corpus.pivot, corpus.languages, statistics),
            rejected,
            pivot=corpus.pivot,
            targets=targets,
            policy=config.policy,
            seen=seen,
            contamination=contamination,
        )
        facts = _facts(config, settings, contamination)
        _write(config, corpus, row_filter, rejected, facts, work, quiet)
    return row_filter.report


def _open(config: FilterConfig) -> Corpus:
    """Open the corpus with its pivot and the columns to keep."""
    corpus = open_corpus(config.corpus)
    if config.languages is None:
        return corpus
    languages = list(dict.fromkeys([corpus.pivot, *config.languages]))
    return open_corpus(config.corpus, languages=languages, verify=False)


def _read_statistics(corpus: Corpus, targets: Sequence[str], quiet: bool) -> Statistics:
    """Return what is normal in each language of a corpus, from one pass over it."""
    statistics = Statistics()
    for rows in _read_groups(corpus, "reading", quiet):
        sources = [str(row[corpus.pivot]) for row in rows]
        for code in targets:
            statistics.add(code, sources, [row[code] for row in rows], read_log_probs(rows, code))
    return statistics


def _write(
    config: FilterConfig,
    corpus: Corpus,
    row_filter: RowFilter,
    rejected: RejectedFiles,
    facts: Mapping[str, object],
    work: Path,
    quiet: bool,
) -> None:
    """Write the filtered corpus, unless a language loses too much."""

    def filtered() -> Iterator[Row]:
        for rows in _read_groups(corpus, "filtering", quiet):
            yield from row_filter.filter(rows)
        row_filter.report.check(config.max_loss, quiet)

    def finish(folder: Path) -> Mapping[str, object]:
        rejected.move_into(folder)
        entry = {**facts, **row_filter.report.to_json()}
        return {"filters": [*corpus.manifest.get("filters", ()), entry]}

    made_by = corpus.manifest.get("columns", {})
    write_corpus(
        filtered(),
        config.out,
        languages=corpus.languages,
        pivot=corpus.pivot,
        columns={code: made_by[code] for code in corpus.languages if code in made_by},
        overwrite=config.overwrite,
        license=config.license or corpus.manifest.get("license"),
        finish=finish,
        workspace=work,
    )


def _facts(
    config: FilterConfig, settings: FilterSettings, contamination: Contamination | None
) -> dict[str, object]:
    """Return how the corpus was filtered, for `corpus.json`."""
    return {
        "settings": settings.to_json(),
        "policy": config.policy,
        "max_loss": config.max_loss,
        "near_duplicates": config.near_duplicates,
        "against": contamination.facts() if contamination else [],
    }


def _read_groups(corpus: Corpus, verb: str, quiet: bool) -> Iterator[list[Row]]:
    """Yield the rows of a corpus in groups, and show the progress."""
    rows = corpus.rows()
    with Progress(quiet=quiet) as progress:
        bar = progress.add(f"{verb} {corpus.name}", corpus.n_rows, unit="rows")
        while group := list(islice(rows, _ROWS_PER_GROUP)):
            yield group
            bar.advance(len(group))
