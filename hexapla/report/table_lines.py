"""Scores of one task and their statistics -> the lines of its tables, with intervals and tests.

All scores of a task are resampled and permuted with the same draws, and only the results are
averaged into lines. A line is for a group of languages, or for one language.

Shape suffixes: S statistics, R runs, C columns of the table, B resamples or permutations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hexapla.evaluation.score_groups import GROUPS, average
from hexapla.report.bootstrap import FloatArray, interval, interval_over_seeds, resample
from hexapla.report.comparison import Block, Line, TableCell
from hexapla.report.measure import Measured
from hexapla.report.permutation import p_over_seeds, permutation_p, permute
from hexapla.report.score_runs import ScoreKey
from hexapla.report.seeds import RunColumn

# The first of these that a task has is its main metric; without one, the first that was measured.
# xsim++ is here because good encoders no longer differ in xsim.
HEADLINE_METRICS = ("accuracy", "spearman", "xsim++")


class _Place(NamedTuple):
    """The line that a score is averaged into; `unit` is empty in the line of a whole group."""

    metric: str
    group: str
    unit: str


def task_blocks(
    measured: Sequence[Measured],
    n_items: int,
    columns: Sequence[RunColumn],
    *,
    n_resamples: int,
    seed: int,
) -> list[Block]:
    """Resample and permute all scores of one task and split, and arrange the results in blocks.

    Args:
        measured: The result of `measure` for the runs of all columns, in the order of the columns.
        n_items: Number of distinct items in them.
        columns: Columns of the table, the baseline first.
        n_resamples: Number of resamples, and of permutations.
        seed: Seed of both.
    """
    places: dict[_Place, list[int]] = {}
    for number, one in enumerate(measured):
        # There are hundreds of pairs without English, so only their average has a line.
        for unit in ("",) if "-" in one.unit else ("", one.unit):
            places.setdefault(_Place(one.key.metric, one.group, unit), []).append(number)
    if len(columns) == 1:  # nothing was gained over anything
        nothing = np.zeros((1, 0))
        values = {
            place: _line([measured[number] for number in numbers], columns, nothing, nothing)
            for place, numbers in places.items()
        }
        return _blocks(measured[0].key, values)
    statistics = [one.statistic for one in measured]
    units = [one.unit for one in measured]
    runs_of = _runs_of(columns)
    resamples = resample(statistics, n_items, n_resamples=n_resamples, seed=seed)
    resampled = _averages((_gains(estimates, runs_of) for estimates in resamples), places, units)
    permutations = permute(statistics, runs_of, n_items, n_permutations=n_resamples, seed=seed)
    permuted = _averages(permutations, places, units)
    lines = {
        place: _line(
            [measured[number] for number in numbers], columns, resampled[place], permuted[place]
        )
        for place, numbers in places.items()
    }
    return _blocks(measured[0].key, lines)


def _runs_of(columns: Sequence[RunColumn]) -> list[list[int]]:
    """Return the positions of each column's runs among all runs."""
    ends = np.cumsum([len(column.runs) for column in columns]).tolist()
    return [
        list(range(end - len(column.runs), end)) for column, end in zip(columns, ends, strict=True)
    ]


def _gains(estimates: FloatArray, runs_of: Sequence[Sequence[int]]) -> FloatArray:
    """Return the (S, C, B) gains over the baseline from (S, R, B) estimates."""
    means_SCB = np.stack([estimates[:, list(runs)].mean(axis=1) for runs in runs_of], axis=1)
    gains: FloatArray = means_SCB - means_SCB[:, :1]
    return gains


def _averages(
    blocks: Iterable[FloatArray], places: Mapping[_Place, Sequence[int]], units: Sequence[str]
) -> dict[_Place, FloatArray]:
    """Average (S, C, B) blocks into the (C, B) gains of each line, joining blocks along B."""
    averages: dict[_Place, list[FloatArray]] = {place: [] for place in places}
    for block in blocks:
        for place, numbers in places.items():
            averages[place].append(average(block[numbers], [units[number] for number in numbers]))
    return {place: np.concatenate(parts, axis=-1) for place, parts in averages.items()}


def _line(
    measured: Sequence[Measured],
    columns: Sequence[RunColumn],
    resampled: FloatArray,
    permuted: FloatArray,
) -> Line:
    """Average the scores of a line, given its (C, B) gains on resamples and permutations."""
    units = [one.unit for one in measured]
    of_runs = average(np.stack([one.values for one in measured]), units)
    values = [of_runs[runs] for runs in _runs_of(columns)]
    sizes = [len(one.statistic.items) for one in measured]
    return Line(
        group=measured[0].group,
        languages=tuple(dict.fromkeys(units)),
        n_items=(min(sizes), max(sizes)),
        cells=tuple(
            _cell(values, columns, number, resampled[number], permuted[number])
            for number in range(len(columns))
        ),
    )


def _cell(
    values: Sequence[FloatArray],
    columns: Sequence[RunColumn],
    number: int,
    resampled: FloatArray,
    permuted: FloatArray,
) -> TableCell:
    """Return the cell of column `number` from the run values of all columns and its (B,) gains."""
    value, baseline = float(values[number].mean()), float(values[0].mean())
    sd = float(values[number].std(ddof=1)) if len(values[number]) > 1 else None
    if number == 0:
        return TableCell(value=value, sd=sd)
    gain = value - baseline
    seed_gains = _seed_gains(values, columns, number)
    return TableCell(
        value=value,
        gain=gain,
        relative=gain / baseline if baseline > 0 else None,
        interval=interval(resampled),
        interval_seeds=interval_over_seeds(seed_gains),
        p_rows=permutation_p(gain, permuted),
        p_seeds=p_over_seeds(seed_gains),
        sd=sd,
    )


def _seed_gains(
    values: Sequence[FloatArray], columns: Sequence[RunColumn], number: int
) -> list[float]:
    """Return the gain of each seed that the column shares with the baseline.

    Over a baseline without a seed, every seed of the column has a gain.
    """
    own, baseline = (
        {
            run.score.seed: float(value)
            for run, value in zip(columns[place].runs, values[place], strict=True)
        }
        for place in (number, 0)
    )
    if None in own:
        return []
    if None in baseline:
        return [value - baseline[None] for value in own.values()]
    return [value - baseline[seed] for seed, value in own.items() if seed in baseline]


def _blocks(key: ScoreKey, lines: Mapping[_Place, Line]) -> list[Block]:
    """Gather a task's lines by metric, its headline metric first."""
    metrics = list(dict.fromkeys(place.metric for place in lines))
    headline = next((metric for metric in HEADLINE_METRICS if metric in metrics), metrics[0])
    metrics.sort(key=lambda metric: metric != headline)
    return [
        Block(
            task=key.task,
            split=key.split,
            metric=metric,
            headline=metric == headline,
            lines=tuple(line for place, line in _of(metric, lines) if not place.unit),
            languages=tuple(line for place, line in _of(metric, lines) if place.unit),
        )
        for metric in metrics
    ]


def _of(metric: str, lines: Mapping[_Place, Line]) -> list[tuple[_Place, Line]]:
    """Return a metric's lines in the order of their groups."""
    own = [(place, line) for place, line in lines.items() if place.metric == metric]
    return sorted(own, key=lambda item: GROUPS.index(item[0].group))
