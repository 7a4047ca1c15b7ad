"""Runs -> the statistic behind each score of a task, and the line of the table for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hexapla.errors import InputError
from hexapla.evaluation.per_item import RANKED_COLUMNS, read_per_item
from hexapla.evaluation.score_groups import group_of, unit_of
from hexapla.report.bootstrap import (
    FloatArray,
    IntArray,
    Means,
    RankCorrelations,
    Statistic,
    number_items,
    observed_values,
)
from hexapla.report.score_runs import Run, ScoreKey, agreed_seen, check_same_items

# A score may differ from its per-item table by rounding alone; 0.0001 is a tenth of the last digit
# that a table prints.
_ROUNDING = 1e-4


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One score of every run.

    Attributes:
        key: Task, split, metric and languages of the score.
        group: One of `GROUPS`.
        unit: What its value is averaged into before units are averaged: a language, or a pair
            without English.
        statistic: The statistic that its values are computed from.
        values: (R,) the value of each run.
    """

    key: ScoreKey
    group: str
    unit: str
    statistic: Statistic
    values: FloatArray


def measure(runs: Sequence[Run], keys: Sequence[ScoreKey]) -> tuple[list[Measured], int]:
    """Read the per-item tables behind the scores of one task and split.

    Args:
        runs: The baseline first.
        keys: All scores of one task and split.

    Returns:
        A `Measured` for each key, and the number of distinct items in all of them.

    Raises:
        InputError: A per-item table is missing or belongs to another score; runs differ in their
            items, in their gold values, or in whether a language was seen.
    """
    keys_of: dict[str, list[ScoreKey]] = {}
    for key in keys:
        keys_of.setdefault(key.languages, []).append(key)
    universe: dict[str, int] = {}
    measured: list[Measured] = []
    for same_languages in keys_of.values():
        first = same_languages[0]
        tables = [read_per_item(run.scores[first], run.path) for run in runs]
        names = [table.column("item").to_pylist() for table in tables]
        check_same_items(first, {run.label: items for run, items in zip(runs, names, strict=True)})
        items = number_items(names[0], universe)
        measured.extend(_measure_score(key, runs, tables, items) for key in same_languages)
    return measured, len(universe)


def _measure_score(
    key: ScoreKey, runs: Sequence[Run], tables: Sequence[pa.Table], items: IntArray
) -> Measured:
    columns = RANKED_COLUMNS.get(key.metric, (key.metric,))
    values, *gold = (
        np.stack(
            [_column(key, run, table, column) for run, table in zip(runs, tables, strict=True)]
        )
        for column in columns
    )
    statistic: Statistic = Means(items, values)
    if gold:
        statistic = RankCorrelations(items, values, _same_gold(key, runs, gold[0]))
    observed = observed_values(statistic)
    for run, value in zip(runs, observed, strict=True):
        stated = run.scores[key].value
        if not abs(value - stated) <= _ROUNDING:
            raise InputError(
                f"{run.path}: {key} is {stated:.4f} in the scores and {value:.4f} by its per-item "
                "table; evaluate again"
            )
    return Measured(
        key=key,
        group=group_of(key.languages, agreed_seen(runs, key)),
        unit=unit_of(key.languages),
        statistic=statistic,
        values=observed,
    )


def _column(key: ScoreKey, run: Run, table: pa.Table, column: str) -> FloatArray:
    if column not in table.column_names:
        raise InputError(
            f"{run.path}: the per-item table of {key} has no column {column}; evaluate again"
        )
    values = np.asarray(table.column(column).to_numpy(), dtype=np.float64)
    if not np.isfinite(values).all():
        item = table.column("item")[int(np.argmin(np.isfinite(values)))]
        raise InputError(
            f"{run.path}: the per-item table of {key} has no finite {column} for item {item}; "
            "evaluate again"
        )
    return values


def _same_gold(key: ScoreKey, runs: Sequence[Run], gold: FloatArray) -> FloatArray:
    """Return the (I,) gold values after checking that all rows of the (R, I) array are equal."""
    for run, values in zip(runs, gold, strict=True):
        if not np.array_equal(values, gold[0]):
            raise InputError(
                f"{key}: {runs[0].label} and {run.label} differ in gold values; evaluate both on "
                "the same data"
            )
    same: FloatArray = gold[0]
    return same
