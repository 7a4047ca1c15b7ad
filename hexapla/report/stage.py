"""Scores of two or more runs -> what each gains over a baseline, by task, metric and group of languages.

Averages are per language first (both directions of retrieval) and then over languages, with seen
and unseen languages always apart. A pair in which neither language is English counts once, as its
pair. Nothing is encoded: intervals and tests come from the per-item tables that lie beside the
scores. Regimes are compared at equal budgets on equal corpora, and runs that differ in nothing but
the seed are one column.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from statistics import fmean

from hexapla.errors import InputError
from hexapla.report.budgets import check_budgets
from hexapla.report.comparison import Comparison, RunFacts
from hexapla.report.config import CompareConfig
from hexapla.report.flags import flag
from hexapla.report.measure import measure
from hexapla.report.score_runs import Key, check_comparable, read_runs
from hexapla.report.seeds import Column, baseline_first, columns_of
from hexapla.report.table_lines import task_blocks
from hexapla.runs.atomic import write_json, write_text
from hexapla.runs.record import check_folder_to_be, write_run

RESULT = "comparison.json"


def compare(config: CompareConfig) -> Comparison:
    """Compare the scores of runs with those of a baseline: gains with paired bootstrap intervals and paired tests.

    Raises:
        InputError: Runs that cannot be compared or read, a value out of its range, or an `out` that
            is not empty.
    """
    _check(config)
    given = read_runs(config.scores)
    notes = [
        *check_comparable(given),
        *check_budgets(given, different_budgets=config.different_budgets),
    ]
    names = (
        dict(zip([run.path for run in given], config.names, strict=True)) if config.names else {}
    )
    columns, doubts = columns_of(given, together=config.seeds == "together", names=names)
    columns = baseline_first(columns, config.baseline)
    if len(columns) < 2:
        raise InputError(
            f"all {len(given)} runs are {columns[0].label} and make one column, with nothing to compare it with; "
            "give a baseline too, or --seeds apart"
        )
    runs = [run for column in columns for run in column.runs]
    tasks: dict[tuple[str, str], list[Key]] = {}
    for key in runs[0].scores:
        tasks.setdefault((key.task, key.split), []).append(key)
    flagged, flags = flag(columns, list(tasks))
    measured = [
        measure(runs, keys) for keys in tasks.values()
    ]  # all is read and checked before any is resampled
    if config.out is not None:
        write_run(config.out, "compare", dataclasses.asdict(config))
        (config.out / RESULT).unlink(
            missing_ok=True
        )  # an earlier one would not be what run.json says
    comparison = Comparison(
        runs=tuple(_facts(column) for column in columns),
        blocks=tuple(
            block
            for scores, n_items in measured
            for block in task_blocks(
                scores, n_items, columns, n_resamples=config.resamples, seed=config.seed
            )
        ),
        n_resamples=config.resamples,
        seed=config.seed,
        notes=(*config.notes, *notes, *doubts, *flags),
        contamination=flagged,
    )
    if config.out is not None:
        _write(comparison, config.out)
    return comparison


def _check(config: CompareConfig) -> None:
    if config.out is None:
        return
    check_folder_to_be(config.out)
    if not config.overwrite and config.out.is_dir() and any(config.out.iterdir()):
        raise InputError(
            f"{config.out} is not empty; give another folder, or overwrite (--overwrite)"
        )


def _facts(column: Column) -> RunFacts:
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


def _write(comparison: Comparison, out: Path) -> None:
    """Write the tables, and last what they are made of: a folder without it is unfinished."""
    write_text(out / "comparison.md", comparison.to_markdown())
    write_json(out / RESULT, comparison.to_json())
