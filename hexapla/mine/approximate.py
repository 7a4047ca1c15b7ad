"""Nearest neighbours of sides that are too large for an exact search, by FAISS's IVF-PQ.

An inverted file over k-means cells says where to search, and product-quantised vectors propose
candidates. The vectors themselves, read from their memory-mapped files, give exact cosines, which
rank the candidates. Where there are GPUs and FAISS's GPU build, the index is on the GPUs.

Shapes: S source and T target sentences, D dimensions, K neighbours, C candidates, B rows of a
block, N distinct candidates of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hexapla.mine.check_search import check_indexed, import_faiss
from hexapla.mine.search import Neighbours, check_sides, checked_block

_CANDIDATES_PER_NEIGHBOUR = 16
_ROWS_PER_CALL = 16_384
_MAX_CODE_BYTES = 64  # of one vector in the index; encoders of 32 dimensions have 32
_PROBED_SHARE, _MIN_PROBED = 0.04, 32  # of the cells, how many are searched
_CODE_ROUNDS = 10  # of the k-means of the codes
_MIN_PER_CELL = 39  # training vectors; with fewer for each cell, FAISS's k-means warns


def nearest_approximately(
    source: NDArray[np.floating], target: NDArray[np.floating], k: int, *, seed: int = 0
) -> tuple[Neighbours, Neighbours]:
    """Find k near neighbours of every source sentence in the target, and the reverse.

    Args:
        source: (S, D) unit vectors, in memory or memory-mapped.
        target: (T, D) likewise.
        k: Number of neighbours, at most S and T.
        seed: Seed of the sample that the index is trained on.

    Returns:
        The neighbours of the source and those of the target. Their cosines are exact.

    Raises:
        InputError: `k` is out of range, the dimensions differ, a vector is not finite or not of
            unit length, or FAISS is not installed.
    """
    check_sides(source, target, k)
    (of_source,) = nearest_one_way([source], target, k, names=("source", "target"), seed=seed)
    (of_target,) = nearest_one_way([target], source, k, names=("target", "source"), seed=seed)
    return of_source, of_target


def nearest_one_way(
    shards: Iterable[NDArray[np.floating]],
    other: NDArray[np.floating],
    k: int,
    *,
    names: tuple[str, str],
    seed: int,
) -> Iterator[Neighbours]:
    """Index one side, and find near neighbours in it for each shard of the other side.

    Args:
        shards: (S, D) unit vectors each.
        other: (T, D) unit vectors, which are indexed.
        k: Number of neighbours, at most T.
        names: Names of the two sides, for errors.
        seed: Seed of the sample that the index is trained on.

    Raises:
        InputError: There are too few vectors to train an index, one is not finite or not of unit
            length, or FAISS is not installed.
    """
    check_indexed(len(other), names[1])
    index = build_index(other, names[1], seed)
    for own in shards:
        yield search_index(index, own, other, k, names[0])


def build_index(vectors: NDArray[np.floating], name: str, seed: int) -> Any:
    """Return a FAISS index of (N, D) unit vectors, trained on a sample of them.

    Args:
        vectors: The vectors, which are added block by block.
        name: Name of the side, for errors.
        seed: Seed of the sample.

    Raises:
        InputError: A vector is not finite or not of unit length, or FAISS is not installed.
    """
    faiss = import_faiss()
    n_cells = max(1, min(int(4 * len(vectors) ** 0.5), len(vectors) // _MIN_PER_CELL))
    dim = vectors.shape[1]
    n_codes = next(size for size in range(min(_MAX_CODE_BYTES, dim), 0, -1) if dim % size == 0)
    bits = 8 if len(vectors) >= 256 * _MIN_PER_CELL else 4
    index = faiss.index_factory(dim, f"IVF{n_cells},PQ{n_codes}x{bits}", faiss.METRIC_INNER_PRODUCT)
    # FAISS would reorder the codes so that their bits can be compared, which takes longer than all
    # else here and which no search here uses.
    index.do_polysemous_training = False
    # FAISS's own 25 rounds over 256 vectors a value take five times as long, for no more recall.
    index.pq.cp.niter = _CODE_ROUNDS
    index.pq.cp.max_points_per_centroid = _MIN_PER_CELL
    index.nprobe = max(_MIN_PROBED, int(_PROBED_SHARE * n_cells))
    if faiss.get_num_gpus() > 0:
        index = faiss.index_cpu_to_all_gpus(index)
    n_sampled = max(256, n_cells) * 2 * _MIN_PER_CELL
    sample = np.random.default_rng(seed).permutation(len(vectors))[:n_sampled]
    index.train(np.asarray(vectors[np.sort(sample)], dtype=np.float32))
    for start in range(0, len(vectors), _ROWS_PER_CALL):
        index.add(checked_block(vectors, start, _ROWS_PER_CALL, name).numpy())
    return index


def search_index(
    index: Any, own: NDArray[np.floating], other: NDArray[np.floating], k: int, name: str
) -> Neighbours:
    """Return near neighbours of one side's vectors in an index of the other side.

    Args:
        index: An index of `other`, from `build_index`.
        own: (S, D) unit vectors.
        other: (T, D) unit vectors.
        k: Number of neighbours, at most T.
        name: Name of the side of `own`, for errors.

    Raises:
        InputError: A vector is not finite or not of unit length.
    """
    cosine_SK = np.full((len(own), k), -np.inf, dtype=np.float32)
    index_SK = np.zeros((len(own), k), dtype=np.int64)
    n_candidates = min(len(other), _CANDIDATES_PER_NEIGHBOUR * k)
    for start in range(0, len(own), _ROWS_PER_CALL):
        block_BD = checked_block(own, start, _ROWS_PER_CALL, name).numpy()
        _, candidates_BC = index.search(block_BD, n_candidates)
        rows = slice(start, start + len(block_BD))
        cosine_SK[rows], index_SK[rows] = _rank(block_BD, candidates_BC, other, k)
    return Neighbours(cosine_SK, index_SK)


def _rank(
    block_BD: NDArray[np.float32],
    candidates_BC: NDArray[np.int64],
    other: NDArray[np.floating],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the k best candidates by exact cosine, (B, K) each: cosines and rows.

    A candidate of -1 is one that FAISS did not find.
    """
    distinct_N, place = np.unique(candidates_BC, return_inverse=True)
    vectors_ND = np.asarray(other[np.maximum(distinct_N, 0)], dtype=np.float32)
    cosine_BC = np.einsum("bd,bcd->bc", block_BD, vectors_ND[place.reshape(candidates_BC.shape)])
    cosine_BC[candidates_BC < 0] = -np.inf
    order_BK = np.argsort(-cosine_BC, axis=1, kind="stable")[:, :k]
    return (
        np.take_along_axis(cosine_BC, order_BK, axis=1),
        np.take_along_axis(candidates_BC, order_BK, axis=1),
    )
