"""Per-item statistics, or gains by seed -> paired permutation tests: could the gain be chance?

Over items: if an encoder is no better than the baseline, it is chance which of the two gave which
value for an item, and swapping the two values changes nothing. An item is swapped in all languages
and for all seeds at once, since they share its sentence. For means the swapped gain is linear in
the signs. Cosines of two encoders are on different scales and cannot be swapped, but their
standardised ranks can (standardise, then permute: Deutsch, Dror and Roth 2021, arXiv 2104.00054).
The correlation is then Pearson's between these and the ranks of the gold values.

Over seeds: the gains of paired seeds change their signs. With S seeds no p is below 2 / 2^S.

A sampled p is (1 + permutations with as large a gain) / (1 + permutations), which is never 0
(Phipson and Smyth 2010).

Shape suffixes: R runs, C columns of the table, I items of one table, U items of the task, P
permutations, S seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from hexapla.report.bootstrap import FloatArray, Means, RankCorrelations, Statistic

# Up to this number of seeds all sign flips are enumerated; for more, 2^12 of them are sampled.
_MAX_ENUMERATED_SEEDS = 12
_PERMUTATIONS_PER_BLOCK = 32
_MAX_SIGNS_PER_BLOCK = 4_000_000
# Sums of the same gains in another order differ by less than this.
_ROUNDING = 1e-12


def permute(
    statistics: Sequence[Statistic],
    columns: Sequence[Sequence[int]],
    n_items: int,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> Iterator[FloatArray]:
    """Swap the baseline's values with each other column's, for random halves of the items.

    Args:
        statistics: The statistics of one task; their `items` are below `n_items`.
        columns: C lists of runs; a column's value is the mean over its runs. The baseline is first.
        n_items: Number of items of the task, over all its languages.
        n_permutations: Number of permutations.
        seed: Seed of the draws. The result does not depend on the size of the blocks.

    Yields:
        (statistics, C, P) blocks of gains over the baseline; P adds up to `n_permutations`.
    """
    generator = np.random.default_rng(seed)
    per_block = max(1, min(_PERMUTATIONS_PER_BLOCK, _MAX_SIGNS_PER_BLOCK // n_items))
    for start in range(0, n_permutations, per_block):
        n_drawn = min(per_block, n_permutations - start)
        signs_UP = generator.choice([-1.0, 1.0], size=(n_drawn, n_items)).T
        yield np.stack(
            [
                swapped_gains(statistic, columns, signs_UP[statistic.items])
                for statistic in statistics
            ]
        )


def swapped_gains(
    statistic: Statistic, columns: Sequence[Sequence[int]], signs_IP: FloatArray
) -> FloatArray:
    """Return the (C, P) gains over the first column when the items of sign -1 are swapped.

    Two columns with the same number of runs are swapped run by run, in their order; otherwise every
    run of one is swapped with every run of the other.

    >>> statistic = Means(np.arange(2), np.array([[0.0, 0.0], [1.0, 0.5]]))
    >>> swapped_gains(statistic, [[0], [1]], np.array([[1.0, -1.0], [1.0, 1.0]]))
    array([[ 0.  ,  0.  ],
           [ 0.75, -0.25]])
    """
    if isinstance(statistic, Means):
        means_CI = np.stack([statistic.values[list(runs)].mean(axis=0) for runs in columns])
        gains: FloatArray = (means_CI - means_CI[0]) @ signs_IP / len(signs_IP)
        return gains
    return _swapped_rank_gains(statistic, columns, signs_IP)


def _swapped_rank_gains(
    statistic: RankCorrelations, columns: Sequence[Sequence[int]], signs_IP: FloatArray
) -> FloatArray:
    """Return the (C, P) gains when standardised ranks are swapped.

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


def permutation_p(gain: float, permuted: FloatArray) -> float | None:
    """Return the two-sided p of a gain among (P,) permuted ones; None if any of them is NaN.

    >>> permutation_p(0.5, np.array([0.1, -0.5, 0.2]))
    0.5
    """
    if np.isnan(gain) or np.isnan(permuted).any():
        return None
    return float((1 + _count_as_large(permuted, gain)) / (1 + len(permuted)))


def p_over_seeds(gains: Sequence[float]) -> float | None:
    """Return the two-sided p of the mean gain over paired seeds; None for fewer than two seeds.

    For up to 12 seeds all sign flips are enumerated.

    >>> p_over_seeds([0.1, 0.2, 0.3])
    0.25
    """
    gains_S = np.array(gains)
    n_seeds = len(gains_S)
    if n_seeds < 2:
        return None
    if n_seeds <= _MAX_ENUMERATED_SEEDS:
        signs_PS = np.array(list(itertools.product((1.0, -1.0), repeat=n_seeds)))
        return float(_count_as_large(signs_PS @ gains_S / n_seeds, gains_S.mean()) / len(signs_PS))
    signs_PS = np.random.default_rng(0).choice(
        [-1.0, 1.0], size=(2**_MAX_ENUMERATED_SEEDS, n_seeds)
    )
    return permutation_p(float(gains_S.mean()), signs_PS @ gains_S / n_seeds)


def _count_as_large(permuted: FloatArray, gain: float) -> int:
    return int((np.abs(permuted) >= abs(gain) - _ROUNDING).sum())
