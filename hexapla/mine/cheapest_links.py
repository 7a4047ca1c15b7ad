"""Costs of linking sentences of two documents -> the cheapest links that keep the order of both.

Costs are rounded to multiples of 2^-20, so that their sums are exact in any order and equal ways
cost exactly the same. Among these, the links come first and the gaps last: of three equal sentences
against two, the third stays without translation.

Shapes: S source sentences, T target sentences. There are S - k + 1 blocks of k sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SIZES = ((1, 1), (1, 2), (2, 1))
"""How many sentences of the source and of the target a link may have."""

_SKIP_SOURCE, _SKIP_TARGET = 1, 2  # how a way ends, besides with a link
_GRID = 2.0**20  # costs are multiples of its inverse


@dataclass(frozen=True, slots=True)
class Link:
    """Sentences of the source and their translation.

    Attributes:
        source: Rows of zero to two consecutive source sentences.
        target: Rows of zero to two consecutive target sentences. One side is empty where a sentence
            of the other has no translation.
        cost: Cost of the link, 0 or more; about 1 for sentences that have nothing in common.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    cost: float


def find_cheapest(
    costs: Mapping[tuple[int, int], FloatArray], n_source: int, n_target: int, skip_cost: float
) -> list[Link]:
    """Return the links of the cheapest way through both documents, by dynamic programming.

    Args:
        costs: For each size of a link, (S, T) costs of linking each block of source sentences with
            each block of target sentences. They are rounded in place.
        n_source: Number of source sentences.
        n_target: Number of target sentences.
        skip_cost: Cost of a sentence without translation.
    """
    for cost_ST in costs.values():
        cost_ST *= _GRID
        np.rint(cost_ST, out=cost_ST)
        cost_ST /= _GRID
    skip_cost = round(skip_cost * _GRID) / _GRID
    kinds = [(0, 0), (1, 0), (0, 1), *costs]
    step_ST = _cheapest_steps(costs, kinds, n_source, n_target, skip_cost)
    links: list[Link] = []
    i, j = n_source, n_target
    while i or j:
        m, n = kinds[step_ST[i, j]]
        i, j = i - m, j - n
        cost = float(costs[m, n][i, j]) if m and n else skip_cost
        links.append(Link(tuple(range(i, i + m)), tuple(range(j, j + n)), cost))
    return links[::-1]


def _cheapest_steps(
    costs: Mapping[tuple[int, int], FloatArray],
    kinds: list[tuple[int, int]],
    n_source: int,
    n_target: int,
    skip_cost: float,
) -> NDArray[np.int8]:
    """Return (S + 1, T + 1): the last step of the cheapest way to each pair of prefixes.

    A row is computed at once. Skipping the target sentences from some k up to j costs
    (j - k) * skip_cost, so the best k is a running minimum. Where ways cost the same, the last step
    skips a target sentence, else a source sentence, else links.
    """
    step_ST = np.zeros((n_source + 1, n_target + 1), dtype=np.int8)
    ramp_T = skip_cost * np.arange(n_target + 1)
    rows: list[NDArray[np.floating]] = []  # the cheapest ways to the last two prefixes
    for i in range(n_source + 1):
        if i == 0:
            best_T = np.full(n_target + 1, np.inf)
            best_T[0] = 0.0
        else:
            best_T = rows[-1] + skip_cost
            step_ST[i] = _SKIP_SOURCE
            for kind, (m, n) in enumerate(kinds[3:], start=3):
                if i >= m and n_target >= n:
                    way_T = np.full(n_target + 1, np.inf)
                    way_T[n:] = rows[-m][: n_target + 1 - n] + costs[m, n][i - m]
                    step_ST[i][way_T < best_T] = kind
                    best_T = np.minimum(best_T, way_T)
        row_T = ramp_T + np.minimum.accumulate(best_T - ramp_T)
        step_ST[i, 1:][row_T[:-1] + skip_cost <= best_T[1:]] = _SKIP_TARGET
        rows = [*rows[-1:], row_T]
    return step_ST
