"""The language probe: constructed encoders with known results, the two halves, and which languages take part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.tasks import language_probe
from hexapla.evaluation.tasks.language_probe import LanguageProbeTask, identify_languages
from hexapla.evaluation.tasks.protocol import Measurement

CODES = ("eng_Latn", "deu_Latn", "fra_Latn", "swh_Latn")


def columns(n_rows: int = 200, codes: Sequence[str] = CODES) -> dict[str, list[str | None]]:
    return {code: [f"{code} {row}" for row in range(n_rows)] for code in codes}


def task(cells: Mapping[str, Sequence[str | None]], seed: int = 42) -> LanguageProbeTask:
    n_rows = len(next(iter(cells.values())))
    items = [f"item {row}" for row in range(n_rows)]
    return LanguageProbeTask(
        name="x", split="all", data_sha="0", items=items, cells=cells, seed=seed
    )


def measured(
    cells: Mapping[str, Sequence[str | None]], embed: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, Measurement]:
    return {measurement.languages: measurement for measurement in task(cells).measure(embed)}


def direction(word: str, dim: int = 16) -> np.ndarray:
    vector = np.random.default_rng(list(word.encode())).normal(size=dim)
    return vector / np.linalg.norm(vector)


def encoder(
    language: float, text: float, common: float = 0.0
) -> Callable[[Sequence[str]], np.ndarray]:
    """Embed a text as a sum of directions for its row, its language, itself and all texts, so weighted."""

    def embed(texts: Sequence[str]) -> np.ndarray:
        vectors = np.stack(
            [
                direction(one.split()[1])
                + language * direction(one.split()[0])
                + text * direction(one)
                + common * direction("common")
                for one in texts
            ]
        )
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return embed


def test_a_probe_by_hand() -> None:
    # On a line, a is at -1 and b at 1; a point between them belongs to the nearer one.
    train = np.array([[-1.0], [1.0]] * 5, dtype=np.float32)
    test = np.array([[-0.9], [-0.1], [0.1], [0.9]], dtype=np.float32)
    assert identify_languages(train, ["a", "b"] * 5, test, ["a", "b", "b", "a"]).tolist() == [
        1,
        0,
        1,
        0,
    ]


def test_an_added_language_is_always_identified() -> None:
    for measurement in measured(columns(), encoder(language=3, text=0.2)).values():
        assert measurement.metrics["identified"] == 1.0


def test_without_the_language_in_the_vectors_the_probe_is_at_chance() -> None:
    found = measured(columns(), encoder(language=0, text=0.5))
    assert np.mean(
        [measurement.metrics["identified"] for measurement in found.values()]
    ) == pytest.approx(0.25, abs=0.06)
    # All languages of a row have the same vector, so exactly one of the four is predicted right.
    aligned = measured(columns(), encoder(language=0, text=0))
    named = sum(measurement.columns["identified"] for measurement in aligned.values())
    assert named.tolist() == [1.0] * 100


def test_languages_are_identified_also_in_a_narrow_cone() -> None:
    # All cosines are above 0.999; the language is a hundredth of the common direction.
    found = measured(columns(), encoder(language=1, text=0.2, common=100))
    assert min(measurement.metrics["identified"] for measurement in found.values()) > 0.95


def test_no_row_is_in_both_halves() -> None:
    texts = [set(group) for group in task(columns()).texts()]
    train, test = ({text.split()[1] for text in side} for side in texts)
    assert len(train) == len(test) == 100
    assert train.isdisjoint(test)
    assert [len(side) for side in texts] == [400, 400]


def test_the_number_of_rows_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_probe, "MAX_TRAIN_ROWS", 30)
    monkeypatch.setattr(language_probe, "MAX_TEST_ROWS", 40)
    cells = columns()
    train, test = (set(group) for group in task(cells).texts())
    assert (len(train), len(test)) == (4 * 30, 4 * 40)
    assert {m.settings["train_rows"] for m in measured(cells, encoder(1, 0)).values()} == {30}
    assert {len(m.items) for m in measured(cells, encoder(1, 0)).values()} == {40}


def test_every_language_has_as_many_training_rows_as_the_one_with_fewest() -> None:
    cells = columns()
    cells["swh_Latn"][40:] = [None] * 160
    found = measured(cells, encoder(1, 0.2))
    n_train = found["eng_Latn"].settings["train_rows"]
    assert 10 <= n_train <= 30
    assert len(found["swh_Latn"].items) == 40 - n_train
    assert len(found["eng_Latn"].items) == 100
    train = next(iter(task(cells).texts()))
    assert [sum(text.startswith(code) for text in train) for code in CODES] == [n_train] * 4


def test_items_and_columns_are_those_of_the_test_rows() -> None:
    cells = columns()
    cells["deu_Latn"][3] = "  "
    held = set(list(task(cells).texts())[1])
    # An encoder that embeds one English test row as German.
    liar = next(text for text in held if text.startswith("eng_Latn"))
    embed = encoder(1, 0.1)
    found = measured(
        cells,
        lambda texts: embed(
            [text.replace("eng", "deu") if text == liar else text for text in texts]
        ),
    )
    wrong = [
        item
        for item, right in zip(
            found["eng_Latn"].items, found["eng_Latn"].columns["identified"], strict=True
        )
        if not right
    ]
    assert wrong == [f"item {liar.split()[1]}"]
    assert found["eng_Latn"].metrics["identified"] == 0.99
    assert found["fra_Latn"].metrics["identified"] == 1.0
    assert found["eng_Latn"].task == "language-identity/x"
    assert found["eng_Latn"].settings == {
        "train_rows": found["eng_Latn"].settings["train_rows"],
        "seed": 42,
        "languages": 4,
    }
    assert "item 3" not in found["deu_Latn"].items


def test_the_halves_depend_only_on_the_names_of_rows_and_the_seed() -> None:
    order = np.random.default_rng(0).permutation(200)
    cells = columns()
    moved = LanguageProbeTask(
        name="x",
        split="all",
        data_sha="0",
        items=[f"item {row}" for row in order],
        cells={code: [cells[code][row] for row in order] for code in reversed(CODES)},
    )
    embed = encoder(language=0.3, text=0.4)
    plain, permuted = measured(cells, embed), {m.languages: m for m in moved.measure(embed)}
    for code in CODES:
        assert permuted[code].items == plain[code].items
        assert (
            permuted[code].columns["identified"].tolist()
            == plain[code].columns["identified"].tolist()
        )
    assert 0.3 < plain["eng_Latn"].metrics["identified"] < 1.0
    (other, _), (same, _) = (list(task(cells, seed=seed).texts()) for seed in (1, 42))
    first = next(iter(task(cells).texts()))
    assert same == first
    assert set(other) != set(first)


def test_a_language_with_few_rows_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    cells = columns()
    cells["swh_Latn"][1:] = [None] * 199
    with caplog.at_level(logging.INFO):
        chosen = task(cells)
    assert chosen.languages == CODES[:3]
    assert len(chosen.keys) == len(list(chosen.measure(encoder(1, 0)))) == 3
    assert caplog.messages == [
        "language-identity/x: left out with fewer than 10 rows in a half: swh_Latn"
    ]


def test_fewer_than_two_languages_are_refused() -> None:
    cells = columns(codes=CODES[:2])
    cells["deu_Latn"][1:] = [None] * 199
    match = "^language-identity/x: 1 languages have 10 rows or more in both halves; .* and deu_Latn have too few rows$"
    with pytest.raises(InputError, match=match):
        task(cells)
