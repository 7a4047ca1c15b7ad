"""What MTEB does not ask: the pool of languages, the language that a vector tells, xsim, and altered sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hexapla.evaluate.alterations import altered
from hexapla.evaluate.inputs import Measurement
from hexapla.evaluate.language_probe import LanguageTask
from hexapla.evaluate.pool import PoolTask, nearest_in_pool
from hexapla.evaluate.xsim import XsimTask, chosen_targets

LANGUAGES = ("eng_Latn", "deu_Latn", "fra_Latn", "swh_Latn")
N_ROWS, DIM = 60, 32


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def world(language_share: float, noise: float = 0.3) -> Callable[[Sequence[str]], np.ndarray]:
    """Return an encoder of `LANG ROW`: the row's meaning, some noise, and so much of a direction of the language."""
    generator = np.random.default_rng(0)
    meaning = unit(generator.normal(size=(N_ROWS, DIM)))
    direction = unit(generator.normal(size=(len(LANGUAGES), DIM)))
    own = {(code, row): unit(generator.normal(size=DIM)) for code in LANGUAGES for row in range(N_ROWS)}

    def embed(texts: Sequence[str]) -> np.ndarray:
        vectors = []
        for text in texts:
            code, row = text.split()[:2]
            place = LANGUAGES.index(code)
            vectors.append(
                meaning[int(row)] + language_share * direction[place] + noise * own[code, int(row)] * (place > 0)
            )
        return unit(np.array(vectors))

    return embed


def settings(cells: dict[str, list[str | None]] | None = None) -> dict[str, object]:
    cells = cells or {code: [f"{code} {row}" for row in range(N_ROWS)] for code in LANGUAGES}
    items = [str(row) for row in range(len(next(iter(cells.values()))))]
    return {"name": "x", "split": "test", "data_sha": "abc", "items": items, "cells": cells}


def mean(measured: Sequence[Measurement], metric: str) -> float:
    return float(np.mean([one.metrics[metric] for one in measured]))


# The pool


def test_the_pool_by_hand() -> None:
    vectors = unit(np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]]))
    assert nearest_in_pool(vectors, np.arange(4)).tolist() == [1, 0, 3, 2]
    # Cells 0 and 1 have the same text, and so have 2 and 3: neither finds the other.
    assert nearest_in_pool(vectors, np.array([0, 0, 1, 1])).tolist() == [3, 3, 1, 1]


def test_blocks_change_nothing_in_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, texts = unit(np.random.default_rng(1).normal(size=(50, 8))), np.arange(50) // 2
    whole = nearest_in_pool(vectors, texts)
    monkeypatch.setattr("hexapla.evaluate.pool._BLOCK_ENTRIES", 7 * 50)
    assert nearest_in_pool(vectors, texts).tolist() == whole.tolist()


def test_an_aligned_encoder_finds_the_row_and_a_sorted_one_its_own_language() -> None:
    aligned, islands = (list(PoolTask(**settings()).measure(world(share))) for share in (0.0, 3.0))
    assert [one.languages for one in aligned] == list(LANGUAGES)
    assert (mean(aligned, "accuracy"), mean(aligned, "same_language")) == (1, 0)
    assert mean(islands, "same_language") > 0.95
    assert mean(islands, "accuracy") < 0.05


def test_a_row_of_one_cell_is_no_query_but_stands_in_the_pool() -> None:
    cells: dict[str, list[str | None]] = {
        "eng_Latn": ["eng_Latn 0", "eng_Latn 1", "eng_Latn 2"],
        "deu_Latn": ["deu_Latn 0", None, "deu_Latn 2"],
    }
    english, german = PoolTask(**settings(cells)).measure(world(0.0))
    assert list(english.items) == list(german.items) == ["0", "2"]


def test_a_pool_that_is_measured_is_not_searched_again() -> None:
    task = PoolTask(**settings())
    assert list(task.measure(world(0.0), task.keys)) == []


# The probe


def test_the_probe_is_at_chance_without_and_certain_with_a_direction_of_the_language() -> None:
    neutral, sorted_ = (list(LanguageTask(**settings()).measure(world(share, noise=0.1))) for share in (0.0, 3.0))
    assert mean(sorted_, "identified") == 1
    assert abs(mean(neutral, "identified") - 1 / len(LANGUAGES)) < 0.15
    assert {len(one.items) for one in neutral} == {N_ROWS // 2}


def test_no_row_is_on_both_sides_of_the_probe() -> None:
    asked: list[set[str]] = []

    def noted(texts: Sequence[str]) -> np.ndarray:
        asked.append({text.split()[1] for text in texts})
        return world(1.0)(texts)

    list(LanguageTask(**settings()).measure(noted))
    train, *tests = asked
    assert train.isdisjoint(set().union(*tests))


# xsim


def by_laser(x: np.ndarray, y: np.ndarray, k: int) -> list[int]:
    """Return the targets that the loop of LASER's `source/xsim.py` chooses, written from its definition."""
    cosine = x @ y.T
    near_x, near_y = np.argsort(-cosine, axis=1)[:, :k], np.argsort(-cosine, axis=0)[:k]
    mean_x = [cosine[i, near_x[i]].mean() for i in range(len(x))]
    mean_y = [cosine[near_y[:, j], j].mean() for j in range(len(y))]
    return [int(max(near_x[i], key=lambda j, i=i: cosine[i, j] / ((mean_x[i] + mean_y[j]) / 2))) for i in range(len(x))]


@pytest.mark.parametrize("n_targets", [40, 100])
def test_xsim_chooses_as_lasers_loop(n_targets: int) -> None:
    generator = np.random.default_rng(2)
    source = unit(generator.normal(size=(40, 6)))
    target = unit(
        np.concatenate([source, generator.normal(size=(n_targets - 40, 6))])
        + 0.5 * generator.normal(size=(n_targets, 6))
    )
    assert chosen_targets(source, target).tolist() == by_laser(source, target, 4)


def test_xsim_errs_by_text_and_altered_sentences_are_harder() -> None:
    english: list[str | None] = [f"eng_Latn {row} was {row} more" for row in range(8)]
    english[7] = english[6]
    cells: dict[str, list[str | None]] = {"eng_Latn": english, "deu_Latn": [f"deu_Latn {row}" for row in range(8)]}
    cells["deu_Latn"][7] = "deu_Latn 6"
    (measured,) = XsimTask(**settings(cells)).measure(world(0.0, noise=0.01))
    assert measured.languages == "deu_Latn-eng_Latn"
    # The seventh finds either of two equal texts, which is right; an altered one has the vector of its original here.
    assert measured.metrics["xsim"] == 0
    assert measured.columns["xsim++"].shape == (8,)
    assert measured.metrics["xsim++"] > 0


# Altered sentences


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("It cost 1,250 euros.", ["It cost 1,260 euros.", "It cost 1,255 euros."]),
        ("It was not open.", ["It was open.", "It was not closed."]),
        ("They can swim.", ["They can not swim."]),
        ("We saw three dogs.", ["We saw seven dogs."]),
        ("Nothing here.", []),
    ],
)
def test_a_sentence_is_altered_by_number_and_negation(sentence: str, expected: list[str]) -> None:
    assert altered([sentence]) == expected


def test_names_come_from_other_sentences_and_nothing_altered_is_a_sentence_of_the_set() -> None:
    sentences = ["Yesterday Anna came.", "Today Peter Smith came.", "Today Anna came."]
    made = altered(sentences)
    # "Today Anna came.", which the second would become, is there already; a first word is no name.
    assert made == ["Yesterday Peter Smith came."]
