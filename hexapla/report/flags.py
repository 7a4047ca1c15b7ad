"""Contamination records beside scores -> flags on tasks, and notes on runs without a record."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hexapla.errors import InputError
from hexapla.evaluation.contamination_report import Overlap, read_overlap
from hexapla.report.comparison import Contaminated
from hexapla.report.score_runs import Run
from hexapla.report.seeds import RunColumn


def flag_contamination(
    columns: Sequence[RunColumn], tasks: Collection[tuple[str, str]]
) -> tuple[tuple[Contaminated, ...], tuple[str, ...]]:
    """Collect the tasks whose evaluation sentences are in a training corpus.

    Args:
        columns: All columns of a comparison.
        tasks: The compared tasks with their splits. Others are left out.

    Returns:
        The flags; and a note for each task and corpus, and one for the columns that were not
        checked.

    Raises:
        InputError: A record is damaged, or is about another corpus than the encoder's.
    """
    flags: list[Contaminated] = []
    unchecked: list[str] = []
    for column in columns:
        if column.runs[0].regime is None:
            continue
        overlaps = [_read_overlap(run) for run in column.runs]
        if None in overlaps:
            unchecked.append(column.label)
        known = [overlap for overlap in overlaps if overlap is not None]
        flags += _worst_of_seeds(column.label, known, tasks)
    notes = _notes(flags)
    if unchecked:
        notes.append(
            f"contamination was not checked for {' and '.join(unchecked)}; evaluate with --corpus"
        )
    return tuple(flags), tuple(notes)


def _read_overlap(run: Run) -> Overlap | None:
    overlap = read_overlap(run.folder)
    if overlap and run.training and overlap.corpus_sha256 != run.training.corpus_sha256:
        raise InputError(
            f"{run.folder}: contamination was checked against {overlap.corpus} "
            f"({overlap.corpus_sha256[:8]}), but {run.label} was aligned on {run.score.corpus} "
            f"({run.training.corpus_sha256[:8]}); evaluate again"
        )
    return overlap


def _worst_of_seeds(
    label: str, overlaps: Sequence[Overlap], tasks: Collection[tuple[str, str]]
) -> list[Contaminated]:
    """Return for each contaminated task the seed with the most sentences found."""
    worst: dict[tuple[str, str], Contaminated] = {}
    for overlap in overlaps:
        for task in overlap.tasks:
            key = task.task, task.split
            most = worst[key].n_found if key in worst else 0
            if key in tasks and task.n_found > most:
                worst[key] = Contaminated(run=label, corpus=overlap.corpus, **task._asdict())
    return list(worst.values())


def _notes(flags: Sequence[Contaminated]) -> list[str]:
    """Write a note for each finding, naming all columns that it applies to."""
    labels: dict[str, list[str]] = {}
    for flag in flags:
        start = (
            f"{flag.n_found:,} of {flag.n_sentences:,} evaluation sentences of {flag.task} "
            f"({flag.split}) are in the training corpus {flag.corpus} of "
        )
        labels.setdefault(start, []).append(flag.run)
    return [start + " and ".join(runs) for start, runs in labels.items()]
