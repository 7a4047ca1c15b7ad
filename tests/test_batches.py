"""Batches: every row once an epoch, equal texts apart, the same order on resume; each regime takes its cells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from datasets import Dataset

from hexapla.batches import (
    MultiwayCollator,
    Regime,
    RowBatchSampler,
    cells_per_row,
    encodings_per_epoch,
    shared_texts,
    usable_rows,
)
from tests.toy import LANGUAGES, toy_rows


def dataset_of(rows: list[dict[str, str | None]]) -> Dataset:
    return Dataset.from_list([{"row_id": f"{i:032x}", **row} for i, row in enumerate(rows)])


def collator(regime: Regime, seed: int = 0) -> MultiwayCollator:
    def lengths(texts: list[str], prompt: str | None = None) -> dict[str, list[int]]:
        return {"input_ids": [len((prompt or "") + text) for text in texts]}

    return MultiwayCollator(preprocess_fn=lengths, languages=LANGUAGES, regime=regime, seed=seed)


@pytest.mark.parametrize("n_rows", [64, 65, 70, 127, 200])
def test_every_row_comes_once_an_epoch_in_batches_of_nearly_one_size(n_rows):
    sampler = RowBatchSampler(dataset_of(toy_rows(n_rows)), LANGUAGES, rows_per_step=32)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(n_rows))
        assert len(batches) == len(sampler) == -(-n_rows // 32)
        sizes = [len(batch) for batch in batches]
        assert max(sizes) <= 32 and max(sizes) - min(sizes) <= 1


def test_order_depends_on_seed_and_epoch_alone():
    rows = dataset_of(toy_rows(100))
    first, again, other = (RowBatchSampler(rows, LANGUAGES, 16, seed=seed) for seed in (3, 3, 4))
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
    data = dataset_of(rows)
    shared = shared_texts(data, LANGUAGES)
    assert sorted(shared) == [*range(20), 40, 41]
    sampler = RowBatchSampler(data, LANGUAGES, rows_per_step=6, seed=1)
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(60))
        for batch in batches[:-1]:  # the last may have to take what is left
            texts = Counter(text for i in batch for text in shared.get(i, ()))
            assert not texts or max(texts.values()) == 1


def test_rows_that_all_share_one_text_still_come_once_each():
    rows = toy_rows(10)
    for row in rows:
        row["deu_Latn"] = "deu00"
    batches = list(RowBatchSampler(dataset_of(rows), LANGUAGES, rows_per_step=4))
    assert sorted(i for batch in batches for i in batch) == list(range(10))


def test_drop_last_gives_full_batches_only():
    sampler = RowBatchSampler(dataset_of(toy_rows(70)), LANGUAGES, rows_per_step=32, drop_last=True)
    assert [len(batch) for batch in sampler] == [32, 32]


def test_multiway_and_star_take_every_present_cell():
    rows = toy_rows(20, missing=0.3)
    for regime in (Regime.MULTIWAY, Regime.STAR):
        chosen = collator(regime).choose(rows)
        expected = [
            (i, c, row[language]) for i, row in enumerate(rows) for c, language in enumerate(LANGUAGES) if row[language]
        ]
        assert chosen == expected


def test_en_x_pairs_the_pivot_with_each_language_equally_often():
    rows = [{"row_id": f"{i:032x}", **row} for i, row in enumerate(toy_rows(900))]
    chosen = collator(Regime.EN_X).choose(rows)
    assert [side for _, side, _ in chosen] == [0, 1] * 900
    assert all(text.startswith("eng") for _, side, text in chosen if side == 0)
    drawn = Counter(text[:3] for _, side, text in chosen if side == 1)
    assert set(drawn) == {"deu", "fra", "spa"}
    assert min(drawn.values()) > 240  # 300 expected, standard deviation 14


def test_en_x_draws_only_languages_that_the_row_has_and_anew_each_epoch():
    rows = [{"row_id": f"{i:032x}", **row} for i, row in enumerate(toy_rows(200, missing=0.4))]
    rows = [row for row in rows if sum(row[language] is not None for language in LANGUAGES) > 1]
    first = collator(Regime.EN_X).choose(rows)
    assert all(text is not None for _, _, text in first)
    assert first == collator(Regime.EN_X).choose(rows)
    turned = collator(Regime.EN_X).choose(rows[::-1])  # another epoch has another order
    assert {text for _, _, text in first} != {text for _, _, text in turned}


def test_sampled_pair_takes_two_languages_of_a_row_the_pivot_no_more_often():
    rows = [{"row_id": f"{i:032x}", **row} for i, row in enumerate(toy_rows(600))]
    chosen = collator(Regime.SAMPLED_PAIR).choose(rows)
    languages = [text[:3] for _, _, text in chosen]
    assert all(a != b for a, b in zip(languages[::2], languages[1::2], strict=True))
    counts = Counter(languages)
    assert max(counts.values()) - min(counts.values()) < 100


def test_pivot_only_takes_the_pivot_twice():
    rows = toy_rows(5, missing=1.0)
    assert collator(Regime.PIVOT_ONLY).choose(rows) == [(i, s, rows[i]["eng_Latn"]) for i in range(5) for s in (0, 1)]


def test_collator_labels_cells_and_passes_the_prompt():
    flat = collator(Regime.MULTIWAY)
    flat.prompts = "query: "
    batch = flat([{"eng_Latn": "a", "deu_Latn": None, "fra_Latn": "bcd", "spa_Latn": None}])
    assert batch["cells_input_ids"] == [8, 10]
    assert batch["label"].tolist() == [[0, 0], [0, 2]]


def test_counts_of_cells_rows_and_encodings():
    data = dataset_of(
        [
            {"eng_Latn": "a", "deu_Latn": "b", "fra_Latn": None},
            {"eng_Latn": "c", "deu_Latn": None, "fra_Latn": None},
            {"eng_Latn": "d", "deu_Latn": "e", "fra_Latn": "f"},
        ]
    )
    counts = cells_per_row(data, ["eng_Latn", "deu_Latn", "fra_Latn"])
    assert counts.tolist() == [2, 1, 3]
    assert usable_rows(counts, Regime.MULTIWAY).tolist() == [0, 2]
    assert usable_rows(counts, Regime.PIVOT_ONLY).tolist() == [0, 1, 2]
    assert encodings_per_epoch(counts[[0, 2]], Regime.STAR) == 5
    assert encodings_per_epoch(counts[[0, 2]], Regime.EN_X) == 4
    assert np.issubdtype(counts.dtype, np.integer)
