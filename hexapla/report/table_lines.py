"""Scores of one task with their per-item statistics -> the lines of its tables: averages, gains, intervals, tests.

All scores of a task are resampled and permuted on the same draws, and only the results are averaged
into lines. A line is of a group of languages, or of one language.

Shape suffixes: S statistics, R runs, C columns of the table, B resamples or permutations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hexapla.report.bootstrap import FloatArray, average, interval, interval_over_seeds, resample
from hexapla.report.comparison import Block, Cell, Line
from hexapla.report.measure import GROUPS, Measured
from hexapla.report.permutation import p_of, p_over_seeds, permute
from hexapla.report.score_runs import Key
from hexapla.report.seeds import Column

HEADLINE_METRICS = ("accuracy", "spearman")


class _Place(NamedTuple):
    """Where in a task's tables a score is averaged into; `unit` is empty in the line of a whole group."""

    metric: str
    group: str
    unit: str


def task_blocks(
    measured: Sequence[Measured],
    n_items: int,
    columns: Sequence[Column],
    *,
    n_resamples: int,
    seed: int,
) -> list[Block]:
    """Resample and permute all scores of one task and split, and lay them out.

    Args:
        measured: What `measure` returned for the runs of the columns, in their order.
        n_items: How many items they have together.
        columns: Of the table, the baseline first.
        n_resamples: How many resamples, and how many permutations.
        seed: Of both.
    """
    places: dict[_Place, list[int]] = {}
    for number, one in enumerate(measured):
        # Pairs without English are hundreds; they have their average.
        for unit in ("",) if "-" in one.unit else ("", one.unit):
            places.setdefault(_Place(one.key.metric, one.group, unit), []).append(number)
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


def _runs_of(columns: Sequence[Column]) -> list[list[int]]:
    """Return the places of each column's runs among all runs."""
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
    """Average (S, C, B) blocks of gains into the (C, B) gains of each line; B adds up."""
    averages: dict[_Place, list[FloatArray]] = {place: [] for place in places}
    for block in blocks:
        for place, numbers in places.items():
            averages[place].append(average(block[numbers], [units[number] for number in numbers]))
    return {place: np.concatenate(parts, axis=-1) for place, parts in averages.items()}


def _line(
    measured: Sequence[Measured],
    columns: Sequence[Column],
    resampled: FloatArray,
    permuted: FloatArray,
) -> Line:
    """Average the scores of a line, a cell per column; (C, B) are its gains on resamples and when permuted."""
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
    columns: Sequence[Column],
    number: int,
    resampled: FloatArray,
    permuted: FloatArray,
) -> Cell:
    """Make the cell of a column from the values of each column's runs and its own (B,) resampled and permuted gains."""
    value, baseline = float(values[number].mean()), float(values[0].mean())
    sd = float(values[number].std(ddof=1)) if len(values[number]) > 1 else None
    if number == 0:
        return Cell(value=value, sd=sd)
    gain = value - baseline
    seed_gains = _seed_gains(values, columns, number)
    return Cell(
        value=value,
        gain=gain,
        relative=gain / baseline if baseline > 0 else None,
        interval=interval(resampled),
        interval_seeds=interval_over_seeds(seed_gains),
        p_rows=p_of(gain, permuted),
        p_seeds=p_over_seeds(seed_gains),
        sd=sd,
    )


def _seed_gains(
    values: Sequence[FloatArray], columns: Sequence[Column], number: int
) -> list[float]:
    """Return the gain of each seed that a column shares with the baseline, or of each over a baseline without seed."""
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


def _blocks(key: Key, lines: Mapping[_Place, Line]) -> list[Block]:
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
