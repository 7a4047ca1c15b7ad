"""Neighbours of piles too large to compare each with each: FAISS's IVF-PQ finds candidates, exact cosines rank them.

An inverted file over k-means cells says where to look, product-quantised vectors say who may be
near, and the vectors themselves, read from their memory-mapped files, decide. With GPUs and FAISS's
GPU build the index goes there.

Shapes: S source and T target sentences, D dimensions, K neighbours, C candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hexapla.errors import InputError
from hexapla.mine.search import Neighbours, check_sides, checked_block

_CANDIDATES = 16  # per neighbour, to be ranked exactly
_AT_ONCE = 16_384  # vectors in one call
_CODE_BYTES = 64  # of a vector in the index; 32-dimensional encoders have fewer
_PROBED, _LEAST_PROBED = (
    0.04,
    32,
)  # share of the cells that are searched, and how many of them at least
_LEAST = 16  # vectors that four bits of a code are trained on
_A_CELL = 39  # vectors that k-means wants of each cell at least, as FAISS warns below


def check_size(n_sentences: int, name: str) -> None:
    """Refuse a side that has fewer sentences than a code of the index has values.

    Raises:
        InputError: It has.
    """
    if n_sentences < _LEAST:
        raise InputError(
            f"the {name} has {n_sentences} sentences, and FAISS's index needs {_LEAST} or more; search exactly "
            "(--search exact)"
        )


def nearest_approximately(
    source: NDArray[np.floating], target: NDArray[np.floating], k: int, *, seed: int = 0
) -> tuple[Neighbours, Neighbours]:
    """Find k near neighbours of every source sentence among the target's, and the other way round.

    Args:
        source: (S, D) unit vectors, in memory or memory-mapped.
        target: (T, D) likewise.
        k: Neighbours; at most S and T.
        seed: Of the sample that the index is trained on.

    Returns:
        Those of the source, those of the target; their cosines are exact.

    Raises:
        InputError: `k` out of its range, vectors of unequal dimensions, not finite or not of unit
            length, or no FAISS.
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
    """Index one side, and find near neighbours in it of each shard of the other side.

    Args:
        shards: (S, D) unit vectors each.
        other: (T, D) likewise.
        k: Neighbours; at most T.
        names: Of the sides, for errors.
        seed: Of the sample that the index is trained on.

    Raises:
        InputError: Too few vectors to train an index on, such as are not finite or not of unit
            length, or no FAISS.
    """
    check_size(len(other), names[1])
    index = _index(_import_faiss(), other, names[1], seed)
    for own in shards:
        yield _searched(index, own, other, k, names[0])


def _searched(
    index: Any, own: NDArray[np.floating], other: NDArray[np.floating], k: int, name: str
) -> Neighbours:
    cosine = np.full((len(own), k), -np.inf, dtype=np.float32)
    found = np.zeros((len(own), k), dtype=np.int64)
    n_candidates = min(len(other), _CANDIDATES * k)
    for start in range(0, len(own), _AT_ONCE):
        block = checked_block(own, start, _AT_ONCE, name).numpy()
        _, candidates = index.search(block, n_candidates)
        rows = slice(start, start + len(block))
        cosine[rows], found[rows] = _ranked(block, candidates, other, k)
    return Neighbours(cosine, found)


def _ranked(
    block_BD: NDArray[np.float32],
    candidates_BC: NDArray[np.int64],
    other: NDArray[np.floating],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the k best of the candidates by exact cosine; -1 stands for a candidate that FAISS did not find."""
    distinct, place = np.unique(candidates_BC, return_inverse=True)
    vectors = np.asarray(other[np.maximum(distinct, 0)], dtype=np.float32)
    cosine_BC = np.einsum("bd,bcd->bc", block_BD, vectors[place.reshape(candidates_BC.shape)])
    cosine_BC[candidates_BC < 0] = -np.inf
    order = np.argsort(-cosine_BC, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosine_BC, order, axis=1), np.take_along_axis(
        candidates_BC, order, axis=1
    )


def _index(faiss: Any, vectors: NDArray[np.floating], name: str, seed: int) -> Any:
    """Train an index on a sample and add all vectors, block by block."""
    n_cells = max(1, min(int(4 * len(vectors) ** 0.5), len(vectors) // _A_CELL))
    dim = vectors.shape[1]
    n_codes = next(size for size in range(min(_CODE_BYTES, dim), 0, -1) if dim % size == 0)
    bits = 8 if len(vectors) >= 256 * _A_CELL else 4
    index = faiss.index_factory(dim, f"IVF{n_cells},PQ{n_codes}x{bits}", faiss.METRIC_INNER_PRODUCT)
    index.nprobe = max(_LEAST_PROBED, int(_PROBED * n_cells))
    if faiss.get_num_gpus() > 0:
        index = faiss.index_cpu_to_all_gpus(index)
    sample = np.random.default_rng(seed).permutation(len(vectors))[
        : max(256, n_cells) * 2 * _A_CELL
    ]
    index.train(np.asarray(vectors[np.sort(sample)], dtype=np.float32))
    for start in range(0, len(vectors), _AT_ONCE):
        index.add(checked_block(vectors, start, _AT_ONCE, name).numpy())
    return index


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "search ivf-pq needs FAISS; install it with: pip install 'hexapla[mine]'"
        ) from error
    return faiss
