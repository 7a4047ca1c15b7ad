"""A comparison -> the data of the page's table of all numbers, each with its signatures.

A page with thousands of scores stays small because the end of a signature (encoder, software),
which most scores of a run share, is stored once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.score_groups import unit_of
from hexapla.evaluation.scores import Score
from hexapla.report.charts import language_name
from hexapla.report.comparison import Block, Comparison, Line, TableCell


def number_table(comparison: Comparison, scores: Mapping[str, Sequence[Score]]) -> dict[str, Any]:
    """Return what the page's script makes the table from.

    Args:
        comparison: All its blocks and lines are in the table.
        scores: The scores of each path in the comparison's runs.

    Returns:
        `runs`, the labels; `rows`, one for each line of each block; `ends`, the ends of signatures.
    """
    signatures = _Signatures([score for of_path in scores.values() for score in of_path])
    rows = [
        _row(block, line, whole=whole, signatures=[] if whole else signatures.of(block, line))
        for block in comparison.blocks
        for whole, lines in ((True, block.lines), (False, block.languages))
        for line in lines
    ]
    return {"runs": [run.label for run in comparison.runs], "rows": rows, "ends": signatures.ends}


def _row(
    block: Block, line: Line, *, whole: bool, signatures: Sequence[Sequence[object]]
) -> dict[str, Any]:
    """Return a row; `whole` says that it is for a group of languages."""
    return {
        "task": block.task,
        "split": block.split,
        "metric": block.metric,
        "lower": not METRICS[block.metric].higher_is_better,
        "headline": block.headline,
        "whole": whole,
        "group": line.group,
        "what": _what(line.languages),
        "n": list(line.n_items),
        "cells": [_rounded(cell) for cell in line.cells],
        "signatures": signatures,
    }


def _what(units: Sequence[str]) -> str:
    if len(units) == 1:
        return language_name(units[0])
    return f"mean of {len(units)} {'pairs' if '-' in units[0] else 'languages'}"


def _rounded(cell: TableCell) -> list[float | None]:
    """Return value, gain, low, high, p over rows, p over seeds and sd, rounded for the page."""
    low, high = cell.interval or (None, None)
    values = (cell.value, cell.gain, low, high, cell.p_rows, cell.p_seeds, cell.sd)
    return [None if value is None else round(float(value), 5) for value in values]


class _Signatures:
    """The signatures of all scores, each as its start and the number of its end in `ends`."""

    def __init__(self, scores: Sequence[Score]) -> None:
        self.ends: list[str] = []
        self._by_unit: dict[tuple[str, str, str, str], list[list[object]]] = {}
        for score in scores:
            start, mark, end = score.signature.partition("|max_tokens:")
            end = mark + end
            if end not in self.ends:
                self.ends.append(end)
            key = (score.task, score.split, score.metric, unit_of(score.languages))
            self._by_unit.setdefault(key, []).append([start, self.ends.index(end)])

    def of(self, block: Block, line: Line) -> list[list[object]]:
        """Return the signatures behind a line."""
        return [
            signature
            for unit in line.languages
            for signature in self._by_unit.get((block.task, block.split, block.metric, unit), [])
        ]
