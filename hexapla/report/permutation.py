"""Per-item statistics and gains by seed -> how often chance alone would give so large a gain: paired permutation tests.

Over items: were an encoder no better than the baseline, then which of the two gave which value for
an item would be chance, and swapping the two would change nothing. An item is swapped in all
languages and for all seeds together, since these share its sentence. For means the swapped gain is
linear in the signs. Cosines of two encoders lie on different scales and cannot be swapped; their
standardised ranks can (standardise, then permute: Deutsch, Dror and Roth 2021, arXiv 2104.00054),
and the correlation is Pearson's of those with the ranks of the gold values.

Over seeds: the gains of paired seeds change their signs. With S seeds no p is below 2 / 2^S.

A sampled p is (1 + those as large) / (1 + all) and so never 0 (Phipson and Smyth 2010).

Shape suffixes: R runs, C columns of the table, I items of one table, U items of the task, P
permutations, S seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from hexapla.report.bootstrap import FloatArray, Means, RankCorrelations, Statistic

_MOST_ENUMERATED = 12  # seeds; of more, as many flips are drawn as 12 have
_PERMUTATIONS_PER_BLOCK = 32
_SIGNS_PER_BLOCK = 4_000_000
_ROUNDING = 1e-12  # by which sums of the same gains in another order differ


def permute(
    statistics: Sequence[Statistic],
    columns: Sequence[Sequence[int]],
    n_items: int,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> Iterator[FloatArray]:
    """Swap the values of the baseline and of each other column for a random half of the items, and again.

    Args:
        statistics: Of one task; their `items` are below `n_items`.
        columns: C lists of runs; a column's value is the mean over its runs. The baseline is first.
        n_items: How many items the task has, over all its languages.
        n_permutations: How many draws.
        seed: Of the draws. The result does not depend on the size of the blocks.

    Yields:
        (statistics, C, P) blocks of gains over the baseline, P adding up to `n_permutations`.
    """
    generator = np.random.default_rng(seed)
    per_block = max(1, min(_PERMUTATIONS_PER_BLOCK, _SIGNS_PER_BLOCK // n_items))
    for start in range(0, n_permutations, per_block):
        n_drawn = min(per_block, n_permutations - start)
        signs_UP = generator.choice([-1.0, 1.0], size=(n_drawn, n_items)).T
        yield np.stack(
            [swapped(statistic, columns, signs_UP[statistic.items]) for statistic in statistics]
        )


def swapped(
    statistic: Statistic, columns: Sequence[Sequence[int]], signs_IP: FloatArray
) -> FloatArray:
    """Return the (C, P) gains over the first column where items of sign -1 have their values swapped.

    Two columns of as many runs are swapped run by run in their order; else each run with each.

    >>> statistic = Means(np.arange(2), np.array([[0.0, 0.0], [1.0, 0.5]]))
    >>> swapped(statistic, [[0], [1]], np.array([[1.0, -1.0], [1.0, 1.0]]))
    array([[ 0.  ,  0.  ],
           [ 0.75, -0.25]])
    """
    if isinstance(statistic, Means):
        means_CI = np.stack([statistic.values[list(runs)].mean(axis=0) for runs in columns])
        gains: FloatArray = (means_CI - means_CI[0]) @ signs_IP / len(signs_IP)
        return gains
    return _swapped_ranks(statistic, columns, signs_IP)


def _swapped_ranks(
    statistic: RankCorrelations, columns: Sequence[Sequence[int]], signs_IP: FloatArray
) -> FloatArray:
    """Correlate swapped ranks with the gold's.

    With run r's and the baseline's standardised ranks x and y (mean 0, sum of squares 1) and signs
    s, the swapped ranks are (x + y) / 2 + s (x - y) / 2 and (x + y) / 2 - s (x - y) / 2. Their
    sums, squares and products with the gold values follow from those of s x, s x^2 and s x g, which
    are computed once per run.
    """
    ranks_RI, gold_I = statistic.standard_ranks
    n_items = len(gold_I)
    sums_RP, squares_RP, products_RP = (
        ranks_RI @ signs_IP,
        ranks_RI**2 @ signs_IP,
        (ranks_RI * gold_I) @ signs_IP,
    )
    norms_R, gold_R = (ranks_RI**2).sum(axis=1), ranks_RI @ gold_I
    gains = np.zeros((len(columns), signs_IP.shape[1]))
    for number, runs in enumerate(columns[1:], start=1):
        paired = len(runs) == len(columns[0])
        pairs = list(
            zip(runs, columns[0], strict=True) if paired else itertools.product(runs, columns[0])
        )
        for x, y in pairs:
            both, swings = gold_R[x] + gold_R[y], products_RP[x] - products_RP[y]
            square = (norms_R[x] + norms_R[y]) / 2 - ((sums_RP[x] - sums_RP[y]) / 2) ** 2 / n_items
            swing = (squares_RP[x] - squares_RP[y]) / 2
            for sign in (1, -1):
                variance_P = np.maximum(square + sign * swing, 0.0)
                covariance_P = (both + sign * swings) / 2
                with np.errstate(divide="ignore", invalid="ignore"):
                    correlation_P = np.where(
                        variance_P > _ROUNDING, covariance_P / np.sqrt(variance_P), 0.0
                    )
                gains[number] += sign * correlation_P / len(pairs)
    return gains


def p_of(gain: float, permuted: FloatArray) -> float | None:
    """Return the two-sided p of a gain among (P,) permuted ones; None where it is not defined.

    >>> p_of(0.5, np.array([0.1, -0.5, 0.2]))
    0.5
    """
    if np.isnan(gain) or np.isnan(permuted).any():
        return None
    return float((1 + _as_large(permuted, gain)) / (1 + len(permuted)))


def p_over_seeds(gains: Sequence[float]) -> float | None:
    """Return the two-sided p of a mean gain over S paired seeds, by flipping their signs; None for fewer than two.

    Up to 12 seeds every way of flipping them is counted.

    >>> p_over_seeds([0.1, 0.2, 0.3])
    0.25
    """
    gains_S = np.array(gains)
    n_seeds = len(gains_S)
    if n_seeds < 2:
        return None
    if n_seeds <= _MOST_ENUMERATED:
        signs_PS = np.array(list(itertools.product((1.0, -1.0), repeat=n_seeds)))
        return float(_as_large(signs_PS @ gains_S / n_seeds, gains_S.mean()) / len(signs_PS))
    signs_PS = np.random.default_rng(0).choice([-1.0, 1.0], size=(2**_MOST_ENUMERATED, n_seeds))
    return p_of(float(gains_S.mean()), signs_PS @ gains_S / n_seeds)


def _as_large(permuted: FloatArray, gain: float) -> int:
    return int((np.abs(permuted) >= abs(gain) - _ROUNDING).sum())
