"""Scores of runs -> what each gains over a baseline, by task, metric and group of languages.

Averages are per language first (both directions of retrieval), then over languages; seen and unseen
languages are always apart. A pair in which neither language is English counts once, in both
directions together. Nothing is encoded: intervals and tests are computed from the per-item tables
beside the scores. Regimes are compared at equal budgets on equal corpora, and runs that differ only
in the seed are one column.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

from hexapla.errors import InputError
from hexapla.report.budgets import check_budgets
from hexapla.report.comparison import Comparison, RunFacts
from hexapla.report.config import CompareConfig
from hexapla.report.encoder_scores import score_folders
from hexapla.report.flags import flag_contamination
from hexapla.report.markdown_tables import comparison_to_markdown
from hexapla.report.measure import measure
from hexapla.report.score_runs import ScoreKey, check_comparable, read_runs
from hexapla.report.seeds import RunColumn, baseline_first, group_seeds
from hexapla.report.table_lines import task_blocks
from hexapla.runs.atomic import write_beside, write_json
from hexapla.runs.disk_errors import AGAIN
from hexapla.runs.record import check_apart, check_run_folder, write_record
from hexapla.runs.run_folder import hold_run, remove_run

RESULT = "comparison.json"
_OWN = (
    "run.json",
    RESULT,
    "comparison.md",
    "report.html",
    "summary.md",
    "charts/*.svg",
    "charts/*.png",
    "model-index/*.yaml",
)


def compare(config: CompareConfig, *, quiet: bool = False) -> Comparison:
    """Compare the scores of runs with a baseline's; gains have intervals and paired tests.

    Args:
        config: Settings.
        quiet: Show no progress of the evaluation of encoders.

    Raises:
        InputError: Runs cannot be read or compared, an encoder cannot be evaluated, or the output
            folder is not empty.
    """
    with hold_comparison(config):
        columns, notes = read_columns(config, quiet=quiet)
        comparison = compare_columns(columns, notes, config)
        write_comparison(comparison, config)
    return comparison


@contextmanager
def hold_comparison(config: CompareConfig) -> Iterator[None]:
    """Check and lock the output folder of a comparison, if it has one.

    Raises:
        InputError: It cannot be used or written, or another run writes there.
    """
    if config.out is None:
        yield
        return
    _check_out(config.out, config)
    unfinished = [name for name in _OWN if name != RESULT]
    with hold_run(config.out, AGAIN, worthless=unfinished):
        _check_out(config.out, config)  # again, now that no other run can write there
        yield


def read_columns(
    config: CompareConfig, *, quiet: bool = False
) -> tuple[list[RunColumn], list[str]]:
    """Evaluate encoders, read the scores, and group them into columns, the baseline first.

    Returns:
        The columns, of which there is one for one run alone, and notes about their runs.

    Raises:
        InputError: Runs cannot be read or compared, or the baseline is unknown.
    """
    paths = score_folders(config, quiet=quiet)
    runs = read_runs(paths)
    notes = check_comparable(runs)
    if len(runs) > 1:
        notes += check_budgets(runs, different_budgets=config.different_budgets)
    names = dict(zip(paths, config.names, strict=True)) if config.names else None
    columns, doubts = group_seeds(runs, together=config.seeds == "together", names=names)
    columns = baseline_first(columns, config.baseline)
    if len(columns) == 1 < len(runs):
        raise InputError(
            f"all {len(runs)} runs are {columns[0].label} and make one column, with nothing to "
            "compare it with; give a baseline too, or --seeds apart"
        )
    return columns, [*notes, *doubts]


def compare_columns(
    columns: Sequence[RunColumn], notes: Sequence[str], config: CompareConfig
) -> Comparison:
    """Compare what `read_columns` returned; nothing is written."""
    runs = [run for column in columns for run in column.runs]
    tasks: dict[tuple[str, str], list[ScoreKey]] = {}
    for key in runs[0].scores:
        tasks.setdefault((key.task, key.split), []).append(key)
    contamination, flags = flag_contamination(columns, list(tasks))
    # All tables are read and checked before anything is resampled.
    measured = [measure(runs, keys) for keys in tasks.values()]
    return Comparison(
        runs=tuple(_run_facts(column) for column in columns),
        blocks=tuple(
            block
            for scores, n_items in measured
            for block in task_blocks(
                scores, n_items, columns, n_resamples=config.resamples, seed=config.seed
            )
        ),
        n_resamples=config.resamples,
        seed=config.seed,
        notes=(*config.notes, *notes, *flags),
        contamination=contamination,
    )


def write_comparison(
    comparison: Comparison, config: CompareConfig, files: Mapping[str, str | bytes] | None = None
) -> None:
    """Write a comparison into its output folder, if it has one.

    The record comes first, then the files and the tables, and the result last: a folder without it
    is unfinished.

    Args:
        comparison: What `compare_columns` returned.
        config: Settings of the comparison.
        files: Content of further files by their paths in the folder.
    """
    out = config.out
    if out is None:
        return
    remove_run(out, _OWN)
    write_record(out, "compare", dataclasses.asdict(config))
    tables = {"comparison.md": comparison_to_markdown(comparison)}
    for path, content in {**(files or {}), **tables}.items():
        (out / path).parent.mkdir(exist_ok=True)
        whole = content.encode() if isinstance(content, str) else content
        with write_beside(out / path) as partial, partial.open("wb") as file:
            file.write(whole)
    write_json(out / RESULT, comparison.to_json())


def _check_out(out: Path, config: CompareConfig) -> None:
    for path in config.scores:
        check_apart(out, {"scores": path})
    check_run_folder(out, "compare", {}, done=RESULT, resume=None, overwrite=config.overwrite)


def _run_facts(column: RunColumn) -> RunFacts:
    first = column.runs[0]
    trainings = [run.training for run in column.runs if run.training is not None]
    return RunFacts(
        label=column.label,
        scores=tuple(str(run.path) for run in column.runs),
        encoder=first.score.encoder,
        encoder_sha=tuple(run.score.encoder_sha for run in column.runs),
        regime=first.regime,
        corpus=first.score.corpus,
        seeds=column.seeds,
        budget=trainings[0].budget if trainings else None,
        n_rows_seen=round(fmean(one.n_rows_seen for one in trainings)) if trainings else None,
        n_encodings=round(fmean(one.n_encodings for one in trainings)) if trainings else None,
    )
