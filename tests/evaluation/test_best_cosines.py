"""The highest cosines are those of a stable sort, whatever the shape, with ties and without."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from hexapla.evaluation.best_cosines import PART, BestCosines, best_of_columns, best_of_rows


def cosines(n_rows: int, n_columns: int, kind: str) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    if kind == "tied":
        values = np.round(values)
    if kind == "zero":
        values = np.zeros_like(values)
    return values.astype(np.float32)


def sorted_best(matrix: np.ndarray, k: int) -> BestCosines:
    order = np.argsort(-matrix, axis=1, kind="stable")[:, :k]
    return BestCosines(np.take_along_axis(matrix, order, axis=1), order)


def assert_same(found: BestCosines, expected: BestCosines) -> None:
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.cosine, expected.cosine)


@pytest.mark.parametrize("kind", ["random", "tied", "zero"])
@pytest.mark.parametrize("shape", [(64, 50), (61, 64), (16, 96), (4, 40), (40, 4)])
@pytest.mark.parametrize("k", [1, 4])
def test_the_best_are_those_of_a_stable_sort(k: int, shape: tuple[int, int], kind: str) -> None:
    matrix = cosines(*shape, kind)
    given = matrix.copy()
    assert_same(best_of_rows(given, k), sorted_best(matrix, k))
    assert_same(best_of_columns(given, k), sorted_best(matrix.T, k))
    np.testing.assert_array_equal(given, matrix, err_msg="the cosines were not restored")


def test_rows_of_minus_infinity_that_fill_up_a_part_are_not_found() -> None:
    matrix = cosines(61, 50, "random")
    filled = np.full((64, 50), -np.inf, dtype=np.float32)
    assert len(filled) % PART == 0
    filled[:61] = matrix
    assert_same(best_of_columns(filled, 4), sorted_best(matrix.T, 4))


@pytest.mark.parametrize("kind", ["random", "tied"])
def test_the_best_of_blocks_are_merged_to_those_of_the_whole(kind: str) -> None:
    matrix = cosines(50, 40, kind)
    parts = []
    for start in range(0, 50, 3):
        block = matrix[start : start + 3].copy()
        best = best_of_columns(block, min(4, len(block)))
        parts.append(BestCosines(best.cosine, best.index + start))
    assert_same(reduce(lambda one, later: one.merge(later, 4), parts), sorted_best(matrix.T, 4))
    rows = [best_of_rows(matrix[start : start + 3], 4) for start in range(0, 50, 3)]
    assert_same(BestCosines.concatenate(rows), sorted_best(matrix, 4))
