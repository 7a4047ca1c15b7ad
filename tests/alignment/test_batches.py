"""Batches: every row once an epoch, equal texts apart, the same order on resume, cells by regime."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hexapla.alignment.batches import (
    CellCollator,
    RowBatchSampler,
    encodings_per_epoch,
    shared_texts,
)
from hexapla.alignment.config import Regime
from hexapla.alignment.reference import Reference
from hexapla.alignment.token_cache import TokenCache
from tests.fixtures.toy import LANGUAGES, toy_rows


def cache_of(rows: list[dict[str, str | None]], **constants: object) -> TokenCache:
    """Return a cache in which every word is a token, named by its language and number: eng07 is 107."""
    cells = [row[language] for row in rows for language in LANGUAGES]
    ids = [
        [
            100 * (1 + [c[:3] for c in LANGUAGES].index(w[:3])) + int(w[3:])
            for w in (c or "").split()
        ]
        for c in cells
    ]
    starts = np.cumsum([0, *map(len, ids)])
    texts = [hash(tuple(words)) if words else 0 for words in ids]
    return TokenCache(
        ids=np.array([i for words in ids for i in words], dtype=np.int32),
        starts=starts,
        texts=np.array(texts, dtype=np.int64).reshape(len(rows), -1),
        constants=constants,
        has_types=False,
        n_truncated=0,
    )


def sampler_of(
    rows: list[dict[str, str | None]], rows_per_step: int, seed: int = 0, **ranks: int
) -> RowBatchSampler:
    return RowBatchSampler(
        shared_texts(cache_of(rows).texts), len(rows), rows_per_step, seed=seed, **ranks
    )


def collator(
    regime: Regime, rows: list[dict[str, str | None]], seed: int = 0, **settings: object
) -> CellCollator:
    sampler = RowBatchSampler({}, len(rows), 2, seed=seed)
    keys = np.random.default_rng(9).integers(2**63, size=len(rows), dtype=np.uint64)
    return CellCollator(cache=cache_of(rows), regime=regime, keys=keys, sampler=sampler, **settings)


def chosen_texts(
    made: CellCollator, rows: list[dict[str, str | None]], batch: list[int]
) -> list[tuple[int, int, str]]:
    """Return (row of the batch, column of the loss, text) of each cell that takes part."""
    found = zip(*made.choose(batch), strict=True)
    return [(int(i), int(side), rows[batch[i]][LANGUAGES[column]]) for i, column, side in found]


@pytest.mark.parametrize("n_rows", [64, 65, 70, 127, 200])
def test_every_row_comes_once_an_epoch_in_batches_of_nearly_one_size(n_rows):
    sampler = sampler_of(toy_rows(n_rows), 32)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(n_rows))
        assert len(batches) == len(sampler) == -(-n_rows // 32)
        sizes = [len(batch) for batch in batches]
        assert max(sizes) <= 32 and max(sizes) - min(sizes) <= 1


def test_order_depends_on_seed_and_epoch_alone():
    rows = toy_rows(100)
    first, again, other = (sampler_of(rows, 16, seed) for seed in (3, 3, 4))
    for sampler in (first, again, other):
        sampler.set_epoch(2)
    list(first)  # an interrupted epoch leaves nothing behind
    assert list(first) == list(again) != list(other)
    again.set_epoch(3)
    assert list(first) != list(again)


def test_rows_that_share_a_text_are_kept_apart():
    rows = toy_rows(60)
    for i in range(0, 20, 2):
        rows[i + 1]["fra_Latn"] = rows[i]["fra_Latn"]  # a collapsed translation
    rows[40]["deu_Latn"] = rows[41]["eng_Latn"]  # left in English
    shared = shared_texts(cache_of(rows).texts)
    assert sorted(shared) == [*range(20), 40, 41]
    sampler = sampler_of(rows, 6, seed=1)
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(60))
        for batch in batches[:-1]:  # the last may be left with rows that share texts
            texts = Counter(text for i in batch for text in shared.get(i, ()))
            assert not texts or max(texts.values()) == 1


def test_rows_that_all_share_one_text_still_come_once_each():
    rows = toy_rows(10)
    for row in rows:
        row["deu_Latn"] = "deu00"
    batches = list(sampler_of(rows, 4))
    assert sorted(i for batch in batches for i in batch) == list(range(10))


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_processes_share_the_very_batches_of_one(n_ranks):
    rows = toy_rows(70)
    whole = list(sampler_of(rows, 32))
    parts = [list(sampler_of(rows, 32, rank=rank, n_ranks=n_ranks)) for rank in range(n_ranks)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert sorted(row for share in shares for row in share) == sorted(batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_multiway_and_star_take_every_present_cell():
    rows = toy_rows(20, missing=0.3)
    for regime in (Regime.MULTIWAY, Regime.STAR):
        chosen = chosen_texts(collator(regime, rows), rows, list(range(20)))
        expected = [
            (i, c, row[language])
            for i, row in enumerate(rows)
            for c, language in enumerate(LANGUAGES)
            if row[language]
        ]
        assert chosen == expected


def test_en_x_pairs_the_pivot_with_each_language_equally_often():
    rows = toy_rows(900)
    chosen = chosen_texts(collator(Regime.EN_X, rows), rows, list(range(900)))
    assert [side for _, side, _ in chosen] == [0, 1] * 900
    assert all(text.startswith("eng") for _, side, text in chosen if side == 0)
    drawn = Counter(text[:3] for _, side, text in chosen if side == 1)
    assert set(drawn) == {"deu", "fra", "spa"}
    assert min(drawn.values()) > 240  # 300 expected, standard deviation 14


def test_en_x_draws_only_languages_that_the_row_has_and_anew_each_epoch():
    rows = toy_rows(200, missing=0.4)
    rows = [row for row in rows if sum(row[language] is not None for language in LANGUAGES) > 1]
    everyone = list(range(len(rows)))
    made = collator(Regime.EN_X, rows)
    first = chosen_texts(made, rows, everyone)
    assert all(text is not None for _, _, text in first)
    # A row draws the same, whichever rows are beside it.
    backwards = chosen_texts(made, rows, everyone[::-1])
    assert {text for _, _, text in first} == {text for _, _, text in backwards}
    made.sampler.set_epoch(1)
    assert {text for _, _, text in first} != {
        text for _, _, text in chosen_texts(made, rows, everyone)
    }


def test_cells_per_row_are_the_pivot_and_others_drawn_equally_often_and_anew_each_epoch():
    rows = toy_rows(900)
    made = collator(Regime.MULTIWAY, rows, cells_per_row=3)
    chosen = chosen_texts(made, rows, list(range(900)))
    assert [side for _, side, _ in chosen] == [0, 1, 2] * 900
    assert all(text.startswith("eng") for _, side, text in chosen if side == 0)
    for side in (1, 2):
        drawn = Counter(text[:3] for _, s, text in chosen if s == side)
        assert set(drawn) == {"deu", "fra", "spa"}
        assert min(drawn.values()) > 240  # 300 expected, standard deviation 14
    assert len({text for _, _, text in chosen}) == len(chosen)  # no cell twice
    made.sampler.set_epoch(1)
    assert chosen_texts(made, rows, list(range(900))) != chosen


def test_rows_with_fewer_cells_than_a_step_takes_give_all_that_they_have():
    rows = toy_rows(200, missing=0.4)
    made = collator(Regime.MULTIWAY, rows, cells_per_row=3)
    counts = Counter(i for i, _, _ in chosen_texts(made, rows, list(range(len(rows)))))
    present = [sum(bool(row[language]) for language in LANGUAGES) for row in rows]
    assert [counts[i] for i in range(len(rows))] == [min(3, n) for n in present]
    assert {2, 3, 4} <= set(present)  # else the test shows nothing


def test_sampled_pair_takes_two_languages_of_a_row_the_pivot_no_more_often():
    rows = toy_rows(600)
    chosen = chosen_texts(collator(Regime.SAMPLED_PAIR, rows), rows, list(range(600)))
    languages = [text[:3] for _, _, text in chosen]
    assert all(a != b for a, b in zip(languages[::2], languages[1::2], strict=True))
    counts = Counter(languages)
    assert max(counts.values()) - min(counts.values()) < 100


def test_pivot_only_takes_the_pivot_twice():
    rows = toy_rows(5, missing=1.0)
    chosen = chosen_texts(collator(Regime.PIVOT_ONLY, rows), rows, list(range(5)))
    assert chosen == [(i, side, rows[i]["eng_Latn"]) for i in range(5) for side in (0, 1)]


def test_cells_come_longest_first_with_their_tokens_and_ids():
    rows = toy_rows(12, missing=0.3)
    numbers = np.arange(12, dtype=np.float32)[:, None]
    kept = Reference(vectors_RE=numbers, pivots_only=True)
    made = collator(Regime.MULTIWAY, rows, reference=kept)
    batch = made.collect([7, 3, 11])
    assert batch.corpus_rows == [7, 3, 11]
    assert batch.lengths == sorted(batch.lengths, reverse=True)
    start, seen = 0, set()
    for length, (i, column, text) in zip(batch.lengths, batch.ids_N3.tolist(), strict=True):
        row = [7, 3, 11][i]
        words = batch.tokens["input_ids"][start : start + length].tolist()
        assert words == [
            100 * (1 + column) + int(w[3:]) for w in rows[row][LANGUAGES[column]].split()
        ]
        assert text == made.cache.texts[row, column] != 0
        seen.add((row, column))
        start += length
    assert seen == {
        (row, c)
        for row in (7, 3, 11)
        for c, language in enumerate(LANGUAGES)
        if rows[row][language]
    }
    pivots = batch.ids_N3[batch.referenced_P]
    assert pivots[:, 1].tolist() == [0, 0, 0]
    assert batch.reference_PD.flatten().tolist() == [[7, 3, 11][i] for i in pivots[:, 0].tolist()]


def test_encodings_are_counted_by_what_a_regime_takes_of_a_row():
    present = np.array([[True, True, False], [True, True, True]])
    assert encodings_per_epoch(present, Regime.STAR) == 5
    assert encodings_per_epoch(present, Regime.MULTIWAY, cells_per_row=2) == 4
    assert encodings_per_epoch(present, Regime.MULTIWAY, cells_per_row=9) == 5
    assert encodings_per_epoch(present, Regime.EN_X) == 4
    assert encodings_per_epoch(present, Regime.PIVOT_ONLY) == 4
