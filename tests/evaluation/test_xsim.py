"""xsim: values worked by hand, agreement with LASER's definition written as a loop, and the searched pool."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.alterations import alter_sentences
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import read_data
from hexapla.evaluation.tasks import xsim
from hexapla.evaluation.tasks.protocol import Measurement
from hexapla.evaluation.tasks.xsim import XsimTask, retrieve_by_margin, xsim_errors


def noisy_sides(
    n_rows: int, n_more: int, seed: int, noise: float = 0.9
) -> tuple[np.ndarray, np.ndarray]:
    """Return sources and their targets, and then `n_more` targets that are each near to a right one."""
    generator = np.random.default_rng(seed)
    source = generator.normal(size=(n_rows, 8))
    target = source + noise * generator.normal(size=source.shape)
    more = target[generator.integers(n_rows, size=n_more)] + 0.5 * generator.normal(
        size=(n_more, 8)
    )
    sides = (source, np.concatenate([target, more]))
    unit = [
        (side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32) for side in sides
    ]
    return unit[0], unit[1]


def by_loop(source: np.ndarray, target: np.ndarray, texts: Sequence[str], k: int = 4) -> list[bool]:
    """Mark the errors step by step as LASER's source/xsim.py: _score_knn, _score_margin, textual error."""
    cosine = source @ target.T
    wrong = []
    for x in range(len(source)):
        nearest = np.argsort(-cosine[x], kind="stable")[:k]
        around_x = np.mean([cosine[x, y] for y in nearest])
        best, best_margin = -1, -np.inf
        for y in nearest:
            around_y = np.mean(sorted(cosine[:, y])[-k:])
            margin = cosine[x, y] / ((around_x + around_y) / 2)
            if margin > best_margin:
                best, best_margin = y, margin
        wrong.append(texts[best] != texts[x])
    return wrong


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_more", [0, 150])
def test_a_loop_from_lasers_definition_has_the_same_errors(seed: int, n_more: int) -> None:
    source, target = noisy_sides(60, n_more, seed)
    texts = [str(row) for row in range(len(target))]
    texts[7] = texts[3] = "the same"
    target[7] = target[3]
    expected = by_loop(source, target, texts)
    assert xsim_errors(source, target, texts).tolist() == expected
    assert 0.1 < np.mean(expected) < 0.95
    # The margin matters: the nearest by cosine are different ones.
    assert (
        retrieve_by_margin(source, target).tolist() != (source @ target.T).argmax(axis=1).tolist()
    )


def test_only_the_four_nearest_compete() -> None:
    source, target = noisy_sides(60, 150, seed=0)
    cosine = source @ target.T
    margin = cosine / (
        np.sort(cosine)[:, -4:].mean(axis=1, keepdims=True)
        + np.sort(cosine, axis=0)[-4:].mean(axis=0)
    )
    nearest = np.argsort(-cosine)[:, :4]
    found = retrieve_by_margin(source, target)
    outside = ~(nearest == margin.argmax(axis=1)[:, None]).any(axis=1)
    assert outside.any()
    assert (nearest == found[:, None]).any(axis=1).all()


@pytest.mark.parametrize("sources_in_a_block", [1, 3, 7, 59])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, sources_in_a_block: int) -> None:
    source, target = noisy_sides(60, 40, seed=1)
    whole = retrieve_by_margin(source, target)
    monkeypatch.setattr(xsim, "_BLOCK_ENTRIES", sources_in_a_block * 100)
    assert retrieve_by_margin(source, target).tolist() == whole.tolist()


def test_the_right_text_in_another_row_is_not_an_error_and_an_altered_one_is() -> None:
    places = 0.9 * np.eye(5, dtype=np.float32) + 0.1
    source, target = places[[0, 0, 2, 3]], places[[0, 0, 2, 3]]
    assert xsim_errors(source, target, ["a", "a", "b", "c"]).tolist() == [0, 0, 0, 0]
    assert xsim_errors(source, target, ["a", "d", "b", "c"]).sum() == 1
    # Source 1 has the vector of an altered sentence.
    source, target = places[[0, 1, 2, 3]], places[[0, 0, 2, 3, 1]]
    assert xsim_errors(source, target, ["a", "a", "b", "c", "not a"]).tolist() == [0, 1, 0, 0]


# The task


ENGLISH = [
    "It is here.",
    "It was there.",
    "He can go.",
    "They will come.",
    "It is 3.",
    "Nothing at all.",
]


def columns() -> dict[str, list[str | None]]:
    return {"deu_Latn": [f"deu {row}" for row in range(6)], "eng_Latn": list(ENGLISH)}


def task(cells: Mapping[str, Sequence[str | None]]) -> XsimTask:
    n_rows = len(next(iter(cells.values())))
    return XsimTask(
        name="x",
        split="all",
        data_sha="0",
        items=[f"row {row}" for row in range(n_rows)],
        cells=cells,
    )


def embed(texts: Sequence[str]) -> np.ndarray:
    """Embed a row of ENGLISH and its German as one direction, altered versions near their sentence's.

    The German of row 0 has the vector of that row's altered versions, a little off the English one.
    Altered versions of other rows are off in another direction.
    """
    makes = {
        version: row for row, one in enumerate(ENGLISH) for version in alter_sentences(ENGLISH)[one]
    }
    vectors = np.zeros((len(texts), 8), dtype=np.float32)
    for place, text in enumerate(texts):
        row = (
            ENGLISH.index(text)
            if text in ENGLISH
            else int(text.split()[1])
            if text[:3] == "deu"
            else makes[text]
        )
        vectors[place, row] = 1
        if text not in ENGLISH and row == 0:
            vectors[place, 6] = 0.5
        elif text in makes:
            vectors[place, 7] = 0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measured(cells: Mapping[str, Sequence[str | None]]) -> dict[str, Measurement]:
    return {measurement.languages: measurement for measurement in task(cells).measure(embed)}


def test_altered_sentences_are_in_the_pool_of_xsim_plus_plus_only() -> None:
    (found,) = measured(columns()).values()
    assert found.languages == "deu_Latn-eng_Latn"
    assert found.task == "xsim/x"
    assert found.columns["xsim"].tolist() == [0, 0, 0, 0, 0, 0]
    assert found.columns["xsim++"].tolist() == [1, 0, 0, 0, 0, 0]
    assert found.metrics == {"xsim": 0.0, "xsim++": pytest.approx(1 / 6)}
    assert found.settings == {"k": 4, "alterations": 1}


def test_only_altered_versions_of_searched_sentences_are_in_the_pool() -> None:
    cells = columns()
    cells["fra_Latn"] = [None, *cells["deu_Latn"][1:5], " "]
    cells["eng_Latn"][5] = None
    texts: list[str] = []
    asked: dict[str, set[str]] = {}
    for measurement in task(cells).measure(lambda some: texts.extend(some) or embed(some)):
        asked[measurement.languages] = set(texts)
        texts.clear()
        assert (
            len(measurement.items)
            == {"deu_Latn-eng_Latn": 5, "fra_Latn-eng_Latn": 4}[measurement.languages]
        )
    assert set().union(*asked.values()) == {text for group in task(cells).texts() for text in group}
    assert "It is not here." in asked["deu_Latn-eng_Latn"]
    assert "It is not here." not in asked["fra_Latn-eng_Latn"]
    assert "Nothing at all." not in asked["deu_Latn-eng_Latn"]


def test_without_altered_versions_both_rates_are_the_same() -> None:
    cells = {"eng_Latn": list("abcd"), "deu_Latn": list("efgh")}
    places = dict(
        zip(
            "abcdefgh", np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), strict=True
        )
    )
    (found,) = task(cells).measure(lambda texts: np.stack([places[text] for text in texts]))
    assert found.columns["xsim++"].tolist() == found.columns["xsim"].tolist()


def test_languages_and_their_order_change_nothing_for_the_others() -> None:
    cells = columns()
    cells["fra_Latn"] = list(reversed(cells["deu_Latn"]))
    chosen = task(cells)
    assert len(chosen.keys) == len(measured(cells)) == 2
    assert set(chosen.languages) == {"deu_Latn", "eng_Latn", "fra_Latn"}
    (alone,) = measured(columns()).values()
    both = measured(dict(reversed(cells.items())))
    assert both["deu_Latn-eng_Latn"].columns["xsim++"].tolist() == alone.columns["xsim++"].tolist()
    assert both["fra_Latn-eng_Latn"].metrics["xsim"] == 1.0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^xsim/x: has deu_Latn; eng_Latn and another language are needed$"
    ):
        task({"deu_Latn": columns()["deu_Latn"]})
    with pytest.raises(
        InputError, match=r"^xsim/x: has eng_Latn; eng_Latn and another language are needed$"
    ):
        task({"eng_Latn": columns()["eng_Latn"]})
    with pytest.raises(
        InputError, match=r"^xsim/x: 1 rows have both fra_Latn and eng_Latn; at least 4 are needed"
    ):
        task({**columns(), "fra_Latn": ["fra 0", None, None, None, " ", ""]})


def test_the_suite_xsim_measures_xsim_only(tmp_path: Path) -> None:
    cells = {
        code: [f"{code} {row}" for row in range(8)] for code in ("eng_Latn", "deu_Latn", "fra_Latn")
    }
    pq.write_table(pa.table(cells), tmp_path / "rows.parquet")
    config = EvaluateConfig(
        encoder="tiny", out=tmp_path / "out", suite="xsim", data=tmp_path / "rows.parquet"
    )
    (task,) = read_data(config).tasks
    assert isinstance(task, XsimTask)
    assert task.keys == [("xsim/rows", f"{code}-eng_Latn") for code in ("deu_Latn", "fra_Latn")]
    (german,) = read_data(dataclasses.replace(config, languages=("deu_Latn",))).tasks
    assert german.keys == [("xsim/rows", "deu_Latn-eng_Latn")]
