"""What evaluations found of their sentences in training corpora -> flags on tasks, and what was not checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hexapla.errors import InputError
from hexapla.evaluation.contamination_report import Overlap, read_overlap
from hexapla.report.comparison import Contaminated
from hexapla.report.score_runs import Run
from hexapla.report.seeds import Column


def flag(
    columns: Sequence[Column], tasks: Collection[tuple[str, str]]
) -> tuple[tuple[Contaminated, ...], tuple[str, ...]]:
    """Collect contaminated tasks.

    Args:
        columns: Of a comparison.
        tasks: What it compares: tasks and their splits. Others are left out.

    Returns:
        The flags, and a note for each task and corpus, and for the columns that were not checked.

    Raises:
        InputError: A record is damaged, or of another corpus than the encoder's.
    """
    flagged: list[Contaminated] = []
    unchecked: list[str] = []
    for column in columns:
        if column.runs[0].regime is None:
            continue
        overlaps = [_overlap(run) for run in column.runs]
        if None in overlaps:
            unchecked.append(column.label)
        worst: dict[tuple[str, str], Contaminated] = {}
        for overlap in filter(None, overlaps):
            for found in overlap.tasks:
                key = found.task, found.split
                if key in tasks and found.n_found > (worst[key].n_found if key in worst else 0):
                    worst[key] = Contaminated(
                        run=column.label, corpus=overlap.corpus, **found._asdict()
                    )
        flagged += worst.values()
    notes = list(_notes(flagged))
    if unchecked:
        notes.append(
            f"contamination was not checked for {' and '.join(unchecked)}; evaluate with --corpus"
        )
    return tuple(flagged), tuple(notes)


def _overlap(run: Run) -> Overlap | None:
    overlap = read_overlap(run.folder)
    if overlap and run.training and overlap.corpus_sha256 != run.training.corpus_sha256:
        raise InputError(
            f"{run.folder}: contamination was looked for in {overlap.corpus} ({overlap.corpus_sha256[:8]}), and "
            f"{run.label} was aligned on {run.score.corpus} ({run.training.corpus_sha256[:8]}); evaluate again"
        )
    return overlap


def _notes(flagged: Sequence[Contaminated]) -> list[str]:
    """Say each finding once, with all the columns that it holds for."""
    labels: dict[str, list[str]] = {}
    for found in flagged:
        start = (
            f"{found.n_found:,} of {found.n_sentences:,} evaluation sentences of {found.task} ({found.split}) stand in "
            f"the training corpus {found.corpus} of "
        )
        labels.setdefault(start, []).append(found.run)
    return [start + " and ".join(of) for start, of in labels.items()]
