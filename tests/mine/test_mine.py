"""Neighbours equal those of one matrix product for any block size; pairs equal LASER's loop."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from hexapla.errors import InputError
from hexapla.mine.approximate import build_index, nearest_approximately
from hexapla.mine.margin import Pairs, margin_scores, mine_pairs
from hexapla.mine.search import _best_of_columns, _best_of_rows, block_rows, checked_block, nearest


def unit(n_rows: int, seed: int, dim: int = 24) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n_rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def piles(
    n_source: int, n_target: int, n_parallel: int, noise: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Return two sides whose first sentences translate each other, with noise."""
    source, target = unit(n_source, 0), unit(n_target, 1)
    target[:n_parallel] = source[:n_parallel] + noise * unit(n_parallel, 2)
    return source, target / np.linalg.norm(target, axis=1, keepdims=True)


def laser(
    source: np.ndarray, target: np.ndarray, k: int, margin: str, retrieval: str
) -> list[tuple[int, int, float]]:
    """Mine as LASER's mine_bitexts.py does, one sentence after another."""
    function = {
        "absolute": lambda a, b: a,
        "distance": lambda a, b: a - b,
        "ratio": lambda a, b: a / b,
    }[margin]

    def neighbours(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cosine = x @ y.T
        index = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(cosine, index, axis=1), index

    x2y, x2y_index = neighbours(source, target)
    y2x, y2x_index = neighbours(target, source)
    x2y_mean, y2x_mean = x2y.mean(axis=1), y2x.mean(axis=1)

    def score(i: int, j: int) -> float:
        return float(function(source[i] @ target[j], (x2y_mean[i] + y2x_mean[j]) / 2))

    forward, backward = [], []
    for i in range(len(source)):
        scores = [score(i, j) for j in x2y_index[i]]
        forward.append((i, int(x2y_index[i][int(np.argmax(scores))]), max(scores)))
    for j in range(len(target)):
        scores = [score(i, j) for i in y2x_index[j]]
        backward.append((int(y2x_index[j][int(np.argmax(scores))]), j, max(scores)))
    if retrieval == "forward":
        return sorted(forward, key=lambda pair: -pair[2])
    if retrieval == "backward":
        return sorted(backward, key=lambda pair: -pair[2])
    if retrieval == "intersection":
        there = {pair[:2] for pair in backward}
        return sorted((pair for pair in forward if pair[:2] in there), key=lambda pair: -pair[2])
    seen_source, seen_target, found = set(), set(), []
    for i, j, value in sorted(forward + backward, key=lambda pair: -pair[2]):
        if i not in seen_source and j not in seen_target:
            seen_source.add(i)
            seen_target.add(j)
            found.append((i, j, value))
    return found


@pytest.mark.parametrize("retrieval", ["max", "intersection", "forward", "backward"])
@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
def test_pairs_are_those_of_lasers_loop(margin: str, retrieval: str) -> None:
    source, target = piles(60, 45, 15)
    found = mine_pairs(*nearest(source, target, 4), margin=margin, retrieval=retrieval)  # type: ignore[arg-type]
    expected = laser(source, target, 4, margin, retrieval)
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == [
        pair[:2] for pair in expected
    ]
    np.testing.assert_allclose(found.margin, [pair[2] for pair in expected], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        found.cosine, [source[i] @ target[j] for i, j, _ in expected], rtol=1e-5, atol=1e-6
    )


def test_translations_are_mined_and_come_first() -> None:
    source, target = piles(80, 90, 20)
    found = mine_pairs(*nearest(source, target, 4))
    first = found.above(float(found.margin[19]))
    assert set(zip(first.source.tolist(), first.target.tolist(), strict=True)) == {
        (n, n) for n in range(20)
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_neighbours_do_not_depend_on_the_blocks(
    dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = (side.astype(dtype) for side in piles(700, 300, 100))
    np.save(tmp_path / "target.npy", target)
    mapped = np.load(tmp_path / "target.npy", mmap_mode="r")
    whole = nearest(source, target, 4)
    cosine = source.astype(np.float32) @ target.astype(np.float32).T
    for found, matrix in zip(whole, (cosine, cosine.T), strict=True):
        order = np.argsort(-matrix, axis=1, kind="stable")[:, :4]
        np.testing.assert_array_equal(found.index, order)
        np.testing.assert_allclose(
            found.cosine, np.take_along_axis(matrix, order, axis=1), rtol=1e-5
        )
    monkeypatch.setattr("hexapla.mine.search._MIN_BLOCK", 64)
    monkeypatch.setattr("hexapla.mine.search._MAX_BLOCK", 64)
    for found, same in zip(nearest(source, mapped, 4), whole, strict=True):
        np.testing.assert_array_equal(found.index, same.index)
        np.testing.assert_allclose(found.cosine, same.cosine, rtol=1e-5)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(64, 96), (61, 64), (64, 61), (8, 8), (3, 64)])
def test_the_best_of_a_block_are_those_of_a_sort(n_rows: int, n_columns: int) -> None:
    cosine = torch.randn(n_rows, n_columns, generator=torch.Generator().manual_seed(0))
    for found, matrix in (
        (_best_of_rows(cosine, 4), cosine),
        (_best_of_columns(cosine, 4), cosine.T),
    ):
        values, places = matrix.sort(dim=1, descending=True)
        torch.testing.assert_close(found[0], values[:, :4], rtol=0, atol=0)
        torch.testing.assert_close(found[1], places[:, :4])


def test_the_block_fits_the_memory_and_an_error_names_the_least_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    sizes = [block_rows(1000, 1000, 384, 4, memory_mib=mib) for mib in (40, 64, 160, 4096)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] == 8192
    with pytest.raises(
        InputError, match=r"memory_mib is 1; 100,000 x 100,000 .* with k 4 need \d+ MiB or more"
    ) as error:
        block_rows(100_000, 100_000, 384, 4, memory_mib=1)
    least = int(str(error.value).split(" need ")[1].split()[0])
    assert block_rows(100_000, 100_000, 384, 4, memory_mib=least) == 256


@pytest.mark.slow
def test_the_search_stays_within_its_memory(tmp_path: Path) -> None:
    """Measure how much anonymous memory the search adds to a process; mapped files do not count."""
    code = """
import os, sys, threading
import numpy as np
from hexapla.mine import nearest

def mib():
    status = open("/proc/self/status").read()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024

def search(memory_mib):
    sides = [np.load(path, mmap_mode="r") for path in sys.argv[2:]]
    nearest(sides[0][:300], sides[1][:300], 4)  # libraries have buffers of their own
    before, most, done = mib(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.002):
            most[0] = max(most[0], mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    nearest(*sides, 4, memory_mib=memory_mib)
    done.set()
    watcher.join()
    print(most[0] - before, flush=True)

for memory_mib in map(int, sys.argv[1].split()):  # each in a fork, for memory is kept for reuse
    if not os.fork():
        try:
            search(memory_mib)
        finally:
            os._exit(0)
    os.wait()
"""
    paths = [tmp_path / "source.npy", tmp_path / "target.npy"]
    for seed, path in enumerate(paths):
        np.save(path, unit(20_000, seed, dim=64).astype(np.float16))
    allowed = (48, 128, 448)
    command = [sys.executable, "-c", code, " ".join(map(str, allowed)), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken = [float(line) for line in done.stdout.splitlines()]
    for mib, most in zip(allowed, taken, strict=True):
        assert most <= mib
    assert taken[2] > 128, "with more memory the blocks are larger, or this measured nothing"


def test_an_interrupted_search_continues_from_what_it_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hexapla.mine.search._MIN_BLOCK", 64)
    monkeypatch.setattr("hexapla.mine.search._MAX_BLOCK", 64)
    source, target = piles(500, 300, 100)
    whole = nearest(source, target, 4)
    monkeypatch.setattr("hexapla.mine.search._SAVE_EVERY_S", 0.0)
    saved = tmp_path / "neighbours"
    seen: list[int] = []

    def dying(after: int, vectors: np.ndarray, start: int, n_rows: int, side: str) -> object:
        if side == "source":
            if start >= after:
                raise RuntimeError("killed")
            seen.append(start)
        return checked_block(vectors, start, n_rows, side)

    for after in (130, 300):
        monkeypatch.setattr("hexapla.mine.search.checked_block", partial(dying, after))
        with pytest.raises(RuntimeError, match="killed"):
            nearest(source, target, 4, saved=saved)
    monkeypatch.setattr("hexapla.mine.search.checked_block", partial(dying, 500))
    for found, same in zip(nearest(source, target, 4, saved=saved), whole, strict=True):
        np.testing.assert_array_equal(found.index, same.index)
        np.testing.assert_array_equal(found.cosine, same.cosine)
    assert seen == list(range(0, 500, 64)), "every block once"


@pytest.mark.parametrize("change", ["truncated", "of another k"])
def test_a_saved_search_that_cannot_be_used_is_ignored(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hexapla.mine.search._SAVE_EVERY_S", 0.0)
    source, target = piles(70, 50, 20)
    saved = tmp_path / "neighbours"
    nearest(source, target, 4, saved=saved)
    if change == "truncated":
        saved.write_bytes(saved.read_bytes()[:-100])
    k = 4 if change == "truncated" else 3
    for found, same in zip(
        nearest(source, target, k, saved=saved), nearest(source, target, k), strict=True
    ):
        np.testing.assert_array_equal(found.index, same.index)


def test_a_hub_that_is_near_to_everything_loses_by_ratio_and_wins_by_cosine() -> None:
    cosine = np.array([0.80, 0.75], dtype=np.float32)  # with a hub, and with the translation
    means = np.array([0.78, 0.40], dtype=np.float32)
    by_ratio = margin_scores(cosine, np.float32(0.5), means, "ratio")  # type: ignore[arg-type]
    assert by_ratio.argmax() == 1 and margin_scores(cosine, cosine, means, "absolute").argmax() == 0
    np.testing.assert_allclose(by_ratio, [0.80 / 0.64, 0.75 / 0.45], rtol=1e-6)


def test_vectors_and_settings_that_cannot_be_used_are_refused() -> None:
    source, target = piles(8, 6, 2)
    broken, zero = source.copy(), source.copy()
    broken[3, 0], zero[5] = np.nan, 0
    for changed, k, message in (
        (source, 7, "k is 7; it must be 1 to 6, the size of the smaller side"),
        (source[:, :9], 2, "the sides have 9 and 24 dimensions"),
        (broken, 2, "the source's vector 3 has length nan"),
        (zero, 2, "the source's vector 5 has length 0; vectors must be finite and of unit length"),
    ):
        with pytest.raises(InputError, match=message):
            nearest(changed, target, k)
    with pytest.raises(InputError, match="the sides have 9 and 24 dimensions"):
        nearest_approximately(source[:, :9], target, 2)
    neighbours = nearest(source, target, 2)
    with pytest.raises(InputError, match=r'margin is "ration"; .*did you mean "ratio"\?'):
        mine_pairs(*neighbours, margin="ration")  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r'retrieval is "intersect"; .*did you mean "intersection"\?'
    ):
        mine_pairs(*neighbours, retrieval="intersect")  # type: ignore[arg-type]


def test_a_side_in_which_all_are_equal_gives_one_pair_at_a_margin_of_one() -> None:
    same = np.repeat(unit(1, 0), 6, axis=0)
    found = mine_pairs(*nearest(same, same, 4))
    assert (
        isinstance(found, Pairs)
        and np.allclose(found.margin, 1.0)
        and len(set(found.source.tolist())) == len(found)
    )


def test_codes_are_not_reordered_for_a_search_that_is_never_made() -> None:
    pytest.importorskip("faiss", reason="the extra `mine` is not installed")
    assert not build_index(unit(40, 0), "source", 0).do_polysemous_training


@pytest.mark.slow
def test_approximate_neighbours_of_easy_data_are_the_exact_ones() -> None:
    centres = unit(60, 5, dim=64)
    source, target = (
        side / np.linalg.norm(side, axis=1, keepdims=True)
        for side in (
            np.repeat(centres, 20, axis=0) + 0.4 * unit(1200, seed, dim=64) for seed in (6, 7)
        )
    )
    pytest.importorskip("faiss", reason="the extra `mine` is not installed")
    exact, near = nearest(source, target, 4), nearest_approximately(source, target, 4)
    for whole, found in zip(exact, near, strict=True):
        same = [
            len(set(a) & set(b)) / 4
            for a, b in zip(whole.index.tolist(), found.index.tolist(), strict=True)
        ]
        assert np.mean(same) > 0.95
        sides = (source, target) if found is near[0] else (target, source)
        np.testing.assert_allclose(
            found.cosine, np.einsum("nd,nkd->nk", sides[0], sides[1][found.index]), rtol=1e-5
        )
        assert (np.diff(found.cosine, axis=1) <= 0).all()
