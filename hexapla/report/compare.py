"""Scores of two or more runs -> what each gains over a baseline, by task, metric and group of languages.

Averages are per language first (both directions of retrieval) and then over languages, with seen and unseen languages
always apart. A pair in which neither language is English counts once, as its pair. Nothing is encoded: intervals and
tests come from the per-item tables that lie beside the scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from hexapla.errors import InputError
from hexapla.report.bootstrap import FloatArray, average, interval, resample
from hexapla.report.budgets import check_budgets
from hexapla.report.comparison import Block, Cell, Comparison, Contaminated, Line, RunFacts
from hexapla.report.measure import GROUPS, Measured, measure
from hexapla.report.permutation import Swapped, draw_signs, p_of_seeds, p_value
from hexapla.report.runs import Key, check_comparable, read_runs
from hexapla.report.seeds import Column, make_columns
from hexapla.run import write_json, write_run, write_text

RESULT = "comparison.json"
HEADLINE_METRICS = ("accuracy", "spearman", "xsim")
LEAST_RESAMPLES = 100  # of fewer, each end of the interval would hang on two or three draws


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What to compare.

    Attributes:
        scores: Score folders or files, one per run, at least two.
        out: Folder for run.json, comparison.md and comparison.json; None writes nothing.
        baseline: Label or path of the run that the others are compared with; None is the first.
        seeds: `together` makes one column of runs that differ in their training seed alone, `apart` one of each.
        different_budgets: Compare regimes although their trainings saw unequal amounts, or other corpora.
        n_resamples: Resamples of the bootstrap, and permutations of the tests.
        seed: Of both.
        overwrite: Write into a folder that is not empty, replacing an earlier comparison there.
    """

    scores: tuple[Path, ...]
    out: Path | None = None
    baseline: str | None = None
    seeds: Literal["together", "apart"] = "together"
    different_budgets: bool = False
    n_resamples: int = 1000
    seed: int = 0
    overwrite: bool = False


def compare(config: CompareConfig) -> Comparison:
    """Compare the scores of runs with those of a baseline, with paired intervals and tests of the gains.

    Raises:
        InputError: Runs that cannot be compared or read, a value out of its range, or an `out` that is not empty.
    """
    _check(config)
    columns, notes = make_columns(
        read_runs(config.scores), together=config.seeds == "together", baseline=config.baseline
    )
    runs = [run for column in columns for run in column.runs]
    notes += check_budgets(columns, different=config.different_budgets)
    notes += check_comparable(runs)
    tasks: dict[tuple[str, str], list[Key]] = {}
    for key in runs[0].scores:
        tasks.setdefault((key.task, key.split), []).append(key)
    measured = [measure(runs, keys) for keys in tasks.values()]  # all is read and checked before any is resampled
    if config.out is not None:
        write_run(config.out, "compare", dataclasses.asdict(config))
        (config.out / RESULT).unlink(missing_ok=True)  # an earlier one would not be what run.json says
    contaminated = _contaminated(columns)
    unchecked = [column.label for column in columns if column.runs[0].training and _unchecked(column)]
    if unchecked:
        notes.append(f"evaluation sentences were not looked for in the training corpus of {', '.join(unchecked)}")
    comparison = Comparison(
        runs=tuple(_facts(column) for column in columns),
        blocks=tuple(
            block for scores, n_items in measured for block in _Task(scores, n_items, columns, config).blocks()
        ),
        n_resamples=config.n_resamples,
        seed=config.seed,
        notes=tuple(notes),
        contamination=contaminated,
    )
    if config.out is not None:
        _write(comparison, config.out)
    return comparison


def _check(config: CompareConfig) -> None:
    if config.n_resamples < LEAST_RESAMPLES:
        raise InputError(f"n_resamples is {config.n_resamples}; it must be at least {LEAST_RESAMPLES}")
    if config.seeds not in ("together", "apart"):
        raise InputError(f"seeds is {config.seeds!r}; it must be together or apart")
    if config.seed < 0:
        raise InputError(f"seed is {config.seed}; it must be 0 or more")
    if config.out is None:
        return
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"{config.out} is a file; the output must be a folder")
    if not config.overwrite and config.out.is_dir() and any(config.out.iterdir()):
        raise InputError(f"{config.out} is not empty; give another folder, or overwrite (--overwrite)")


def _facts(column: Column) -> RunFacts:
    first, training = column.runs[0].first, column.runs[0].training
    return RunFacts(
        label=column.label,
        scores=tuple(str(run.path) for run in column.runs),
        encoder=first.encoder,
        encoder_sha=tuple(run.first.encoder_sha for run in column.runs),
        regime=first.regime,
        corpus=first.corpus,
        seeds=column.seeds,
        budget=training.get("budget"),
        n_rows_seen=training.get("n_rows_seen"),
        n_encodings=training.get("n_encodings"),
    )


def _unchecked(column: Column) -> bool:
    return any(run.contamination is None for run in column.runs)


def _contaminated(columns: Sequence[Column]) -> tuple[Contaminated, ...]:
    """Return the tasks of which a column's corpus holds sentences; the runs of a column have one corpus."""
    return tuple(
        Contaminated(
            run=column.label, task=one["task"], split=one["split"], n_sentences=one["n_sentences"],
            n_found=one["n_found"], examples=tuple(one["examples"]),
        )
        for column in columns
        for one in (column.runs[0].contamination or {}).get("tasks", [])
        if one["n_found"]
    )  # fmt: skip


class _Place(NamedTuple):
    """Where in a task's tables a score is averaged into: a group of languages, or (with `unit`) one of them."""

    metric: str
    group: str
    unit: str | None


class _Task:
    """The scores of one task and split: averaged, resampled and permuted on the same draws, and laid out."""

    def __init__(
        self, measured: Sequence[Measured], n_items: int, columns: Sequence[Column], config: CompareConfig
    ) -> None:
        self._measured, self._n_items, self._config = measured, n_items, config
        self._columns = columns
        numbers = iter(range(sum(len(column.runs) for column in columns)))
        self._runs_of = [[next(numbers) for _ in column.runs] for column in columns]
        self._places: dict[_Place, list[int]] = {}
        for number, one in enumerate(measured):
            self._places.setdefault(_Place(one.key.metric, one.group, None), []).append(number)
        for number, one in enumerate(measured):
            if "-" not in one.unit:  # pairs without English are hundreds, and have their average
                self._places.setdefault(_Place(one.key.metric, one.group, one.unit), []).append(number)

    def blocks(self) -> list[Block]:
        """Return the task's tables by metric, its headline metric first."""
        gains, p_rows = self._resampled(), self._permuted()
        lines = {place: self._line(place, gains[place], p_rows[place]) for place in self._places}
        metrics = list(dict.fromkeys(place.metric for place in lines))
        headline = next((metric for metric in HEADLINE_METRICS if metric in metrics), metrics[0])
        metrics.sort(key=lambda metric: metric != headline)
        key = self._measured[0].key
        return [
            Block(
                task=key.task,
                split=key.split,
                metric=metric,
                headline=metric == headline,
                lines=tuple(self._ordered(lines, metric, units=False)),
                languages=tuple(self._ordered(lines, metric, units=True)),
            )
            for metric in metrics
        ]

    @staticmethod
    def _ordered(lines: Mapping[_Place, Line], metric: str, *, units: bool) -> list[Line]:
        return [
            line
            for group in GROUPS
            for place, line in lines.items()
            if (place.metric, place.group) == (metric, group) and (place.unit is not None) == units
        ]

    def _average(self, estimates: FloatArray, place: _Place) -> FloatArray:
        """Average the (S, R, ...) estimates that belong to a place, per unit and then over units: (R, ...)."""
        numbers = self._places[place]
        return average(estimates[numbers], [self._measured[number].unit for number in numbers])

    def _of_columns(self, values_R: FloatArray) -> FloatArray:
        """Average (R, ...) runs into (C, ...) columns."""
        return np.stack([values_R[runs].mean(axis=0) for runs in self._runs_of])

    def _resampled(self) -> dict[_Place, FloatArray]:
        """Return (C, B) resampled gains over the baseline."""
        gains: dict[_Place, list[FloatArray]] = {place: [] for place in self._places}
        statistics = [one.statistic for one in self._measured]
        config = self._config
        for estimates in resample(statistics, self._n_items, n_resamples=config.n_resamples, seed=config.seed):
            for place in self._places:
                averages = self._of_columns(self._average(estimates, place))
                gains[place].append(averages - averages[0])
        return {place: np.concatenate(blocks, axis=-1) for place, blocks in gains.items()}

    def _permuted(self) -> dict[_Place, list[float]]:
        """Return the p-value over rows of each column's gain; the baseline's own is 1."""
        signs = draw_signs(self._config.n_resamples, self._n_items, self._config.seed)
        swapped = [Swapped(one.statistic, signs) for one in self._measured]
        p_rows: dict[_Place, list[float]] = {place: [1.0] for place in self._places}
        for runs in self._runs_of[1:]:
            found = [one.gains(runs, self._runs_of[0]) for one in swapped]
            observed, permuted = np.array([one for one, _ in found]), np.stack([many for _, many in found])
            for place in self._places:
                gain, others = self._average(observed, place), self._average(permuted, place)
                p_rows[place].append(p_value(float(gain), others))
        return p_rows

    def _line(self, place: _Place, gains: FloatArray, p_rows: Sequence[float]) -> Line:
        measured = [self._measured[number] for number in self._places[place]]
        units = [one.unit for one in measured]
        values_R = average(np.stack([one.values for one in measured]), units)
        baseline, *others = self._of_columns(values_R).tolist()
        cells = [Cell(value=baseline, sd=self._spread(values_R, 0))]
        for number, value in enumerate(others, start=1):
            gain = value - baseline
            cells.append(
                Cell(
                    value=value, gain=gain, relative=gain / baseline if baseline > 0 else None,
                    interval=interval(gains[number]), p_rows=p_rows[number],
                    p_seeds=self._p_seeds(values_R, number), sd=self._spread(values_R, number),
                )
            )  # fmt: skip
        sizes = [len(one.statistic.items) for one in measured]
        return Line(
            group=place.group,
            languages=tuple(dict.fromkeys(units)),
            n_items=(min(sizes), max(sizes)),
            cells=tuple(cells),
        )

    def _spread(self, values_R: FloatArray, column: int) -> float | None:
        runs = self._runs_of[column]
        return float(values_R[runs].std(ddof=1)) if len(runs) > 1 else None

    def _p_seeds(self, values_R: FloatArray, column: int) -> float | None:
        """Pair the seeds that a column shares with the baseline, or all of its own with a baseline that has none."""
        seeds, base_seeds = self._columns[column].seeds, self._columns[0].seeds
        runs, base_runs = self._runs_of[column], self._runs_of[0]
        if not base_seeds and len(base_runs) == 1:
            gains = (values_R[runs] - values_R[base_runs[0]]).tolist() if seeds else []
        else:
            of_seed = dict(zip(base_seeds, base_runs, strict=False))
            gains = [
                float(values_R[run] - values_R[of_seed[seed]])
                for run, seed in zip(runs, seeds, strict=False)
                if seed in of_seed
            ]
        return p_of_seeds(gains) if len(gains) > 1 else None


def _write(comparison: Comparison, out: Path) -> None:
    """Write the tables, and last what they are made of: a folder without it is unfinished."""
    write_text(out / "comparison.md", comparison.to_markdown())
    write_json(out / RESULT, comparison.to_json())
