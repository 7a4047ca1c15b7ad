"""Runs -> the columns of a table; runs that differ only in the training seed are averaged.

The result of one seed is a random draw; a regime is judged by the mean over several. Runs are
averaged only if the record of their training says that all else was equal, and kept apart if that
is in doubt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hexapla.errors import InputError, did_you_mean
from hexapla.report.budgets import same_budget
from hexapla.report.score_runs import Run, folder_names, short_name, tell_apart

# Settings that a label can name, if columns of one regime differ in them.
_LABEL_SETTINGS = (
    "base",
    "corpus",
    "cells_per_row",
    "hard_negatives",
    "temperature",
    "margin",
    "negatives",
    "matryoshka",
    "whiten",
    "preserve",
    "alpha",
    "contrastive_weight",
    "teacher",
    "teacher_weight",
    "teacher_loss",
    "lora",
    "learning_rate",
    "rows_per_step",
    "budget",
    "rows",
    "merged",
)


@dataclass(frozen=True, kw_only=True)
class RunColumn:
    """One encoder, or one training with several seeds.

    Attributes:
        label: Heading of the column.
        runs: In ascending order of seed; if there are several, all have one.
    """

    label: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds; empty for an encoder without one."""
        return tuple(run.score.seed for run in self.runs if run.score.seed is not None)


def group_seeds(
    runs: Sequence[Run], *, together: bool = True, names: Mapping[Path, str] | None = None
) -> tuple[list[RunColumn], list[str]]:
    """Group runs that differ only in the seed into one column each.

    Args:
        runs: All runs of a comparison.
        together: Group them; otherwise each run is a column.
        names: Names of the runs by path. If given, runs of one name are one column, whatever their
            records say.

    Returns:
        The columns, in the order of their first runs, and notes about them.
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
    distinct: list[list[Run]] = []
    for group in groups:
        if len({run.score.seed for run in group}) == len(group):
            distinct.append(sorted(group, key=lambda run: run.score.seed or 0))
            continue
        distinct += [[run] for run in group]
        labels = ", ".join(run.label for run in group)
        notes.append(
            f"{labels} are not averaged, because they have equal settings and partly equal seeds "
            "but different weights"
        )
    return _name_columns(distinct, names), notes


def baseline_first(columns: Sequence[RunColumn], baseline: str | None) -> list[RunColumn]:
    """Move the baseline to the front; the others keep their order.

    Args:
        columns: All columns of a comparison.
        baseline: Label of a column or of one of its runs, or the path of such a run. None means the
            first column.

    Raises:
        InputError: No column has this label or path.
    """
    if baseline is None:
        return list(columns)
    for number, column in enumerate(columns):
        labels = (column.label, *(run.label for run in column.runs))
        paths = [run.path.as_posix() for run in column.runs]
        if baseline in labels or baseline.rstrip("/") in paths:
            return [column, *columns[:number], *columns[number + 1 :]]
    allowed = [column.label for column in columns]
    quoted = ", ".join(f'"{label}"' for label in allowed)
    raise InputError(
        f'baseline is "{baseline}"; it must be {quoted} or the path of a run'
        f"{did_you_mean(baseline, allowed)}"
    )


def _belongs(run: Run, first: Run, names: Mapping[Path, str] | None) -> bool:
    return names[run.path] == names[first.path] if names else _differ_in_seed_only(first, run)


def _differ_in_seed_only(one: Run, other: Run) -> bool:
    if one.training is None or other.training is None:
        return False
    return (
        one.score.seed is not None
        and other.score.seed is not None
        and one.regime == other.regime
        and one.training.settings == other.training.settings
        and same_budget(one.training, other.training)
        and one.encoded_with() == other.encoded_with()
    )


def _name_columns(
    groups: Sequence[Sequence[Run]], names: Mapping[Path, str] | None
) -> list[RunColumn]:
    labels = [names[group[0].path] for group in groups] if names else _labels(groups)
    return [
        RunColumn(
            label=f"{label}, {len(group)} seeds" if len(group) > 1 else label, runs=tuple(group)
        )
        for label, group in zip(labels, groups, strict=True)
    ]


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Name each group after its regime or its encoder, and add what distinguishes equal names."""
    firsts = [group[0] for group in groups]

    def settings(some: list[int]) -> list[str]:
        return _differing_settings([firsts[place] for place in some])

    def seeds(some: list[int]) -> list[str]:
        return [
            "" if len(groups[place]) > 1 else f"seed {firsts[place].score.seed}" for place in some
        ]

    def settings_and_seeds(some: list[int]) -> list[str]:
        both = zip(settings(some), seeds(some), strict=True)
        return [f"{setting} {seed}".strip() for setting, seed in both]

    return tell_apart(
        [run.regime or short_name(run) for run in firsts],
        (
            settings,
            seeds,
            settings_and_seeds,
            lambda some: [short_name(firsts[place]) for place in some],
            lambda some: folder_names([firsts[place].folder for place in some]),
        ),
    )


def _differing_settings(runs: Sequence[Run]) -> list[str]:
    """Write for each run the settings in which the runs differ.

    The texts are empty if there are none, or if the training of a run is unknown.
    """
    trainings = [run.training for run in runs if run.training is not None]
    if len(trainings) < len(runs):
        return [""] * len(runs)
    facts = [{**training.settings, "budget": training.budget} for training in trainings]
    if not all(same_budget(trainings[0], training) for training in trainings):
        for of_run, training in zip(facts, trainings, strict=True):
            of_run["rows"] = f"{training.n_rows_seen:,}"
    names = [
        name
        for name in _LABEL_SETTINGS
        if len({json.dumps(of_run.get(name)) for of_run in facts}) > 1
    ]
    return [
        " ".join(f"{name.replace('_', ' ')} {of_run[name]}" for name in names) for of_run in facts
    ]
