"""Paired permutation tests: how often would runs that do not differ seem to differ as much?

Over test rows, an item's values are swapped between the two columns, in all languages at once, as the bootstrap draws
an item in all of them. Over seeds, the gain of each seed changes its sign. Both are two-sided, and a p-value counts the
observed order as one of the permutations (Phipson and Smyth 2010), so that it is never 0.

Shape suffixes: I items of one table, U items of the task, B permutations, K seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.stats import rankdata

from hexapla.report.bootstrap import FloatArray, Means, Statistic

_EXACT_SEEDS = 12  # up to which all 2^K signs are tried
_NEARLY = 1 - 1e-9  # equal gains must count as equal whatever the order of the additions was


def draw_signs(n_permutations: int, n_items: int, seed: int) -> FloatArray:
    """Return (U, B) signs: -1.0 where an item is swapped."""
    swapped = np.random.default_rng(seed).integers(2, size=(n_items, n_permutations), dtype=np.int8)
    return (1 - 2 * swapped).astype(np.float64)


class Swapped:
    """Gains under permutations of one score: the mean of a column's runs against that of the baseline's."""

    def __init__(self, statistic: Statistic, signs: FloatArray) -> None:
        """Keep the score and (U, B) the signs of its task's items."""
        self._statistic, self._signs_UB = statistic, signs

    def gains(self, column: Sequence[int], baseline: Sequence[int]) -> tuple[float, FloatArray]:
        """Return the observed gain and (B,) those of the permutations.

        The mean over the runs is swapped item by item. Of a rank correlation the cosines themselves are not, since two
        encoders' cosines lie in different ranges: they are ranked and standardised first, as Deutsch et al. (2021,
        arXiv 2104.00054) do with metrics, and correlated with the ranks of the gold values.

        Args:
            column: Numbers of the column's runs.
            baseline: Numbers of the baseline's runs.
        """
        if isinstance(self._statistic, Means):
            values = self._statistic.values
            difference_I = values[list(column)].mean(axis=0) - values[list(baseline)].mean(axis=0)
            # Spread over all items of the task: a copy of the signs for each of thousands of tables would be big.
            difference_U = np.bincount(self._statistic.items, difference_I, minlength=len(self._signs_UB))
            return float(difference_I.mean()), difference_U @ self._signs_UB / len(difference_I)
        gold_I = _standard(rankdata(self._statistic.gold))
        one_I, other_I = (
            np.mean([_standard(rankdata(self._statistic.values[run])) for run in runs], axis=0)
            for runs in (column, baseline)
        )
        middle_I, half_I = (one_I + other_I) / 2, (one_I - other_I) / 2
        found = [
            self._correlations(middle_I, sign * half_I, gold_I, signs_IB)
            for signs_IB in (np.ones((len(gold_I), 1)), self._signs_UB[self._statistic.items])
            for sign in (1, -1)
        ]
        return float((found[0] - found[1])[0]), found[2] - found[3]

    @staticmethod
    def _correlations(middle_I: FloatArray, half_I: FloatArray, gold_I: FloatArray, signs_IB: FloatArray) -> FloatArray:
        """Return (B,) the correlations of `middle + sign * half` with standardised gold values."""
        n = len(gold_I)
        covariance_B = middle_I @ gold_I + (half_I * gold_I) @ signs_IB
        sum_B = middle_I.sum() + half_I @ signs_IB
        squares_B = (middle_I**2 + half_I**2).sum() + 2 * (middle_I * half_I) @ signs_IB
        variance_B = squares_B / n - (sum_B / n) ** 2
        found: FloatArray = covariance_B / n / np.sqrt(np.maximum(variance_B, 1e-300))
        return found


def _standard(values_I: FloatArray) -> FloatArray:
    """Return values of mean 0 and standard deviation 1; 0 where all are equal, which correlate with nothing."""
    deviation = values_I.std()
    standard: FloatArray = (values_I - values_I.mean()) / deviation if deviation > 0 else np.zeros_like(values_I)
    return standard


def p_value(observed: float, permuted: FloatArray) -> float:
    """Return the two-sided p of an observed gain among (B,) permuted ones.

    >>> p_value(2.0, np.array([0.5, -2.0, 1.0]))
    0.5
    """
    as_great = np.count_nonzero(np.abs(permuted) >= abs(observed) * _NEARLY)
    return float((1 + as_great) / (1 + len(permuted)))


def p_of_seeds(gains: Sequence[float], *, seed: int = 0, n_permutations: int = 10_000) -> float:
    """Return the two-sided p of the mean of paired gains, one per seed; K seeds can give no less than 2 / 2^K.

    >>> p_of_seeds([1.0, 2.0, 3.0])
    0.25
    """
    gains_K = np.asarray(gains, dtype=np.float64)
    if len(gains_K) <= _EXACT_SEEDS:
        signs = np.array(list(product((1.0, -1.0), repeat=len(gains_K))))
        as_great = np.count_nonzero(np.abs(signs @ gains_K) >= abs(gains_K.sum()) * _NEARLY)
        return float(as_great / len(signs))
    signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(n_permutations, len(gains_K)))
    return p_value(float(gains_K.sum()), signs @ gains_K)
