"""Per-item statistics of several runs -> their scores on bootstrap resamples of the items.

The decision worth knowing: a resample draws items of the *task*, and each draw of an item counts in
every language and every run. Runs are therefore compared on equal items (paired), and languages
that share sentences vary together instead of passing for independent evidence. Languages are not
resampled: a result holds for the languages that the table names. The interval is the percentile
bootstrap of Efron and Tibshirani (1993, chapter 13).

Shape suffixes: R runs, I items of one table, G groups of equal values among them, U items of the
task, B resamples, S statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Resamples are drawn in blocks. With 32 in a block, the counts of a 1000-item table fit into a
# core's cache, which is twice as fast as blocks of 128. Tasks with many items have smaller blocks,
# of at most 32 MiB.
_RESAMPLES_PER_BLOCK = 32
_MAX_COUNTS_PER_BLOCK = 4_000_000


def number_items(names: Iterable[str], universe: dict[str, int]) -> IntArray:
    """Return the number of each name in `universe`, after adding the new names to it.

    >>> universe = {"a": 0}
    >>> number_items(["b", "a"], universe).tolist(), universe
    ([1, 0], {'a': 0, 'b': 1})
    """
    return np.array([universe.setdefault(name, len(universe)) for name in names], dtype=np.int64)


class Means:
    """A metric that is the mean of its items' values."""

    def __init__(self, items: IntArray, values: FloatArray) -> None:
        """Store the measurements.

        Args:
            items: (I,) number of each row's item in the task.
            values: (R, I) each run's value for the item.
        """
        self.items = items
        self.values = np.ascontiguousarray(values, dtype=np.float64)

    def weighted(self, counts: FloatArray) -> FloatArray:
        """Return the (R, B) means with row i counted `counts[i, b]` times; NaN if never.

        >>> statistic = Means(np.arange(3), np.array([[1.0, 0.0, 0.0]]))
        >>> statistic.weighted(np.array([[3.0], [1.0], [0.0]]))
        array([[0.75]])
        """
        # A product for each run, because one matrix product for all may round equal rows
        # differently, and two identical runs must differ by exactly 0.
        sums_RB = np.stack([values_I @ counts for values_I in self.values])
        with np.errstate(invalid="ignore"):
            means_RB: FloatArray = sums_RB / counts.sum(axis=0)
        return means_RB


class RankCorrelations:
    """A metric that is Spearman's correlation of a run's values with gold values.

    Tied values share their mean rank. Values are sorted once: in a resample, the mean rank of tied
    values follows from the number of draws below them and the number of draws up to them. For 30
    languages of 1379 pairs, six runs and 1000 resamples this takes 1.7 s on one core; ranking every
    resample takes 19 s.
    """

    def __init__(self, items: IntArray, values: FloatArray, gold: FloatArray) -> None:
        """Store the measurements, sorted.

        Args:
            items: (I,) number of each row's item in the task.
            values: (R, I) each run's value for the item.
            gold: (I,) gold value of the item.
        """
        self.items = items
        self._runs = [_Sorted(values_I) for values_I in values]
        self._gold = _Sorted(gold)

    def weighted(self, counts: FloatArray) -> FloatArray:
        """Return the (R, B) correlations with row i counted `counts[i, b]` times.

        If all values of a run are equal, its correlation is 0, as in the score itself. If all gold
        values are equal, or all counts are 0, no correlation is defined, and it is NaN.

        >>> cosines, gold = np.array([[0.1, 0.5, 0.2]]), np.array([1.0, 2.0, 3.0])
        >>> statistic = RankCorrelations(np.arange(3), cosines, gold)
        >>> statistic.weighted(np.array([[1.0], [1.0], [1.0]]))
        array([[0.5]])
        """
        counts_GB = self._gold.totals(counts)
        ranks_GB = _centred_ranks(counts_GB)
        gold_B = np.einsum("gb,gb->b", counts_GB * ranks_GB, ranks_GB)
        gold_IB = counts * ranks_GB[self._gold.group]
        correlations = []
        for run in self._runs:
            counts_GB = run.totals(counts)
            ranks_GB = _centred_ranks(counts_GB)
            together_B = np.einsum("gb,gb->b", run.totals(gold_IB), ranks_GB)
            counts_GB *= ranks_GB
            run_B = np.einsum("gb,gb->b", counts_GB, ranks_GB)
            with np.errstate(invalid="ignore"):
                correlations.append(together_B / np.sqrt(np.where(run_B > 0, run_B, 1.0) * gold_B))
        return np.stack(correlations)

    @cached_property
    def standard_ranks(self) -> tuple[FloatArray, FloatArray]:
        """The (R, I) ranks of the runs' values and the (I,) ranks of the gold values, standardised.

        Each row has mean 0 and sum of squares 1, so that dot products are correlations. If all
        values are equal, all ranks are 0.
        """
        return np.stack([run.standard_ranks() for run in self._runs]), self._gold.standard_ranks()


class _Sorted:
    """Values sorted into groups of equal ones; `group` is the (I,) group of each value."""

    def __init__(self, values: FloatArray) -> None:
        self._order = np.argsort(values, kind="stable")
        _, self.group, sizes = np.unique(values, return_inverse=True, return_counts=True)
        self._starts = np.cumsum(sizes) - sizes

    def totals(self, weights_IB: FloatArray) -> FloatArray:
        """Return the (G, B) sums of the weights of equal values, smallest value first."""
        ordered_IB = weights_IB[self._order]
        # No two values are equal, as is usual for cosines.
        if len(self._starts) == len(self._order):
            return ordered_IB
        sums_GB: FloatArray = np.add.reduceat(ordered_IB, self._starts, axis=0)
        return sums_GB

    def standard_ranks(self) -> FloatArray:
        """Return the (I,) mean ranks, centred and of length 1; zeros if all values are equal."""
        ranks_I = _centred_ranks(self.totals(np.ones((len(self._order), 1))))[self.group, 0]
        length = np.linalg.norm(ranks_I)
        standard: FloatArray = ranks_I / length if length > 0 else ranks_I
        return standard


def _centred_ranks(counts_GB: FloatArray) -> FloatArray:
    """Return twice the (G, B) mean ranks minus their mean, which have the ranks' correlations.

    With `below` draws of smaller values and `upto` draws of smaller or equal ones, equal values
    share the ranks below + 1 .. upto, whose mean is (below + upto + 1) / 2; the mean of all N ranks
    is (N + 1) / 2.
    """
    upto_GB = np.cumsum(counts_GB, axis=0)
    ranks_GB: FloatArray = 2 * upto_GB
    ranks_GB -= counts_GB
    ranks_GB -= upto_GB[-1]
    return ranks_GB


Statistic = Means | RankCorrelations


def observed_values(statistic: Statistic) -> FloatArray:
    """Return the (R,) values on the original items, each counted once."""
    return statistic.weighted(np.ones((len(statistic.items), 1)))[:, 0]


def resample(
    statistics: Sequence[Statistic], n_items: int, *, n_resamples: int = 1000, seed: int = 0
) -> Iterator[FloatArray]:
    """Draw resamples of a task's items with replacement, and compute every statistic on each.

    Args:
        statistics: The statistics of one task; their `items` are below `n_items`.
        n_items: Number of items of the task, over all its languages; also the size of a resample.
        n_resamples: Number of resamples.
        seed: Seed of the draws. The result does not depend on the size of the blocks.

    Yields:
        (S, R, B) blocks of estimates; B adds up to `n_resamples`. A statistic is NaN in a resample
        that has none of its items or only equal gold values. It is then NaN for all runs, which
        stay paired.
    """
    generator = np.random.default_rng(seed)
    per_block = max(1, min(_RESAMPLES_PER_BLOCK, _MAX_COUNTS_PER_BLOCK // n_items))
    for start in range(0, n_resamples, per_block):
        counts_UB = _draw(generator, n_items, min(per_block, n_resamples - start))
        yield np.stack([statistic.weighted(counts_UB[statistic.items]) for statistic in statistics])


def _draw(generator: np.random.Generator, n_items: int, n_resamples: int) -> FloatArray:
    """Return the (U, B) number of times that each item was drawn."""
    drawn_BU = generator.integers(n_items, size=(n_resamples, n_items))
    drawn_BU *= n_resamples
    drawn_BU += np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn_BU.ravel(), minlength=n_items * n_resamples)
    return counts.reshape(n_items, n_resamples).astype(np.float64)


def interval(gains: FloatArray) -> tuple[float, float] | None:
    """Return the 2.5th and 97.5th percentiles of (B,) resampled gains, leaving out NaNs.

    None if all are NaN.

    >>> interval(np.linspace(0.0, 1.0, 101))
    (0.025, 0.975)
    """
    gains = gains[~np.isnan(gains)]
    if len(gains) == 0:
        return None
    low, high = np.percentile(gains, (2.5, 97.5))
    return float(low), float(high)


def interval_over_seeds(gains: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of paired gains by Student's t; None for one gain.

    >>> low, high = interval_over_seeds([0.1, 0.2, 0.3])
    >>> round(low, 3), round(high, 3)
    (-0.048, 0.448)
    """
    if len(gains) < 2:
        return None
    from scipy.stats import t

    quantile = float(t.ppf(0.975, len(gains) - 1))
    half = quantile * float(np.std(gains, ddof=1)) / len(gains) ** 0.5
    mean = float(np.mean(gains))
    return mean - half, mean + half
