"""Vectors of two sides -> the exact nearest neighbours of each in the other, in bounded memory.

Cosines are computed once, block by block, for both directions: the rows of a block give neighbours
of the source, its columns give neighbours of the target. On a CPU with instructions for bfloat16
they are computed in it, and again in float32 where that may matter. Vectors may be in memory-mapped
files and in float16; they are read block by block. What is known so far is written to a file once a
minute, so an interruption costs a minute.

Shapes: S source and T target sentences, D dimensions, K neighbours, B rows or columns of one block.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hexapla.encoder.precision import cpu_has_bf16
from hexapla.errors import InputError
from hexapla.mine.candidates import RoundedBlock, find_candidates
from hexapla.runs.atomic import write_beside

_MIN_BLOCK = 256  # rows; a product of fewer is mostly overhead
_MAX_BLOCK = 8192  # rows; a product of more is not faster
_PARTS = 8  # values of which one maximum is taken first, when the best of a block are searched for
_MIB = 2**20
_WORKSPACE = 16 * _MIB  # of one thread
_SAVE_EVERY_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest sentences of the other side, the nearest first.

    Attributes:
        cosine: (S, K) cosines, in descending order.
        index: (S, K) rows of the other side.
    """

    cosine: NDArray[np.float32]
    index: NDArray[np.int64]


def nearest(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    k: int,
    *,
    memory_mib: int = 2048,
    saved: Path | None = None,
) -> tuple[Neighbours, Neighbours]:
    """Find the k nearest neighbours of every source sentence in the target, and the reverse.

    The search is a sixth faster if OPENBLAS_THREAD_TIMEOUT is 4 before NumPy is imported, as the
    command line sets it: the threads of OpenBLAS then do not stay busy while PyTorch's work.

    Args:
        source: (S, D) unit vectors, in memory or memory-mapped.
        target: (T, D) likewise.
        k: Number of neighbours, at most S and T.
        memory_mib: Memory for the search, besides the given vectors.
        saved: File for what is known so far. A search of the same vectors continues from it.

    Returns:
        The neighbours of the source and those of the target.

    Raises:
        InputError: `k` is out of range, the dimensions differ, the memory is too small, or a vector
            is not finite or not of unit length; the first of these is named.
    """
    check_sides(source, target, k)
    return search_blocks(source, target, k, memory_mib=memory_mib, saved=saved)


def search_blocks(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    k: int,
    *,
    memory_mib: int,
    saved: Path | None = None,
) -> tuple[Neighbours, Neighbours]:
    """Search as `nearest` does, also where a side has fewer than k sentences.

    Neighbours that do not exist come last, with a cosine of -inf.
    """
    n_rows = block_rows(len(source), len(target), source.shape[1], k, memory_mib)
    # Room for the cosines of one block. Allocating it for each block costs as much as the product.
    room = torch.empty(n_rows * n_rows)
    of_source, of_target = BestNeighbours(len(source), k), BestNeighbours(len(target), k)
    first = 0 if saved is None else _load(saved, of_source, of_target)
    last_saved = time.monotonic()
    in_bf16 = cpu_has_bf16()
    for start in range(first, len(source), n_rows):
        source_BD = checked_block(source, start, n_rows, "source")
        if in_bf16:
            rounded = RoundedBlock.of(source_BD)
        for other in range(0, len(target), n_rows):
            if start == first:
                target_BD = checked_block(target, other, n_rows, "target")
            else:
                target_BD = _block(target, other, n_rows)
            found = None
            if in_bf16:
                of_both = of_source.kth(start, n_rows), of_target.kth(other, n_rows)
                found = find_candidates(rounded, RoundedBlock.of(target_BD), *of_both, k, room)
            if found is None:
                best_of_rows, best_of_columns = _best_of_product(source_BD, target_BD, k, room)
                of_source.merge(start, best_of_rows[0], best_of_rows[1] + other)
                of_target.merge(other, best_of_columns[0], best_of_columns[1] + start)
            else:
                of_source.insert(start, other, *found[0])
                of_target.insert(other, start, *found[1])
        if saved is not None and time.monotonic() - last_saved >= _SAVE_EVERY_S:
            _save(saved, start + n_rows, of_source, of_target)
            last_saved = time.monotonic()
    return of_source.neighbours(), of_target.neighbours()


def check_sides(source: NDArray[np.floating], target: NDArray[np.floating], k: int) -> None:
    """Refuse sides that cannot be searched for k neighbours.

    Raises:
        InputError: `k` is out of range, or the dimensions differ.
    """
    n_smaller = min(len(source), len(target))
    if not 1 <= k <= n_smaller:
        raise InputError(f"k is {k}; it must be 1 to {n_smaller}, the size of the smaller side")
    if source.shape[1] != target.shape[1]:
        raise InputError(
            f"the sides have {source.shape[1]} and {target.shape[1]} dimensions; encode both alike"
        )


def block_rows(n_source: int, n_target: int, dim: int, k: int, memory_mib: int) -> int:
    """Return how many rows and columns a block may have.

    Raises:
        InputError: Even the smallest block does not fit. The memory that it needs is named.
    """
    # The neighbours, each a float32 and an int64, and the buffers of OpenBLAS for its operands.
    fixed = 12 * k * (n_source + n_target) + _WORKSPACE * torch.get_num_threads()

    def needed(n_rows: int) -> int:
        # The cosines, the maximum of each part twice, the vectors of both sides in float32 and
        # bfloat16, and the candidates with their places.
        return fixed + (4 + 8 // _PARTS) * n_rows**2 + 18 * n_rows * dim + 24 * _PARTS * k * n_rows

    if needed(_MIN_BLOCK) > memory_mib * _MIB:
        raise InputError(
            f"memory_mib is {memory_mib}; {n_source:,} x {n_target:,} sentences of {dim} "
            f"dimensions with k {k} need {-(-needed(_MIN_BLOCK) // _MIB)} MiB or more"
        )
    n_rows = _MIN_BLOCK
    while n_rows < _MAX_BLOCK and needed(2 * n_rows) <= memory_mib * _MIB:
        n_rows *= 2
    return n_rows


class BestNeighbours:
    """The best neighbours so far of every row of one side.

    Attributes:
        cosine: (S, K) cosines, in descending order; -inf where there is no neighbour yet.
        index: (S, K) rows of the other side.
    """

    def __init__(self, n_rows: int, k: int) -> None:
        self._k = k
        self.cosine = torch.full((n_rows, k), -torch.inf)
        self.index = torch.zeros((n_rows, k), dtype=torch.int64)

    def merge(self, row: int, cosine_BK: torch.Tensor, index_BK: torch.Tensor) -> None:
        """Merge further neighbours of consecutive rows.

        Args:
            row: The first of the rows.
            cosine_BK: (B, K) cosines, in descending order.
            index_BK: (B, K) rows of the other side, higher than those of all earlier calls.
        """
        rows = slice(row, row + len(cosine_BK))
        # Of equal cosines, the earlier neighbour stays first.
        cosine = torch.cat([self.cosine[rows], cosine_BK], dim=1)
        index = torch.cat([self.index[rows], index_BK], dim=1)
        order_BK = torch.argsort(cosine, dim=1, descending=True, stable=True)[:, : self._k]
        self.cosine[rows], self.index[rows] = cosine.gather(1, order_BK), index.gather(1, order_BK)

    def kth(self, row: int, n_rows: int) -> NDArray[np.float32]:
        """Return the k-th best cosine so far of each of some consecutive rows, or -inf."""
        return self.cosine[row : row + n_rows, -1].numpy()

    def insert(
        self,
        row: int,
        other: int,
        row_N: NDArray[np.int64],
        other_N: NDArray[np.int64],
        cosine_N: NDArray[np.float32],
    ) -> None:
        """Insert further pairs, in any order.

        Args:
            row: The row that the pairs' rows are counted from.
            other: The row of the other side that the pairs' others are counted from, higher than
                those of all earlier calls.
            row_N: (N,) rows.
            other_N: (N,) rows of the other side.
            cosine_N: (N,) cosines.
        """
        # A pair that is as near as the k-th neighbour would come after it.
        is_better_N = cosine_N > self.cosine[row:, -1].numpy()[row_N]
        changed, place = np.unique(row + row_N[is_better_N], return_inverse=True)
        cosine, index = self.cosine.numpy(), self.index.numpy()
        place = np.concatenate([np.repeat(np.arange(len(changed)), self._k), place])
        every_cosine = np.concatenate([cosine[changed].ravel(), cosine_N[is_better_N]])
        every_index = np.concatenate([index[changed].ravel(), other + other_N[is_better_N]])
        order = np.lexsort((every_index, -every_cosine, place))
        first = np.searchsorted(place[order], np.arange(len(changed)))
        best = order[first[:, None] + np.arange(self._k)]
        cosine[changed], index[changed] = every_cosine[best], every_index[best]

    def neighbours(self) -> Neighbours:
        """Return the best neighbours as arrays."""
        return Neighbours(self.cosine.numpy(), self.index.numpy())


def _best_of_product(
    source_BD: torch.Tensor, target_BD: torch.Tensor, k: int, room: torch.Tensor
) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return the k highest cosines of each source and of each target vector, with their places."""
    cosine_BB = room[: len(source_BD) * len(target_BD)].view(len(source_BD), len(target_BD))
    # NumPy multiplies with OpenBLAS, which is a sixth faster than PyTorch on two cores of an AMD
    # EPYC.
    np.matmul(source_BD.numpy(), target_BD.numpy().T, out=cosine_BB.numpy())
    return _best_of_rows(cosine_BB, k), _best_of_columns(cosine_BB, k)


def _best_of_rows(cosine_BB: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k highest cosines of each row, (B, K) in descending order, and their columns.

    If there are fewer than k columns, there are fewer. Each row is split into parts of `_PARTS`
    values; the k parts with the highest maxima contain the k highest values.
    """
    n_rows, n_columns = cosine_BB.shape
    n_parts = n_columns // _PARTS
    if n_columns % _PARTS or n_parts < k:
        return cosine_BB.topk(min(k, n_columns), dim=1)
    parts_BK = (
        cosine_BB.view(n_rows, _PARTS, n_parts).amax(dim=1).topk(k, dim=1, sorted=False).indices
    )
    column_BC = (parts_BK[:, :, None] + torch.arange(0, n_columns, n_parts)).flatten(1)
    cosine_BK, place_BK = cosine_BB.gather(1, column_BC).topk(k, dim=1)
    return cosine_BK, column_BC.gather(1, place_BK)


def _best_of_columns(cosine_BB: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k highest cosines of each column, and their rows.

    The same as `_best_of_rows` of the transpose, without a copy of it.
    """
    n_rows, n_columns = cosine_BB.shape
    n_parts = n_rows // _PARTS
    if n_rows % _PARTS or n_parts < k:
        return cosine_BB.T.topk(min(k, n_rows), dim=1)
    maxima = cosine_BB.view(_PARTS, n_parts, n_columns).amax(dim=0).T.contiguous()
    parts_BK = maxima.topk(k, dim=1, sorted=False).indices
    row_BC = (parts_BK[:, :, None] + torch.arange(0, n_rows, n_parts)).flatten(1)
    flat_BC = row_BC * n_columns + torch.arange(n_columns)[:, None]
    cosine_BK, place_BK = cosine_BB.flatten()[flat_BC].topk(k, dim=1)
    return cosine_BK, row_BC.gather(1, place_BK)


def _save(path: Path, n_done: int, of_source: BestNeighbours, of_target: BestNeighbours) -> None:
    """Write the neighbours known after the first rows of the source."""
    tensors = {
        "n_done": torch.tensor(n_done),
        "source_cosine": of_source.cosine,
        "source_index": of_source.index,
        "target_cosine": of_target.cosine,
        "target_index": of_target.index,
    }
    with write_beside(path) as partial:
        save_file(tensors, partial)


def _load(path: Path, of_source: BestNeighbours, of_target: BestNeighbours) -> int:
    """Load the neighbours of an interrupted search; return how many source rows are done."""
    if not path.is_file():
        return 0
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        _log.warning("%s cannot be read (%s): the search starts again", path, error)
        return 0
    shapes = [tensors[f"{side}_index"].shape for side in ("source", "target")]
    if shapes != [of_source.index.shape, of_target.index.shape]:
        return 0  # a search with another k
    of_source.cosine, of_source.index = tensors["source_cosine"], tensors["source_index"]
    of_target.cosine, of_target.index = tensors["target_cosine"], tensors["target_index"]
    return int(tensors["n_done"])


def _block(vectors: NDArray[np.floating], start: int, n_rows: int) -> torch.Tensor:
    """Return a block of (N, D) vectors as (B, D) float32, without checking them."""
    return torch.from_numpy(np.array(vectors[start : start + n_rows], dtype=np.float32))


def checked_block(
    vectors: NDArray[np.floating], start: int, n_rows: int, side: str
) -> torch.Tensor:
    """Return a block of (N, D) vectors as (B, D) float32.

    Raises:
        InputError: A vector is not finite or not of unit length.
    """
    block_BD = _block(vectors, start, n_rows)
    length_B = block_BD.norm(dim=1)
    # The tolerance is for float16 and bfloat16. A NaN is not below it either.
    is_wrong_B = ~((length_B - 1).abs() < 0.01)
    if bool(is_wrong_B.any()):
        row = int(torch.nonzero(is_wrong_B)[0])
        raise InputError(
            f"the {side}'s vector {start + row} has length {float(length_B[row]):.3g}; "
            "vectors must be finite and of unit length, so encode again"
        )
    return block_BD
