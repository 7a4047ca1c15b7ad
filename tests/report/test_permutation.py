"""Permutation tests: equality with a plain loop that swaps, and a uniform p where there is no gain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import kstest, rankdata

from hexapla.evaluation.score_groups import average
from hexapla.report import permutation
from hexapla.report.bootstrap import (
    FloatArray,
    Means,
    RankCorrelations,
    Statistic,
    observed_values,
)
from hexapla.report.permutation import p_over_seeds, permutation_p, permute, swapped_gains

ALL_SIGNS = np.array(list(itertools.product((1.0, -1.0), repeat=8))).T  # (8, 256)


def all_permutations(
    statistics: list[Statistic], n_items: int, n_permutations: int, seed: int = 0
) -> FloatArray:
    """Return (S, P) gains of the second run over the first."""
    blocks = permute(statistics, [[0], [1]], n_items, n_permutations=n_permutations, seed=seed)
    return np.concatenate(list(blocks), axis=-1)[:, 1]


def p_value(statistic: Statistic, n_permutations: int = 199, seed: int = 0) -> float:
    values = observed_values(statistic)
    (permuted,) = all_permutations([statistic], len(statistic.items), n_permutations, seed)
    p = permutation_p(float(values[1] - values[0]), permuted)
    assert p is not None
    return p


def test_the_average_gain_of_every_swap_of_eight_items_equals_a_loop_that_swaps() -> None:
    draw = np.random.default_rng(0)
    some = np.array([5, 0, 2])  # a second language has three of the items, in another order
    values, of_some = draw.random((2, 8)), draw.random((2, 3))
    statistics = [Means(np.arange(8), values), Means(some, of_some)]
    gains = [
        swapped_gains(statistic, [[0], [1]], ALL_SIGNS[statistic.items])[1]
        for statistic in statistics
    ]
    found = average(np.stack(gains), ["deu_Latn", "fra_Latn"])
    for number, signs in enumerate(ALL_SIGNS.T):
        by_language = []
        for items, of_runs in ((range(8), values), (some, of_some)):
            pairs = zip(items, of_runs.T, strict=True)
            ours = [pair if signs[item] > 0 else pair[::-1] for item, pair in pairs]
            by_language.append(
                np.mean([pair[1] for pair in ours]) - np.mean([pair[0] for pair in ours])
            )
        assert found[number] == pytest.approx(np.mean(by_language))


def test_a_sampled_p_comes_near_the_exact_one() -> None:
    values = np.array(
        [[0.1, 0.5, 0.3, 0.2, 0.9, 0.4, 0.6, 0.3], [0.6, 0.4, 0.7, 0.5, 0.8, 0.9, 0.7, 0.6]]
    )
    statistic = Means(np.arange(8), values)
    every = swapped_gains(statistic, [[0], [1]], ALL_SIGNS)[1]
    exact = np.mean(np.abs(every) >= np.abs(every[0]) - 1e-12)
    assert 0.01 < exact < 0.2
    # The standard error of the sampled p is below 0.002.
    assert p_value(statistic, 20_000) == pytest.approx(exact, abs=0.005)


def loop_over_ranks(x: FloatArray, y: FloatArray, gold: FloatArray, signs: FloatArray) -> float:
    """Return the gain of x over y after swapping their standardised ranks where the sign is -1."""

    def standard(values: FloatArray) -> FloatArray:
        ranks = rankdata(values)
        return np.asarray((ranks - ranks.mean()) / ranks.std())

    x, y = standard(x), standard(y)
    new_x, new_y = np.where(signs > 0, x, y), np.where(signs > 0, y, x)
    correlations = [np.corrcoef(ranks, rankdata(gold))[0, 1] for ranks in (new_x, new_y)]
    return float(correlations[0] - correlations[1])


def test_swapped_rank_correlations_equal_a_loop_from_the_definition() -> None:
    draw = np.random.default_rng(1)
    gold = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0])
    cosines = np.stack([draw.random(8), 100 * draw.random(8).round(1)])  # other scales, and ties
    statistic = RankCorrelations(np.arange(8), cosines, gold)
    found = swapped_gains(statistic, [[0], [1]], ALL_SIGNS)
    assert found[0] == pytest.approx(np.zeros(256))
    for number, signs in enumerate(ALL_SIGNS.T):
        assert found[1, number] == pytest.approx(
            loop_over_ranks(cosines[1], cosines[0], gold, signs)
        )
    values = observed_values(statistic)
    assert found[1, 0] == pytest.approx(values[1] - values[0])  # nothing swapped


@pytest.mark.parametrize("columns", [[[0, 1], [2, 3]], [[0], [1, 2, 3]]])
def test_columns_of_several_seeds_are_swapped_run_by_run(columns: list[list[int]]) -> None:
    draw = np.random.default_rng(2)
    gold, cosines, hits = draw.random(8), draw.random((4, 8)), draw.random((4, 8))
    ranked = swapped_gains(RankCorrelations(np.arange(8), cosines, gold), columns, ALL_SIGNS)[1]
    means = swapped_gains(Means(np.arange(8), hits), columns, ALL_SIGNS)[1]
    baseline, other = columns
    pairs = list(
        zip(other, baseline, strict=True)
        if len(other) == len(baseline)
        else itertools.product(other, [0])
    )
    for number, signs in enumerate(ALL_SIGNS.T):
        expected = np.mean([loop_over_ranks(cosines[x], cosines[y], gold, signs) for x, y in pairs])
        assert ranked[number] == pytest.approx(expected)
        difference = hits[other].mean(axis=0) - hits[baseline].mean(axis=0)
        assert means[number] == pytest.approx((signs * difference).mean())


def test_items_that_languages_share_are_swapped_together() -> None:
    values = np.stack([np.zeros(50), np.random.default_rng(0).normal(size=50)])
    one, same, reversed_ = all_permutations(
        [
            Means(items, values[:, items])
            for items in (np.arange(50), np.arange(50), np.arange(50)[::-1])
        ],
        50,
        100,
    )
    assert np.array_equal(one, same) and reversed_ == pytest.approx(one)


def test_the_size_of_the_blocks_changes_nothing_and_the_seed_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statistic = Means(np.arange(50), np.random.default_rng(0).random((2, 50)))
    whole = all_permutations([statistic], 50, 70)
    assert whole.shape == (1, 70) and not np.array_equal(
        whole, all_permutations([statistic], 50, 70, seed=1)
    )
    monkeypatch.setattr(permutation, "_MAX_SIGNS_PER_BLOCK", 150)  # three to a block
    assert all_permutations([statistic], 50, 70) == pytest.approx(whole, abs=1e-15)


@pytest.mark.parametrize("kind", ["means", "languages", "ranks"])
def test_where_there_is_no_gain_p_is_uniform(kind: str) -> None:
    draw = np.random.default_rng(5)
    found = []
    for sample in range(300):
        if kind == "means":
            hard = draw.random(60)
            found.append(
                p_value(Means(np.arange(60), (draw.random((2, 60)) + hard) / 2), seed=sample)
            )
        elif kind == "ranks":
            gold = draw.random(60)
            noisy = gold + draw.normal(size=(2, 60)) * 0.3
            cosines = np.stack([noisy[0], np.exp(3 * noisy[1])])  # as good, on another scale
            found.append(p_value(RankCorrelations(np.arange(60), cosines, gold), seed=sample))
        else:
            # Three languages of the same sentences, each about as hard in all of them.
            shared = draw.normal(size=(2, 60))
            statistics: list[Statistic] = [
                Means(np.arange(60), shared + 0.3 * draw.normal(size=(2, 60))) for _ in range(3)
            ]
            values = np.mean([observed_values(statistic) for statistic in statistics], axis=0)
            permuted = all_permutations(statistics, 60, 199, sample).mean(axis=0)
            found.append(permutation_p(float(values[1] - values[0]), permuted) or 0.0)
    assert kstest(found, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.085  # 0.05 with a standard error of 0.013


def test_a_real_gain_has_a_small_p_and_none_has_1() -> None:
    draw = np.random.default_rng(0)
    gold = draw.random(300)
    better = RankCorrelations(
        np.arange(300), gold + np.array([[1.0], [0.3]]) * draw.normal(size=(2, 300)), gold
    )
    assert p_value(better) == 1 / 200
    assert (
        p_value(Means(np.arange(300), (draw.random((2, 300)) < [[0.5], [0.7]]).astype(float)))
        == 1 / 200
    )
    same = np.tile(draw.random(300), (2, 1))
    assert (
        p_value(Means(np.arange(300), same))
        == p_value(RankCorrelations(np.arange(300), same, gold))
        == 1.0
    )


def test_a_run_that_ranks_nothing_correlates_0_when_swapped_with_itself() -> None:
    constant = RankCorrelations(np.arange(8), np.full((2, 8), 0.5), np.arange(8.0))
    assert np.array_equal(swapped_gains(constant, [[0], [1]], ALL_SIGNS), np.zeros((2, 256)))


def test_an_undefined_gain_has_no_p() -> None:
    assert (
        permutation_p(float("nan"), np.array([0.1])) is None
        and permutation_p(0.1, np.array([0.1, np.nan])) is None
    )


def test_p_over_seeds_by_hand() -> None:
    # With any signs, 0.1, 0.2 and 0.3 sum to 0.6, 0.4, 0.2, 0 and 0 or their negatives.
    assert p_over_seeds([0.1, 0.2, 0.3]) == 2 / 8
    assert p_over_seeds([-0.1, 0.2, 0.3]) == 4 / 8
    assert p_over_seeds([0.1, -0.2, 0.3]) == 6 / 8
    assert p_over_seeds([0.1, 0.2, -0.3]) == 1.0
    assert p_over_seeds([0.1, 0.1]) == 2 / 4
    assert p_over_seeds([0.1]) is None and p_over_seeds([]) is None


def test_many_seeds_are_sampled() -> None:
    assert p_over_seeds([0.1] * 12) == 2 / 4096
    sampled = p_over_seeds([0.1] * 13)
    assert sampled is not None and 1 / 4097 <= sampled < 5 / 4097
    assert p_over_seeds([0.1, -0.1] * 7) == 1.0
