"""Runs -> the columns of a table: a run, or the runs that differ in nothing but the seed of their training.

The seeds of one training are not several encoders to compare but one measured several times: their mean is the value,
their spread says how much a single one is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hexapla.errors import InputError, nearest
from hexapla.report.runs import Run

# What must be equal in two trainings for their runs to be the same but for the seed. How long a converged run took is
# a result and not among them.
_SETTINGS = (
    "regime", "budget", "negatives", "corpus_sha256", "base_sha256", "languages", "temperature", "margin", "preserve",
    "lora", "matryoshka", "learning_rate", "rows_per_step", "n_rows", "merged",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the table: its heading, and the runs whose mean it shows."""

    label: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds of the trainings, in the order of the runs; empty where one has none."""
        seeds = [seed for run in self.runs if (seed := run.first.seed) is not None]
        return tuple(seeds) if len(seeds) == len(self.runs) else ()


def make_columns(runs: Sequence[Run], *, together: bool, baseline: str | None) -> tuple[tuple[Column, ...], list[str]]:
    """Gather runs into columns, the baseline's first and the others in the order given.

    Args:
        runs: As `read_runs` gives them.
        together: Whether runs that differ in their seed alone are one column.
        baseline: The label of a column or of a run in it, or a run's path; None is the first.

    Returns:
        The columns, and notes on runs that stay apart because they have the same seed, too.

    Raises:
        InputError: No column answers to `baseline`.
    """
    groups: dict[str, list[Run]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(_key(run) if together and run.training else f"#{number}", []).append(run)
    columns, notes = [], []
    for group in groups.values():
        if len({run.first.seed for run in group}) < len(group):
            names = ", ".join(run.label for run in group)
            notes.append(f"{names} have the same settings and not each a seed of its own, so they stay apart")
            columns += [Column(label=run.label, runs=(run,)) for run in group]
        elif len(group) == 1:
            columns.append(Column(label=group[0].label, runs=(group[0],)))
        else:
            columns.append(Column(label=f"{group[0].name}, {len(group)} seeds", runs=tuple(group)))
    columns = _told_apart(columns)
    return tuple(_first(columns, baseline)), notes


def _key(run: Run) -> str:
    return repr([run.training.get(name) for name in _SETTINGS])


def _told_apart(columns: Sequence[Column]) -> list[Column]:
    """Number the labels that several columns have."""
    labels = [column.label for column in columns]
    met: dict[str, int] = {}
    told = []
    for column in columns:
        met[column.label] = met.get(column.label, 0) + 1
        twice = labels.count(column.label) > 1
        told.append(Column(label=f"{column.label} #{met[column.label]}" if twice else column.label, runs=column.runs))
    return told


def _first(columns: Sequence[Column], baseline: str | None) -> list[Column]:
    if baseline is None:
        return list(columns)
    for number, column in enumerate(columns):
        names = {column.label, *(run.label for run in column.runs)}
        if baseline in names or Path(baseline) in {run.path for run in column.runs}:
            return [column, *columns[:number], *columns[number + 1 :]]
    labels = [column.label for column in columns]
    raise InputError(
        f'baseline is "{baseline}"; it must be one of {", ".join(labels)}, or a path{nearest(baseline, labels)}'
    )
