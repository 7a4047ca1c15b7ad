"""Permutation tests: all orders by brute force, p-values that are uniform without a difference, and exact seeds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import kstest, rankdata

from hexapla.report.bootstrap import Means, RankCorrelations
from hexapla.report.permutation import Swapped, draw_signs, p_of_seeds, p_value


def every_order(n_items: int) -> np.ndarray:
    return np.array(list(product((1.0, -1.0), repeat=n_items))).T


def test_swapped_means_are_those_of_swapped_items() -> None:
    values = np.random.default_rng(0).random((2, 8))
    signs = every_order(8)
    observed, permuted = Swapped(Means(np.arange(8), values), signs).gains([1], [0])
    assert observed == pytest.approx(values[1].mean() - values[0].mean())
    for column, gain in zip(signs.T, permuted, strict=True):
        one, other = np.where(column > 0, values[1], values[0]), np.where(column > 0, values[0], values[1])
        assert gain == pytest.approx(one.mean() - other.mean())


def test_swapped_correlations_are_those_of_swapped_standardised_ranks() -> None:
    draw = np.random.default_rng(1)
    values, gold = draw.random((2, 7)), draw.integers(0, 4, 7).astype(float)
    signs = every_order(7)
    observed, permuted = Swapped(RankCorrelations(np.arange(7), values, gold), signs).gains([1], [0])
    zero, one, target = ((rankdata(v) - rankdata(v).mean()) / rankdata(v).std() for v in (*values, gold))

    def gain(column: np.ndarray) -> float:
        first, second = np.where(column > 0, one, zero), np.where(column > 0, zero, one)
        return float(np.corrcoef(first, target)[0, 1] - np.corrcoef(second, target)[0, 1])

    assert observed == pytest.approx(gain(np.ones(7)))
    assert permuted == pytest.approx([gain(column) for column in signs.T])


def test_an_encoder_whose_cosines_lie_elsewhere_is_not_another_order() -> None:
    draw = np.random.default_rng(2)
    gold, cosine = draw.random(60), draw.random(60)
    values = np.stack([cosine, 0.9 + cosine / 100])
    statistic = RankCorrelations(np.arange(60), values, gold)
    observed, permuted = Swapped(statistic, draw_signs(500, 60, 0)).gains([1], [0])
    assert observed == pytest.approx(0)
    assert np.abs(permuted).max() < 1e-9


def test_p_is_uniform_where_runs_do_not_differ_and_small_where_they_do() -> None:
    draw = np.random.default_rng(3)
    p_null, p_real = [], []
    for number in range(200):
        signs = draw_signs(200, 40, number)
        for shift, found in ((0.0, p_null), (0.8, p_real)):
            values = draw.normal(size=(2, 40)) + np.array([[0.0], [shift]])
            found.append(p_value(*Swapped(Means(np.arange(40), values), signs).gains([1], [0])))
    assert kstest(p_null, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_null) < 0.05) < 0.1
    assert np.mean(np.array(p_real) < 0.05) > 0.85


def test_the_mean_of_the_seeds_is_what_is_swapped() -> None:
    values = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    observed, permuted = Swapped(Means(np.arange(2), values), every_order(2)).gains([1, 2], [0])
    assert observed == pytest.approx(0.5)
    assert sorted(permuted) == pytest.approx([-0.5, 0, 0, 0.5])


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),  # only all plus and all minus are as great
        ([1.0, 1.0, -1.0], 8 / 8),  # every sum of three ones is 1 or more
        ([0.3, 0.3], 2 / 4),
        ([0.1] * 5, 2 / 32),
    ],
)
def test_seeds_are_flipped_in_all_ways(gains: list[float], expected: float) -> None:
    assert p_of_seeds(gains) == pytest.approx(expected)


def test_many_seeds_are_flipped_in_drawn_ways() -> None:
    assert p_of_seeds([1.0] * 20) < 0.001
    assert p_of_seeds([1.0, -1.0] * 10) > 0.9
