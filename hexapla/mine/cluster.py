"""Mining on a Ray cluster: sentences are encoded and vectors searched in shards, results merged.

Texts and vectors travel through Ray's object store, so the machines need not share a folder, but
the encoder's name must mean the same on all of them. If a machine is lost, Ray repeats its
unfinished tasks.

Shapes: S source and T target sentences, D dimensions, K neighbours.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.mine.approximate import nearest_one_way
from hexapla.mine.search import (
    BestNeighbours,
    Neighbours,
    check_sides,
    checked_block,
    search_blocks,
)
from hexapla.runs.ray_cluster import connect, cores_per_task

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MAX_SHARD = 131_072  # vectors in one Ray object: 100 MB with 384 dimensions

Loading = tuple[tuple[str, Any], ...]
"""The arguments of `load_encoder` by name, which every machine loads the encoder with."""


class Cluster:
    """A Ray cluster that encodes and searches."""

    def __init__(self, n_workers: int, address: str | None, gpus: float) -> None:
        """Connect.

        Args:
            n_workers: Number of tasks that run at once.
            address: Address of the cluster. None means the cluster that this machine belongs to, or
                else a new one on this machine.
            gpus: GPUs that Ray reserves for one task.

        Raises:
            InputError: Ray is not installed, there is no cluster at the address, or no machine has
                the GPUs.
        """
        self._ray = connect(address)
        self._n_ahead = 2 * n_workers
        self._resources = {
            "num_cpus": cores_per_task(self._ray, n_workers, gpus),
            "num_gpus": gpus,
        }

    def encode(
        self, steps: Iterable[list[str]], *, loading: Loading, batch_size: int
    ) -> Iterator[NDArray[np.float16]]:
        """Encode lists of sentences, several at once; yield the (n, D) vectors of each in order."""
        yield from self._in_order(_encode, ((loading, step, batch_size) for step in steps))

    def nearest(
        self, source: NDArray[np.floating], target: NDArray[np.floating], k: int, *, memory_mib: int
    ) -> tuple[Neighbours, Neighbours]:
        """Search as `hexapla.mine.nearest` does, with a task for every two shards.

        Each task keeps to the memory.
        """
        shards = self._shards(source, target, k)
        pairs = [(one, other) for one in range(len(shards[0])) for other in range(len(shards[1]))]
        both = self._in_order(
            search_blocks,
            ((shards[0][one], shards[1][other], k) for one, other in pairs),
            memory_mib=memory_mib,
        )
        of_source, of_target = BestNeighbours(len(source), k), BestNeighbours(len(target), k)
        n_source, n_target = _shard_size(len(source)), _shard_size(len(target))
        for (one, other), (of_one, of_other) in zip(pairs, both, strict=True):
            _merge(of_source, one * n_source, of_one, other * n_target)
            _merge(of_target, other * n_target, of_other, one * n_source)
        return of_source.neighbours(), of_target.neighbours()

    def nearest_approximately(
        self, source: NDArray[np.floating], target: NDArray[np.floating], k: int, *, seed: int = 0
    ) -> tuple[Neighbours, Neighbours]:
        """Search as `approximate.nearest_approximately` does, with an index for each shard."""
        of_source, of_target = self._shards(source, target, k)
        sizes = (len(source), len(target))
        return (
            self._one_way(of_source, of_target, sizes, k, ("source", "target"), seed),
            self._one_way(of_target, of_source, sizes[::-1], k, ("target", "source"), seed),
        )

    def _one_way(
        self,
        shards: list[Any],
        others: list[Any],
        sizes: tuple[int, int],
        k: int,
        names: tuple[str, str],
        seed: int,
    ) -> Neighbours:
        """Return neighbours of the first of two sides of these sizes in the second."""
        best = BestNeighbours(sizes[0], k)
        n_own, n_other = _shard_size(sizes[0]), _shard_size(sizes[1])
        results = self._in_order(
            _search_shards, ((shards, other, k, names, seed) for other in others)
        )
        for place, of_shards in enumerate(results):
            for number, neighbours in enumerate(of_shards):
                _merge(best, number * n_own, neighbours, place * n_other)
        return best.neighbours()

    def _shards(
        self, source: NDArray[np.floating], target: NDArray[np.floating], k: int
    ) -> tuple[list[Any], list[Any]]:
        """Check the vectors of both sides and put them into Ray's object store."""
        check_sides(source, target, k)

        def put(vectors: NDArray[np.floating], name: str) -> list[Any]:
            size = _shard_size(len(vectors))
            return [
                self._ray.put(
                    checked_block(vectors, start, size, name).numpy().astype(vectors.dtype)
                )
                for start in range(0, len(vectors), size)
            ]

        return put(source, "source"), put(target, "target")

    def _in_order(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], **settings: Any
    ) -> Iterator[Any]:
        """Yield the result of every call in order; twice as many calls as workers are under way."""
        remote = self._ray.remote(max_retries=3, **self._resources)(function)
        under_way: deque[Any] = deque()
        for given in arguments:
            under_way.append(remote.remote(*given, **settings))
            if len(under_way) > self._n_ahead:
                yield self._result(under_way.popleft())
        while under_way:
            yield self._result(under_way.popleft())

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, InputError) else error from None


def _shard_size(n_vectors: int) -> int:
    """Return the size of the shards of a side; even ones, because an index needs a few vectors."""
    n_shards = math.ceil(n_vectors / _MAX_SHARD)
    return math.ceil(n_vectors / n_shards)


def _merge(best: BestNeighbours, row: int, neighbours: Neighbours, column: int) -> None:
    best.merge(row, torch.tensor(neighbours.cosine), torch.tensor(neighbours.index) + column)


@lru_cache(maxsize=1)
def _encoder(loading: Loading) -> SentenceTransformer:
    return load_encoder(**dict(loading))


def _encode(loading: Loading, step: list[str], batch_size: int) -> NDArray[np.float16]:
    return encode(_encoder(loading), step, task="BitextMining", batch_size=batch_size).astype(
        np.float16
    )


def _search_shards(
    shards: Sequence[Any], other: NDArray[np.floating], k: int, names: tuple[str, str], seed: int
) -> list[Neighbours]:
    import ray

    own = (ray.get(shard) for shard in shards)
    return list(nearest_one_way(own, other, min(k, len(other)), names=names, seed=seed))
