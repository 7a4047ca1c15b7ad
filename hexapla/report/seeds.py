"""Runs -> the columns of a table: runs that differ in nothing but the training seed are one column, their mean.

What one seed gives is a draw; a regime is what several give. Runs are put together only where the
record of their training says that all else was equal, and apart where that is in doubt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hexapla.errors import InputError, did_you_mean
from hexapla.report.budgets import close
from hexapla.report.score_runs import Run, folder_names, short_name, tell_apart

# Settings that a label may name, where columns of one regime differ in them.
_TOLD = (
    "base",
    "corpus",
    "temperature",
    "margin",
    "negatives",
    "matryoshka",
    "whiten",
    "preserve",
    "lora",
    "learning_rate",
    "rows_per_step",
    "budget",
    "rows",
    "merged",
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One encoder, or one training under several seeds.

    Attributes:
        label: The column's heading.
        runs: In ascending order of seed, which all have if there is more than one run.
    """

    label: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds; empty for an encoder that has none."""
        return tuple(run.score.seed for run in self.runs if run.score.seed is not None)


def columns_of(
    runs: Sequence[Run], *, together: bool = True, names: Mapping[Path, str] | None = None
) -> tuple[list[Column], list[str]]:
    """Put runs that are the same but for the seed into one column each.

    Args:
        runs: All of a comparison.
        together: Or else every run has a column of its own.
        names: What to call the runs of a path; then those of one name are one column, whatever
            their records say.

    Returns:
        The columns, in the order of their first runs, and what is to be said of them.
    """
    groups: list[list[Run]] = []
    for run in runs:
        group = next(
            (group for group in groups if together and _belongs(run, group[0], names)), None
        )
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    notes = []
    settled: list[list[Run]] = []
    for group in groups:
        if len({run.score.seed for run in group}) == len(group):
            settled.append(sorted(group, key=lambda run: run.score.seed or 0))
            continue
        settled += [[run] for run in group]
        told = ", ".join(run.label for run in group)
        notes.append(
            f"{told} have equal settings and partly equal seeds but different weights, and stay apart"
        )
    labels = (
        [_several(names[group[0].path], group) for group in settled] if names else _labels(settled)
    )
    return [
        Column(label=label, runs=tuple(group)) for label, group in zip(labels, settled, strict=True)
    ], notes


def baseline_first(columns: Sequence[Column], baseline: str | None) -> list[Column]:
    """Bring the baseline to the front; the others stay in order.

    Args:
        columns: All of a comparison.
        baseline: The label of a column or of one of its runs, or the path of such a run; None is
            the first.

    Raises:
        InputError: No column answers to it.
    """
    if baseline is None:
        return list(columns)
    for number, column in enumerate(columns):
        names = (column.label, *(run.label for run in column.runs))
        if baseline in names or any(
            run.path.as_posix() == baseline.rstrip("/") for run in column.runs
        ):
            return [column, *columns[:number], *columns[number + 1 :]]
    labels = [column.label for column in columns]
    allowed = ", ".join(f'"{label}"' for label in labels)
    raise InputError(
        f'baseline is "{baseline}"; it must be {allowed} or a path{did_you_mean(baseline, labels)}'
    )


def _belongs(run: Run, first: Run, names: Mapping[Path, str] | None) -> bool:
    return names[run.path] == names[first.path] if names else _same_but_for_seed(first, run)


def _several(label: str, group: Sequence[Run]) -> str:
    return f"{label}, {len(group)} seeds" if len(group) > 1 else label


def _same_but_for_seed(one: Run, other: Run) -> bool:
    if (
        one.training is None
        or other.training is None
        or one.score.seed is None
        or other.score.seed is None
    ):
        return False
    return (
        one.regime == other.regime
        and one.training.settings == other.training.settings
        and close(one.training, other.training)
        and one.encoded_with() == other.encoded_with()
    )


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Name columns after their regimes, else their encoders, and by what they differ in."""
    firsts = [group[0] for group in groups]

    def seeds(some: list[int]) -> list[str]:
        return [
            "" if len(groups[place]) > 1 else f"seed {firsts[place].score.seed}" for place in some
        ]

    labels = tell_apart(
        [run.regime or short_name(run) for run in firsts],
        (
            lambda some: _settings([firsts[place] for place in some]),
            seeds,
            lambda some: [
                f"{settings} {seed}".strip()
                for settings, seed in zip(
                    _settings([firsts[place] for place in some]), seeds(some), strict=True
                )
            ],
            lambda some: [short_name(firsts[place]) for place in some],
            lambda some: folder_names([firsts[place].folder for place in some]),
        ),
    )
    return [_several(label, group) for label, group in zip(labels, groups, strict=True)]


def _settings(runs: Sequence[Run]) -> list[str]:
    """Name the settings that runs differ in, for each run; empty texts where there are none or a run tells nothing."""
    trainings = [run.training for run in runs if run.training is not None]
    if len(trainings) < len(runs):
        return [""] * len(runs)
    every = [{**training.settings, "budget": training.budget} for training in trainings]
    if not all(close(trainings[0], training) for training in trainings):
        for facts, training in zip(every, trainings, strict=True):
            facts["rows"] = f"{training.n_rows_seen:,}"
    names = [name for name in _TOLD if len({json.dumps(facts.get(name)) for facts in every}) > 1]
    return [
        " ".join(f"{name.replace('_', ' ')} {facts[name]}" for name in names) for facts in every
    ]
