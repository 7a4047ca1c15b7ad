"""The bootstrap: equality with a plain loop, pairing, items shared by languages, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from hexapla.evaluation.score_groups import average
from hexapla.report import bootstrap
from hexapla.report.bootstrap import (
    FloatArray,
    Means,
    RankCorrelations,
    Statistic,
    interval,
    number_items,
    observed_values,
    resample,
)


def all_resamples(
    statistics: list[Statistic], n_items: int, n_resamples: int = 300, seed: int = 0
) -> FloatArray:
    return np.concatenate(
        list(resample(statistics, n_items, n_resamples=n_resamples, seed=seed)), axis=-1
    )


def width(gains: FloatArray) -> float:
    bounds = interval(gains)
    assert bounds is not None
    return bounds[1] - bounds[0]


def test_a_mean_worked_by_hand() -> None:
    # Item 0 drawn twice, item 1 not, item 2 once: (1 + 1 + 0.25) / 3 and (0 + 0 + 1) / 3.
    statistic = Means(np.arange(3), np.array([[1.0, 0.5, 0.25], [0.0, 1.0, 1.0]]))
    assert statistic.weighted(np.array([[2.0], [0.0], [1.0]])) == pytest.approx(
        np.array([[0.75], [1 / 3]])
    )
    assert observed_values(statistic) == pytest.approx(np.array([1.75 / 3, 2 / 3]))


def test_a_rank_correlation_worked_by_hand() -> None:
    # Cosines 0.1, 0.2, 0.2, 0.9 have ranks 1, 2.5, 2.5, 4; gold 1, 2, 3, 4 has ranks 1, 2, 3, 4.
    # Both have mean 2.5:
    # (2.25 + 0 + 0 + 2.25) / sqrt((2.25 + 2.25) * (2.25 + 0.25 + 0.25 + 2.25)) = 4.5 / sqrt(22.5).
    statistic = RankCorrelations(
        np.arange(4), np.array([[0.1, 0.2, 0.2, 0.9]]), np.array([1.0, 2.0, 3.0, 4.0])
    )
    assert observed_values(statistic) == pytest.approx(np.array([4.5 / 22.5**0.5]))


def test_resamples_equal_a_loop_that_draws_items_and_computes_on_copies() -> None:
    draw = np.random.default_rng(3)
    n_items, n_resamples = 40, 20
    gold = np.round(draw.random(n_items) * 5)  # six values: many ties
    cosine = np.stack(
        [np.round(gold / 5 + draw.normal(size=n_items), 1), draw.normal(size=n_items)]
    )
    hits = draw.random((2, 25)).round(1)
    some = draw.permutation(n_items)[:25]
    found = all_resamples(
        [RankCorrelations(np.arange(n_items), cosine, gold), Means(some, hits)],
        n_items,
        n_resamples,
        seed=7,
    )
    draws = np.random.default_rng(7).integers(n_items, size=(n_resamples, n_items))
    for number, items in enumerate(draws):
        kept = [place for item in items for place in np.flatnonzero(some == item)]
        for run in range(2):
            assert found[0, run, number] == pytest.approx(
                spearmanr(cosine[run, items], gold[items]).statistic
            )
            assert found[1, run, number] == pytest.approx(hits[run, kept].mean())


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    statistic = Means(np.arange(50), np.random.default_rng(0).random((2, 50)))
    whole = all_resamples([statistic], 50, n_resamples=70)
    monkeypatch.setattr(bootstrap, "_MAX_COUNTS_PER_BLOCK", 150)  # three resamples to a block
    assert all_resamples([statistic], 50, n_resamples=70) == pytest.approx(whole, abs=1e-15)
    assert whole.shape == (1, 2, 70)


def test_the_seed_decides_the_draws() -> None:
    statistic = Means(np.arange(50), np.random.default_rng(0).random((2, 50)))
    assert np.array_equal(
        all_resamples([statistic], 50, seed=1), all_resamples([statistic], 50, seed=1)
    )
    assert not np.array_equal(
        all_resamples([statistic], 50, seed=1), all_resamples([statistic], 50, seed=2)
    )


@pytest.mark.parametrize("n_items", [7, 203, 1000])
def test_identical_runs_differ_by_exactly_0(n_items: int) -> None:
    draw = np.random.default_rng(n_items)
    # Values of MTEB's F1: thirds and sevenths, which binary fractions round.
    values = np.tile(2 / (1 + draw.integers(1, 9, n_items)), (7, 1))
    gold = np.arange(n_items) % 5 / 3
    items = np.arange(n_items)
    estimates = all_resamples(
        [Means(items, values), RankCorrelations(items, values, gold)], n_items
    )
    averages = average(estimates, ["deu_Latn", "fra_Latn"])
    assert [interval(gains) for gains in averages - averages[0]] == [(0.0, 0.0)] * 7


def test_the_interval_of_a_gain_is_that_of_paired_items_and_not_of_two_samples() -> None:
    draw = np.random.default_rng(0)
    hard = draw.random(500)
    # The same items are hard for both runs.
    values = np.stack([hard, np.clip(hard + 0.02 * draw.random(500), 0, 1)])
    averages = all_resamples([Means(np.arange(500), values)], 500)[0]
    unpaired = averages[1, 150:] - averages[0, :150]
    assert width(averages[1] - averages[0]) < width(unpaired) / 20


def test_the_interval_covers_a_known_gain_in_about_95_of_100_samples() -> None:
    # Run 0 hits with probability 0.5, run 1 with 0.6, independently: the true gain is 0.1.
    draw = np.random.default_rng(11)
    covered, widths = 0, []
    for sample in range(300):
        hits = (draw.random((2, 200)) < [[0.5], [0.6]]).astype(float)
        averages = all_resamples([Means(np.arange(200), hits)], 200, n_resamples=200, seed=sample)[
            0
        ]
        bounds = interval(averages[1] - averages[0])
        assert bounds is not None
        covered += bounds[0] <= 0.1 <= bounds[1]
        widths.append(bounds[1] - bounds[0])
    assert 0.91 <= covered / 300 <= 0.98  # 0.95 with a standard error of 0.013
    assert np.mean(widths) == pytest.approx(2 * 1.96 * ((0.25 + 0.24) / 200) ** 0.5, rel=0.05)


def test_the_interval_of_an_average_covers_where_languages_share_items() -> None:
    # Three languages of the same 100 sentences. Run 1 gains 0.1 per sentence on average, and the
    # gain on a sentence is about the same in all languages.
    draw = np.random.default_rng(12)
    covered = alone = 0
    for sample in range(200):
        gain = 0.1 + 0.5 * draw.normal(size=100)
        languages = [
            draw.random(100) + np.stack([np.zeros(100), gain + 0.2 * draw.normal(size=100)])
            for _ in "abc"
        ]
        shared: list[Statistic] = [Means(np.arange(100), values) for values in languages]
        apart: list[Statistic] = [
            Means(np.arange(100) + 100 * place, values) for place, values in enumerate(languages)
        ]
        for statistics, n_items in ((shared, 100), (apart, 300)):
            averages = average(
                all_resamples(statistics, n_items, n_resamples=200, seed=sample), list("abc")
            )
            bounds = interval(averages[1] - averages[0])
            assert bounds is not None
            hit = bounds[0] <= 0.1 <= bounds[1]
            covered, alone = (covered + hit, alone) if n_items == 100 else (covered, alone + hit)
    assert 0.90 <= covered / 200 <= 0.99
    # Intervals that treat the languages as independent evidence are too narrow.
    assert alone / 200 < 0.85


def test_the_interval_of_a_rank_correlation_covers_a_known_gain() -> None:
    # Normal values with correlation r have rank correlation 6 / pi * asin(r / 2) (Pearson 1907):
    # here 0.483 and 0.683.
    rates = np.array([[0.5], [0.7]])
    true = 6 / np.pi * np.arcsin(rates / 2)
    draw = np.random.default_rng(13)
    covered = 0
    for sample in range(200):
        gold = draw.normal(size=150)
        cosines = rates * gold + (1 - rates**2) ** 0.5 * draw.normal(size=(2, 150))
        averages = all_resamples(
            [RankCorrelations(np.arange(150), cosines, gold)], 150, n_resamples=200, seed=sample
        )[0]
        bounds = interval(averages[1] - averages[0])
        assert bounds is not None
        covered += bounds[0] <= float(true[1, 0] - true[0, 0]) <= bounds[1]
    assert 0.90 <= covered / 200 <= 0.99


def test_languages_that_share_items_are_not_independent_evidence() -> None:
    values = np.stack([np.zeros(400), np.random.default_rng(0).random(400)])
    shared = [Means(np.arange(400), values) for _ in range(4)]
    apart = [Means(np.arange(400) + 400 * number, values) for number in range(4)]
    one, same, four = (
        width(
            average(
                all_resamples(list(statistics), n_items, 1000), list("abcd")[: len(statistics)]
            )[1]
        )
        for statistics, n_items in ((shared[:1], 400), (shared, 400), (apart, 1600))
    )
    # The same sentences in four languages narrow nothing; four times as many sentences halve it.
    assert same == pytest.approx(one)
    assert four == pytest.approx(one / 2, rel=0.1)


def test_directions_are_averaged_before_languages() -> None:
    # German has (0.2 + 0.4) / 2 = 0.3 over both directions, French 0.9 in one: (0.3 + 0.9) / 2 = 0.6,
    # and not (0.2 + 0.4 + 0.9) / 3.
    estimates = np.array([[0.2], [0.9], [0.4]])
    assert average(estimates, ["deu_Latn", "fra_Latn", "deu_Latn"]) == pytest.approx(
        np.array([0.6])
    )


def test_a_language_without_an_item_in_a_draw_is_left_out_of_that_draw() -> None:
    # One language has only the first of two items. A resample of the second item twice leaves it
    # without a value.
    lone = Means(np.array([0]), np.array([[0.0], [0.5]]))
    both = Means(np.array([0, 1]), np.array([[0.0, 0.0], [1.0, 1.0]]))
    found = all_resamples([lone, both], 2)
    missing = np.isnan(found[0]).all(axis=0)
    assert 0.15 < missing.mean() < 0.35  # 1/4 of the draws
    averages = average(found, ["deu_Latn", "fra_Latn"])
    assert set(averages[1, missing]) == {1.0} and set(averages[1, ~missing]) == {0.75}


def test_equal_values_correlate_0_and_equal_gold_values_are_undefined_for_all_runs() -> None:
    items = np.arange(3)
    constant = RankCorrelations(
        items, np.array([[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]]), np.array([1.0, 2.0, 3.0])
    )
    assert observed_values(constant) == pytest.approx(np.array([0.0, 1.0]))
    assert np.isnan(
        observed_values(RankCorrelations(items, np.array([[0.1, 0.2, 0.3]]), np.ones(3)))
    ).all()
    found = all_resamples([constant], 3)
    assert np.array_equal(np.isnan(found[0, 0]), np.isnan(found[0, 1]))


def test_the_interval_leaves_out_undefined_gains() -> None:
    assert interval(np.array([*np.linspace(0, 1, 201), np.nan])) == pytest.approx((0.025, 0.975))
    assert interval(np.array([np.nan, np.nan])) is None


def test_an_item_has_one_number_in_all_languages() -> None:
    universe: dict[str, int] = {}
    assert number_items(["a", "b", "c"], universe).tolist() == [0, 1, 2]
    assert number_items(["c", "d", "a"], universe).tolist() == [2, 3, 0]
