"""Neighbours found by bfloat16 are those of a float32 search, for near-ties, duplicates and signs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hexapla.mine import candidates
from hexapla.mine.candidates import RoundedBlock, error_bound
from hexapla.mine.search import nearest

K = 4


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sides(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return 333 and 219 vectors, which blocks of 128 do not divide."""
    generator = np.random.default_rng(0)
    centres = unit(generator.normal(size=(5, 48)))
    source, target = (
        unit(centres[generator.integers(5, size=n)] + 0.1 * generator.normal(size=(n, 48)))
        for n in (333, 219)
    )
    if kind == "nearer to each other than bfloat16 can tell":
        source, target = (unit(centres[0] + 1e-3 * side) for side in (source, target))
    if kind == "rounding loses the most":
        # 63 values of 1/8 with signs, rounded down from just below the middle to the next bfloat16
        # number, except in every second target; and one other value.
        (source, target), almost_up = (np.sign(side) for side in (source, target)), 0.999 * 2**-8
        source, target = (
            np.concatenate(
                [np.tile(side, 2)[:, :63] / 8, generator.uniform(0, 0.05, (len(side), 1))], axis=1
            ).astype(np.float32)
            for side in (source, target)
        )
        source[:, :63] *= 1 + almost_up
        target[::2, :63] *= 1 + almost_up
    if kind == "duplicates":
        target = target[generator.integers(40, size=len(target))]
    if kind == "lengths of 0.991 to 1.009":
        source, target = (
            side * generator.uniform(0.991, 1.009, size=(len(side), 1)).astype(np.float32)
            for side in (source, target)
        )
    if kind == "negative cosines":
        source = np.concatenate([-unit(np.abs(source[:200])), source[200:]])
        target = unit(np.abs(target))
    return source, target


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Search by bfloat16 in blocks of 128 on any CPU; return whether each block gave pairs."""
    blocks: list[bool] = []

    def recorded(*given: object) -> object:
        pairs = candidates.find_candidates(*given)  # type: ignore[arg-type]
        blocks.append(pairs is not None)
        return pairs

    monkeypatch.setattr("hexapla.mine.search.cpu_has_bf16", lambda: True)
    monkeypatch.setattr("hexapla.mine.search.find_candidates", recorded)
    monkeypatch.setattr("hexapla.mine.search._MIN_BLOCK", 128)
    monkeypatch.setattr("hexapla.mine.search._MAX_BLOCK", 128)
    return blocks


@pytest.mark.parametrize(
    "kind",
    [
        "clusters",
        "nearer to each other than bfloat16 can tell",
        "rounding loses the most",
        "duplicates",
        "lengths of 0.991 to 1.009",
        "negative cosines",
    ],
)
def test_no_neighbour_is_missed(
    kind: str, found: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_MAX_SHARE", 2.0)  # however many pairs there are
    source, target = sides(kind)
    # The product of equal vectors is the same to ten digits only.
    cosine = np.round(source.astype(np.float64) @ target.astype(np.float64).T, 10)
    for neighbours, matrix in zip(nearest(source, target, K), (cosine, cosine.T), strict=True):
        order = np.argsort(-matrix, axis=1, kind="stable")[:, :K]
        best = np.take_along_axis(matrix, order, axis=1)
        np.testing.assert_allclose(neighbours.cosine, best, atol=3e-7)
        chosen = np.take_along_axis(matrix, neighbours.index, axis=1)
        np.testing.assert_allclose(chosen, best, atol=3e-7)
        if kind != "nearer to each other than bfloat16 can tell":
            np.testing.assert_array_equal(neighbours.index, order)
    assert found == [True] * 6, "three blocks of the source, two of the target"


def test_a_block_with_too_many_candidates_is_multiplied_in_float32(found: list[bool]) -> None:
    source, target = sides("nearer to each other than bfloat16 can tell")
    for neighbours, matrix in zip(
        nearest(source, target, K), (source @ target.T, target @ source.T), strict=True
    ):
        best = -np.sort(-matrix, axis=1)[:, :K]
        np.testing.assert_allclose(neighbours.cosine, best, atol=3e-7)
    assert not any(found)


@pytest.mark.parametrize("dim", [32, 1024])
def test_cosines_in_bfloat16_are_within_the_bound_and_the_bound_is_tight(dim: int) -> None:
    generator = np.random.default_rng(0)
    vectors = unit(np.abs(generator.normal(size=(200, dim))))  # errors of one sign add up
    # Between two bfloat16 numbers rounding takes the most, and here always the same way.
    value = 2.0 ** np.floor(np.log2(dim**-0.5)) * (1 + 0.999 * 2.0**-8)
    worst = np.full((1, dim), value, dtype=np.float32)
    for block in (vectors, worst):
        rounded = RoundedBlock.of(torch.from_numpy(block))
        product = rounded.rounded.float() @ rounded.rounded.float().T
        exact = block.astype(np.float64) @ block.astype(np.float64).T
        wrong = np.abs(product.numpy()[: len(block), : len(block)] - exact).max()
        bound = error_bound(rounded, rounded)
        assert wrong <= bound
    assert wrong > 0.9 * bound, "the last block comes as near as can be"
