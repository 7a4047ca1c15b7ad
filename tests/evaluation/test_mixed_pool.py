"""The mixed pool: values worked by hand, agreement with a loop from the definition, and ignored targets."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import read_data
from hexapla.evaluation.tasks import mixed_pool as pool
from hexapla.evaluation.tasks.mixed_pool import MixedPoolTask
from hexapla.evaluation.tasks.protocol import Measurement

Columns = Mapping[str, Sequence[str | None]]


def task(cells: Columns) -> MixedPoolTask:
    n_rows = len(next(iter(cells.values())))
    return MixedPoolTask(
        name="x",
        split="all",
        data_sha="0",
        items=[f"row {row}" for row in range(n_rows)],
        cells=cells,
    )


def measured(
    cells: Columns, embed: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, Measurement]:
    return {measurement.languages: measurement for measurement in task(cells).measure(embed)}


def angles(texts: Sequence[str]) -> np.ndarray:
    """Embed `deu 40` as the direction of 40 degrees in the plane."""
    radians = np.radians([float(text.split()[1]) for text in texts])
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def random_vectors(texts: Sequence[str], dim: int = 6) -> np.ndarray:
    """Embed every distinct text as a random direction."""
    vectors = np.stack(
        [np.random.default_rng(list(text.encode())).normal(size=dim) for text in texts]
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


# In the row at 40 and 71 degrees, the English text is nearest to the German one at 10, of another
# row, and the German text to the German one at 85.
BY_HAND = {"eng_Latn": ["eng 0", "eng 40", "eng 90"], "deu_Latn": ["deu 10", "deu 71", "deu 85"]}


def test_both_metrics_by_hand() -> None:
    found = measured(BY_HAND, angles)
    assert found["eng_Latn"].columns["accuracy"].tolist() == [1, 0, 1]
    assert found["eng_Latn"].columns["same_language"].tolist() == [0, 0, 0]
    assert found["deu_Latn"].columns["accuracy"].tolist() == [1, 0, 1]
    assert found["deu_Latn"].columns["same_language"].tolist() == [0, 1, 0]
    assert found["deu_Latn"].metrics == {"accuracy": 2 / 3, "same_language": 1 / 3}
    assert found["deu_Latn"].settings == {"pool": 2}
    assert found["deu_Latn"].task == "pool/x"


# Missing cells; texts that occur twice in a language, so that rows 0, 3 and 5 have one meaning; and
# texts that are the same in two languages, of one row or, as "b", by chance.
DIRTY = {
    "eng_Latn": ["a", "b", "c", "a", "d", "e", None, "f", " ", "7", "g"],
    "deu_Latn": ["A", "B", None, "C", "D", "C", "E", "f", None, "7", "G"],
    "fra_Latn": ["k", None, "l", "m", "n", "o", "p", "q", "s", "7", "b"],
}


def by_loop(
    cells: Columns, embed: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, list[tuple[int, bool, bool]]]:
    """Search by the definition: (row, translation found, same language found) of every query, by language."""
    pool_cells = [
        (row, code, text)
        for code, column in cells.items()
        for row, text in enumerate(column)
        if text is not None and text.strip()
    ]
    means = {row: {row} for row, _, _ in pool_cells}
    for _ in range(5):
        for row, code, text in pool_cells:
            for other_row, other_code, other_text in pool_cells:
                if (code, text) == (other_code, other_text):
                    means[row] = means[other_row] = means[row] | means[other_row]
                    for linked in means[row]:
                        means[linked] = means[row]
    vectors = embed([text for _, _, text in pool_cells])
    found: dict[str, list[tuple[int, bool, bool]]] = {code: [] for code in cells}
    for query, (row, code, text) in enumerate(pool_cells):
        best, best_cosine, something = -1, -np.inf, False
        for other, (other_row, other_code, other_text) in enumerate(pool_cells):
            right = other_row in means[row]
            if other_text == text or (right and other_code == code):
                continue
            something |= right
            if vectors[query] @ vectors[other] > best_cosine:
                best, best_cosine = other, vectors[query] @ vectors[other]
        if something:
            found[code].append(
                (row, pool_cells[best][0] in means[row], pool_cells[best][1] == code)
            )
    return found


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_a_loop_from_the_definition_finds_the_same(dim: int) -> None:
    embed = lambda texts: random_vectors(texts, dim)  # noqa: E731
    expected, found = by_loop(DIRTY, embed), measured(DIRTY, embed)
    assert list(found) == list(expected)
    for code, measurement in found.items():
        assert list(measurement.items) == [f"row {row}" for row, _, _ in expected[code]]
        assert measurement.columns["accuracy"].tolist() == [right for _, right, _ in expected[code]]
        assert measurement.columns["same_language"].tolist() == [
            same for _, _, same in expected[code]
        ]


def test_a_cell_is_a_query_if_another_language_has_another_text_of_its_meaning() -> None:
    # Row 7 says "f" in English and German and something else in French; row 9 says "7" everywhere.
    # Row 8 is in French only; row 6 is not in English. Rows 0, 3 and 5 have one meaning, and each is
    # a query.
    found = measured(DIRTY, random_vectors)
    assert [item.split()[1] for item in found["eng_Latn"].items] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "7",
        "10",
    ]
    assert [item.split()[1] for item in found["deu_Latn"].items] == [
        "0",
        "1",
        "3",
        "4",
        "5",
        "6",
        "7",
        "10",
    ]
    assert [item.split()[1] for item in found["fra_Latn"].items] == [
        "0",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "10",
    ]


def test_a_row_of_one_cell_is_not_a_query_but_can_be_found_instead_of_the_right_one() -> None:
    alone = {"eng_Latn": [*BY_HAND["eng_Latn"], None], "deu_Latn": [*BY_HAND["deu_Latn"], "deu 1"]}
    found = measured(alone, angles)
    assert [len(found[code].items) for code in alone] == [3, 3]
    assert found["eng_Latn"].columns["accuracy"].tolist() == [0, 0, 1]


def test_equal_texts_are_neither_right_nor_wrong() -> None:
    # "x 0" is the English text of two rows. The German texts of both are right for it, and neither
    # German text finds the other.
    cells = {"eng_Latn": ["x 0", "x 0", "eng 90"], "deu_Latn": ["deu 30", "deu 29", "deu 80"]}
    found = measured(cells, angles)
    assert found["eng_Latn"].columns["accuracy"].tolist() == [1, 1, 1]
    assert found["deu_Latn"].columns["accuracy"].tolist() == [1, 1, 1]
    # An untranslated cell is ignored, and the right answer after it is found.
    cells = {
        "eng_Latn": ["x 0", "eng 90"],
        "deu_Latn": ["x 0", "deu 50"],
        "fra_Latn": ["fra 20", "fra 80"],
    }
    assert measured(cells, angles)["eng_Latn"].columns["accuracy"].tolist() == [1, 1]


@pytest.mark.parametrize("queries_in_a_block", [1, 3, 5])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, queries_in_a_block: int) -> None:
    whole = measured(DIRTY, random_vectors)
    n_cells = sum(len(group) for group in task(DIRTY).texts())
    monkeypatch.setattr(pool, "_BLOCK_ENTRIES", queries_in_a_block * n_cells)
    for code, other in measured(DIRTY, random_vectors).items():
        for metric, values in whole[code].columns.items():
            assert values.tolist() == other.columns[metric].tolist()


def test_permuted_rows_and_languages_change_nothing_but_the_order() -> None:
    # Without texts that are in two languages: these have equal cosines, and the first is found.
    cells = {code: [text and f"{code} {text}" for text in column] for code, column in DIRTY.items()}
    cells["eng_Latn"][8] = None
    order = np.random.default_rng(0).permutation(len(DIRTY["eng_Latn"]))
    moved = {code: [cells[code][row] for row in order] for code in reversed(cells)}
    embed = lambda texts: random_vectors(texts, 2)  # noqa: E731
    plain, permuted = measured(cells, embed), measured(moved, embed)
    assert {value for one in plain.values() for value in one.columns["accuracy"]} == {0.0, 1.0}
    for code, one in plain.items():
        for metric, values in one.columns.items():
            # The items of `moved` are named by position: its row i is row order[i].
            names = [f"row {order[int(item.split()[1])]}" for item in permuted[code].items]
            assert dict(zip(names, permuted[code].columns[metric], strict=True)) == dict(
                zip(one.items, values, strict=True)
            )


def test_an_aligned_encoder_has_no_bias_and_one_that_adds_the_language_has_full_bias() -> None:
    cells = {
        code: [f"{code} {row}" for row in range(30)]
        for code in ("eng_Latn", "deu_Latn", "fra_Latn")
    }

    def aligned(texts: Sequence[str]) -> np.ndarray:
        return random_vectors([text.split()[1] for text in texts])

    def clustered(texts: Sequence[str]) -> np.ndarray:
        return (aligned(texts) + 9 * random_vectors([text.split()[0] for text in texts])) / 10

    for code, measurement in measured(cells, aligned).items():
        assert measurement.metrics == {"accuracy": 1.0, "same_language": 0.0}, code
    for code, measurement in measured(cells, clustered).items():
        assert (
            measurement.metrics["same_language"] == 1.0 - measurement.metrics["accuracy"] == 1.0
        ), code


def test_the_embedded_texts_are_those_that_were_named() -> None:
    texts = {text for group in task(DIRTY).texts() for text in group}
    asked: set[str] = set()
    list(task(DIRTY).measure(lambda some: asked.update(some) or random_vectors(some)))
    assert (
        asked
        == texts
        == {text for column in DIRTY.values() for text in column if text and text.strip()}
    )


def test_a_language_without_a_query_is_not_measured() -> None:
    cells = {**BY_HAND, "swh_Latn": [None, None, "deu 85"], "fra_Latn": [None] * 3}
    assert task(cells).languages == ("eng_Latn", "deu_Latn", "swh_Latn")
    assert len(task(cells).keys) == len(measured(cells, angles)) == 3
    cells["deu_Latn"] = cells["eng_Latn"] = [None, None, "deu 85"]
    with pytest.raises(
        InputError,
        match=r"^pool/x: no row has two different texts in two languages; nothing can be",
    ):
        task(cells)


@pytest.mark.parametrize(
    ("n_rows", "languages", "tasks", "note"),
    [
        (8, "en de fr", ["bitext", "pool"], "language-identity, xsim left out; .* 40 rows each"),
        (40, "en de fr", ["bitext", "pool", "language-identity", "xsim"], ""),
        (40, "en de", ["bitext"], "pool, language-identity, xsim left out; .* or more$"),
    ],
)
def test_the_pool_is_measured_on_few_rows_and_what_is_not_is_named(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    n_rows: int,
    languages: str,
    tasks: list[str],
    note: str,
) -> None:
    caplog.set_level(logging.INFO, "hexapla")
    path, codes = tmp_path / "rows.tsv", languages.split()
    rows = [codes, *([f"{code} {row}" for code in codes] for row in range(n_rows))]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    config = EvaluateConfig(encoder="tiny", out=tmp_path, suite="bitext", data=str(path))
    measured = [task.keys[0][0] for task in read_data(config).tasks]
    assert measured == [f"{task}/rows" for task in tasks]
    assert re.search(f"^rows: {note}" if note else "^$", "".join(caplog.messages))
