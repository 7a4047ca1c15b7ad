"""Scores of two or more runs -> what each gains over a baseline, by task, metric and group of languages.

Averages are per language first (both directions of retrieval) and then over languages, with seen and unseen languages
always apart. A pair in which neither language is English counts once, as its pair. Nothing is encoded: the intervals
come from the per-item tables that lie beside the scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hexapla.errors import InputError
from hexapla.report.bootstrap import FloatArray, average, interval, resample
from hexapla.report.comparison import Block, Cell, Comparison, Line, RunFacts
from hexapla.report.measure import GROUPS, Measured, measure
from hexapla.report.runs import Key, Run, check_comparable, read_runs
from hexapla.run import write_json, write_run, write_text

RESULT = "comparison.json"
HEADLINE_METRICS = ("accuracy", "spearman")
LEAST_RESAMPLES = 100  # of fewer, each end of the interval would hang on two or three draws


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What to compare.

    Attributes:
        scores: Score folders or files, one per run, at least two.
        out: Folder for run.json, comparison.md and comparison.json; None writes nothing.
        baseline: Label or path of the run that the others are compared with; None is the first.
        n_resamples: Resamples of the bootstrap.
        seed: Of the bootstrap.
        overwrite: Write into a folder that is not empty, replacing an earlier comparison there.
    """

    scores: tuple[Path, ...]
    out: Path | None = None
    baseline: str | None = None
    n_resamples: int = 1000
    seed: int = 0
    overwrite: bool = False


def compare(config: CompareConfig) -> Comparison:
    """Compare the scores of runs with those of a baseline, with paired bootstrap intervals of the gains.

    Raises:
        InputError: Runs that cannot be compared or read, a value out of its range, or an `out` that is not empty.
    """
    _check(config)
    runs = read_runs(config.scores, baseline=config.baseline)
    notes = check_comparable(runs)
    tasks: dict[tuple[str, str], list[Key]] = {}
    for key in runs[0].scores:
        tasks.setdefault((key.task, key.split), []).append(key)
    measured = [measure(runs, keys) for keys in tasks.values()]  # all is read and checked before any is resampled
    if config.out is not None:
        write_run(config.out, "compare", dataclasses.asdict(config))
        (config.out / RESULT).unlink(missing_ok=True)  # an earlier one would not be what run.json says
    comparison = Comparison(
        runs=tuple(_facts(run) for run in runs),
        blocks=tuple(block for scores, n_items in measured for block in _task_blocks(scores, n_items, config)),
        n_resamples=config.n_resamples,
        seed=config.seed,
        notes=tuple(notes),
    )
    if config.out is not None:
        _write(comparison, config.out)
    return comparison


def _check(config: CompareConfig) -> None:
    if config.n_resamples < LEAST_RESAMPLES:
        raise InputError(f"n_resamples is {config.n_resamples}; it must be at least {LEAST_RESAMPLES}")
    if config.seed < 0:
        raise InputError(f"seed is {config.seed}; it must be 0 or more")
    if config.out is None:
        return
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"{config.out} is a file; the output must be a folder")
    if not config.overwrite and config.out.is_dir() and any(config.out.iterdir()):
        raise InputError(f"{config.out} is not empty; give another folder, or overwrite (--overwrite)")


def _facts(run: Run) -> RunFacts:
    first = next(iter(run.scores.values()))
    return RunFacts(
        label=run.label,
        scores=(str(run.path),),
        encoder=first.encoder,
        encoder_sha=(first.encoder_sha,),
        regime=first.regime,
        corpus=first.corpus,
        seeds=() if first.seed is None else (first.seed,),
    )


# Where in a task's tables a score is averaged into: metric and group.
_Place = tuple[str, str]


def _task_blocks(measured: Sequence[Measured], n_items: int, config: CompareConfig) -> list[Block]:
    """Bootstrap all scores of one task and split on the same draws, and lay them out."""
    places: dict[_Place, list[int]] = {}
    for number, one in enumerate(measured):
        places.setdefault((one.key.metric, one.group), []).append(number)
    gains: dict[_Place, list[FloatArray]] = {place: [] for place in places}
    statistics = [one.statistic for one in measured]
    for estimates in resample(statistics, n_items, n_resamples=config.n_resamples, seed=config.seed):
        for place, numbers in places.items():
            averages = average(estimates[numbers], [measured[number].unit for number in numbers])
            gains[place].append(averages - averages[0])
    lines = {
        place: _line([measured[number] for number in numbers], np.concatenate(gains[place], axis=-1))
        for place, numbers in places.items()
    }
    return _blocks(measured[0].key, lines)


def _line(measured: Sequence[Measured], gains: FloatArray) -> Line:
    """Average a group's scores into a line; `gains` are its (R, B) resampled gains over the baseline."""
    units = [one.unit for one in measured]
    baseline, *others = average(np.stack([one.values for one in measured]), units).tolist()
    cells = [Cell(value=baseline)]
    for value, resampled in zip(others, gains[1:], strict=True):
        gain = value - baseline
        relative = gain / baseline if baseline > 0 else None
        cells.append(Cell(value=value, gain=gain, relative=relative, interval=interval(resampled)))
    sizes = [len(one.statistic.items) for one in measured]
    return Line(
        group=measured[0].group,
        languages=tuple(dict.fromkeys(units)),
        n_items=(min(sizes), max(sizes)),
        cells=tuple(cells),
    )


def _blocks(key: Key, lines: Mapping[_Place, Line]) -> list[Block]:
    """Gather a task's lines by metric, its headline metric first."""
    metrics = list(dict.fromkeys(metric for metric, _ in lines))
    headline = next((metric for metric in HEADLINE_METRICS if metric in metrics), metrics[0])
    metrics.sort(key=lambda metric: metric != headline)
    return [
        Block(
            task=key.task,
            split=key.split,
            metric=metric,
            headline=metric == headline,
            lines=tuple(lines[metric, group] for group in GROUPS if (metric, group) in lines),
        )
        for metric in metrics
    ]


def _write(comparison: Comparison, out: Path) -> None:
    """Write the tables, and last what they are made of: a folder without it is unfinished."""
    write_text(out / "comparison.md", comparison.to_markdown())
    write_json(out / RESULT, comparison.to_json())
