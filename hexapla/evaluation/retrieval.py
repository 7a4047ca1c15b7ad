"""Retrieval between two columns of unit vectors, row by row and in both directions.

One matrix product serves both directions and every metric; MTEB searches once per direction and has
no margin score. The right target of a row is the same row. Where several rows have equal target
texts, the first of them is retrieved and the others count as errors, as in MTEB, so that numbers
compare with MTEB's. Products are in float32; cosines that are too near to each other for that are
compared in float64.

Shapes: S source rows, T target rows (S = T), B rows of one block, N rows of either side, R rows
that are compared again, D dimensions, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.best_cosines import PART, BestCosines, best_of_columns, best_of_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    # The first source row, the number of rows, and their cosines, (B, T) and rows of -inf.
    Block = tuple[int, int, Floats]

# The neighbourhood of the margin score: k = 4 in Artetxe and Schwenk (2019) and in LASER.
NEIGHBOURS = 4

# Cosines in memory at once, 128 MiB of float32. Up to 5,792 x 5,792 rows are one block.
_BLOCK_ENTRIES = 2**25

# Rows whose margin scores are computed at once, so that they stay in the cache.
_CACHED_ROWS = 64

# A float32 product of unit vectors is wrong by about 1e-7, also where vectors are equal. Cosines
# with a smaller difference than this are compared in float64; such margin scores count as equal.
_NEAR = 5e-7
_EQUAL = 1e-12
_ROWS_AGAIN = 256  # that are compared at once


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """The results of one direction, per query; the mean of each array is the score.

    Attributes:
        accuracy: (n,) 1.0 where the nearest target by cosine is the query's row.
        f1: (n,) `2 * hit / (1 + c)`, where c is the number of queries whose nearest target is that
            row. The mean is the weighted F1 that MTEB reports: accuracy with a penalty for targets
            that are the nearest of many queries.
        hubness: (n,) that penalty, `accuracy - f1`; lower is better.
        margin_accuracy: (n,) accuracy by the ratio margin of Artetxe and Schwenk (2019, arXiv
            1811.01136); None without the margin score.
    """

    accuracy: NDArray[np.float64]
    f1: NDArray[np.float64]
    hubness: NDArray[np.float64]
    margin_accuracy: NDArray[np.float64] | None

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays by metric."""
        columns = {
            "f1": self.f1,
            "accuracy": self.accuracy,
            "margin_accuracy": self.margin_accuracy,
            "hubness": self.hubness,
        }
        return {name: values for name, values in columns.items() if values is not None}


def retrieve(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], k: int | None = NEIGHBOURS
) -> tuple[Retrieval, Retrieval]:
    """Search once in both directions; for many pairs of columns, use one `BitextRetriever`."""
    return BitextRetriever(k)(source_SD, target_TD)


class BitextRetriever:
    """Searches pairs of columns, and reuses memory from pair to pair."""

    def __init__(self, k: int | None = NEIGHBOURS) -> None:
        """Choose the size of the neighbourhood in the margin score.

        Args:
            k: Neighbours k in `cosine / (mean of the k nearest cosines of x / 2 + the same of y /
                2)`. None omits the margin score.
        """
        self._k = k
        self._room = np.empty((0, 0), dtype=np.float32)

    def __call__(
        self, source_SD: NDArray[np.float32], target_TD: NDArray[np.float32]
    ) -> tuple[Retrieval, Retrieval]:
        """Search each side for the translation of every row of the other side.

        Args:
            source_SD: (n, dim) unit vectors.
            target_TD: (n, dim) unit vectors; row i translates row i of the source.

        Returns:
            The results of searching from source to target, and from target to source.

        Raises:
            InputError: k is not in 1 to n.
        """
        n_rows = len(source_SD)
        if len(target_TD) != n_rows:
            raise ValueError(
                f"source has {n_rows} rows and target has {len(target_TD)}; "
                "row i must translate row i"
            )
        if self._k is not None and not 1 <= self._k <= n_rows:
            raise InputError(f"k is {self._k}; it must be 1 to {n_rows}, the number of rows")
        blocks = self._blocks(source_SD, target_TD)
        k = self._k or 1
        # At least two, which show ties.
        best_S, best_T = _best_of_both(blocks(), min(max(k, 2), n_rows))
        source = _Side(source_SD, target_TD, best_S, k)
        target = _Side(target_TD, source_SD, best_T, k)
        if self._k is None:
            return _evaluate(source.nearest()), _evaluate(target.nearest())
        hits_S, hits_T = _margin_hits(blocks(), source, target)
        return _evaluate(source.nearest(), hits_S), _evaluate(target.nearest(), hits_T)

    def _blocks(self, source_SD: Floats, target_TD: Floats) -> Callable[[], Iterator[Block]]:
        """Return a function that yields the cosines in blocks; a single block is computed once."""
        n_rows, step = len(source_SD), max(1, _BLOCK_ENTRIES // len(target_TD))
        if step >= n_rows:
            whole = (0, n_rows, self._product(source_SD, target_TD))
            return lambda: iter([whole])
        blocks = [(start, source_SD[start : start + step]) for start in range(0, n_rows, step)]
        return lambda: (
            (start, len(source_BD), self._product(source_BD, target_TD))
            for start, source_BD in blocks
        )

    def _product(self, source_BD: Floats, target_TD: Floats) -> Floats:
        """Return the cosines of a block, in the memory of the last one.

        NumPy's product takes half of PyTorch's time on an AMD EPYC: 6 and 12 ms for 1,004 x 1,004
        rows of 256 dimensions on one core.
        """
        n_rows = -(-len(source_BD) // PART) * PART
        if self._room.shape != (n_rows, len(target_TD)):
            self._room = np.empty((n_rows, len(target_TD)), dtype=np.float32)
        np.matmul(source_BD, target_TD.T, out=self._room[: len(source_BD)])
        self._room[len(source_BD) :] = -np.inf
        return self._room


@dataclass(frozen=True)
class _Side:
    """One side of a search, with the other side that it searches.

    Attributes:
        own: (N, D) unit vectors.
        other: (N, D) unit vectors of the other side.
        best: The highest cosines of each of its rows, at least k where there are as many.
        k: Neighbours in the margin score.
    """

    own: Floats
    other: Floats
    best: BestCosines
    k: int

    @cached_property
    def mean(self) -> Floats:
        """The (N,) mean cosines with the k nearest."""
        return np.asarray(self.best.cosine[:, : self.k].mean(axis=1))

    def nearest(self) -> NDArray[np.int64]:
        """Return the (N,) nearest rows of the other side, the first of equal ones."""
        cosine, nearest = self.best.cosine, self.best.index[:, 0].copy()
        if cosine.shape[1] > 1:
            for rows in _in_parts(cosine[:, 0] - cosine[:, 1] <= _NEAR):
                exact_RN = self.own[rows].astype(np.float64) @ self.other.T.astype(np.float64)
                highest_R = exact_RN.max(axis=1, keepdims=True)
                nearest[rows] = (exact_RN >= highest_R - _EQUAL).argmax(axis=1)
        return nearest


def _best_of_both(blocks: Iterator[Block], k: int) -> tuple[BestCosines, BestCosines]:
    """Return the k highest cosines of every source row, and those of every target row."""
    of_rows, of_columns = [], []
    for start, n_rows, cosine_BT in blocks:
        of_rows.append(best_of_rows(cosine_BT[:n_rows], k))
        best_T = best_of_columns(cosine_BT, min(k, n_rows))
        best_T.index += start
        of_columns.append(best_T)
    whole_T = reduce(lambda one, later: one.merge(later, k), of_columns)
    return BestCosines.concatenate(of_rows), whole_T


def _margin_hits(
    blocks: Iterator[Block], source: _Side, target: _Side
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the own row has the highest margin score: (S,) by source and (T,) by target.

    The score of the own row is compared with the highest of the others, both halved.
    """
    own_N, rest_S, rest_T = (np.full(len(source.own), -np.inf, np.float32) for _ in range(3))
    for start, n_rows, cosine_BT in blocks:
        for first in range(0, n_rows, _CACHED_ROWS):
            cosine = cosine_BT[first : min(first + _CACHED_ROWS, n_rows)]
            rows = np.arange(start + first, start + first + len(cosine))
            half = _half_margins(cosine, source.mean[rows], target.mean)
            own_N[rows] = half[rows - rows[0], rows]
            half[rows - rows[0], rows] = -np.inf
            rest_S[rows] = half.max(axis=1)
            np.maximum(rest_T, half.max(axis=0), out=rest_T)
    return _first_of_best(own_N, rest_S, source, target), _first_of_best(
        own_N, rest_T, target, source
    )


def _first_of_best(own_N: Floats, rest_N: Floats, queries: _Side, keys: _Side) -> NDArray[np.bool_]:
    """Return where the own score is above the rest, or as high and before all that are as high."""
    hits: NDArray[np.bool_] = own_N > rest_N
    for rows in _in_parts(np.abs(own_N - rest_N) <= _NEAR):
        half = _half_margins(queries.own[rows] @ keys.own.T, queries.mean[rows], keys.mean)
        own = half[np.arange(len(rows)), rows]
        hits[rows] = (half >= own[:, None] - _NEAR).argmax(axis=1) == rows
    return hits


def _half_margins(cosine_BN: Floats, own_mean_B: Floats, other_mean_N: Floats) -> Floats:
    """Return half of the margin scores, which have the same order; NaN where both means are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return cosine_BN / (own_mean_B[:, None] + other_mean_N)


def _in_parts(chosen_N: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the chosen rows in parts whose vectors fit into memory several times."""
    rows = np.flatnonzero(chosen_N)
    for start in range(0, len(rows), _ROWS_AGAIN):
        yield rows[start : start + _ROWS_AGAIN]


def _evaluate(
    nearest_N: NDArray[np.int64], margin_hits_N: NDArray[np.bool_] | None = None
) -> Retrieval:
    hit_N = (nearest_N == np.arange(len(nearest_N))).astype(np.float64)
    f1_N = 2 * hit_N / (1 + np.bincount(nearest_N, minlength=len(nearest_N)))
    margin_N = None if margin_hits_N is None else margin_hits_N.astype(np.float64)
    return Retrieval(accuracy=hit_N, f1=f1_N, hubness=hit_N - f1_N, margin_accuracy=margin_N)
