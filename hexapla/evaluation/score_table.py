"""Scores as Python shows them: a list that prints as a small table and becomes a data frame."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.score_groups import average, group_of, unit_of
from hexapla.evaluation.scores import Score
from hexapla.evaluation.tasks.protocol import ENGLISH
from hexapla.text.printable import printable

if TYPE_CHECKING:
    import pandas

_HEADERS = ("task", "languages", "metric", "mean, %", "items")


class Scores(list[Score]):
    """The scores of an evaluation, in the order of its tasks.

    Printed, they are one line for each task, metric and group of languages. Its mean is over
    languages, as in `hexapla compare`: both directions of retrieval are averaged first. `to_pandas`
    has a row for each score.

    >>> score = Score(task="bitext/toy", metric="accuracy", value=0.5, n=60, split="all", seen=True,
    ...               languages="eng_Latn-deu_Latn", encoder="tiny", encoder_sha="", corpus=None,
    ...               regime=None, seed=None, signature="", per_item=None)
    >>> Scores([score])
    task        languages  metric    mean, %  items
    bitext/toy  1 seen     accuracy     50.0     60
    """

    def __repr__(self) -> str:
        """Return the table."""
        groups: dict[tuple[str, str, str, str], list[Score]] = {}
        for score in self:
            group = group_of(score.languages, score.seen)
            key = (score.task, score.split, score.metric, group)
            groups.setdefault(key, []).append(score)
        several = len({(task, split) for task, split, *_ in groups}) > len(
            {key[0] for key in groups}
        )
        rows = [
            (
                f"{task}, {split}" if several else task,
                _name_group(group, len({unit_of(each.languages) for each in scores})),
                METRICS[metric].label if metric in METRICS else metric,
                f"{100 * _mean(scores):.1f}",
                _range([each.n for each in scores]),
            )
            for (task, split, metric, group), scores in groups.items()
        ]
        if not rows:
            return "no scores"
        return _aligned([_HEADERS, *(tuple(map(printable, row)) for row in rows)])

    __str__ = __repr__

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame with a row for each score and its fields as columns."""
        import pandas

        names = [field.name for field in dataclasses.fields(Score)]
        return pandas.DataFrame([dataclasses.asdict(score) for score in self], columns=names)


def _mean(scores: list[Score]) -> float:
    values = np.array([each.value for each in scores])
    return average(values, [unit_of(each.languages) for each in scores]).item()


def _name_group(group: str, n_units: int) -> str:
    """Say how many languages are averaged, or how many pairs where neither language is English."""
    if group == ENGLISH:
        return "English"
    seen, _, is_pairs = group.partition(", ")
    noun = (" pair" if n_units == 1 else " pairs") if is_pairs else ""
    return f"{n_units}{noun}{'' if seen == 'all' else f' {seen}'}"


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    """Return rows of cells as lines, the numbers of the last two columns to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    n_texts = len(widths) - 2
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < n_texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
