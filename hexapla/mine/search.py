"""Vectors of two piles of sentences -> the nearest neighbours of each in the other, exactly, within a memory budget.

Cosines are computed once, block by block, for both directions: a block's rows give neighbours of
the source, its columns those of the target. Vectors may lie in memory-mapped files and in float16;
a block of them is read at a time. What is found is kept in a file now and then, so that a kill
costs a minute.

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

from hexapla.errors import InputError

_LEAST_BLOCK = 256  # rows; of fewer, a product is mostly overhead
_MOST_BLOCK = 8192  # of more, no product is faster
_PARTS = 8  # cells of one maximum, when the best of a block are looked for
_MIB = 2**20
_WORKSPACE = 16 * _MIB  # of a thread
_KEPT_EVERY = 60.0  # seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest sentences of the other side, the nearest first.

    Attributes:
        cosine: (S, K) in descending order.
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
    kept: Path | None = None,
) -> tuple[Neighbours, Neighbours]:
    """Find the k nearest neighbours of every source sentence among the target's, and the other way round.

    It is a sixth faster where OPENBLAS_THREAD_TIMEOUT is 4 before NumPy is imported, as the command
    line has it: the threads of OpenBLAS then do not stay busy while PyTorch's work.

    Args:
        source: (S, D) unit vectors, in memory or memory-mapped.
        target: (T, D) likewise.
        k: Neighbours; at most S and T.
        memory_mib: What it may take besides the vectors that are given.
        kept: A file for what is found so far, which must be of these vectors; the search goes on
            from what it holds.

    Returns:
        Those of the source, those of the target.

    Raises:
        InputError: `k` out of its range, vectors of unequal dimensions, too little memory, or
            vectors that are not finite or not of unit length; the first of them is named.
    """
    check_sides(source, target, k)
    return compare(source, target, k, memory_mib=memory_mib, kept=kept)


def compare(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    k: int,
    *,
    memory_mib: int,
    kept: Path | None = None,
) -> tuple[Neighbours, Neighbours]:
    """Do as `nearest` of sides that may have fewer than k: what nothing fills comes last, with a cosine of -inf."""
    n_rows = block_rows(len(source), len(target), source.shape[1], k, memory_mib)
    room = torch.empty(
        n_rows * n_rows
    )  # of one block's cosines; taken anew each time it costs as much as the product
    of_source, of_target = Best(len(source), k), Best(len(target), k)
    first = 0 if kept is None else _take_up(kept, of_source, of_target)
    written = time.monotonic()
    for start in range(first, len(source), n_rows):
        source_BD = checked_block(source, start, n_rows, "source")
        for other in range(0, len(target), n_rows):
            read = checked_block if start == first else _block
            target_BD = read(target, other, n_rows, "target")
            cosine_BB = room[: len(source_BD) * len(target_BD)].view(len(source_BD), len(target_BD))
            # NumPy's product is OpenBLAS's, a sixth faster than PyTorch's on two cores of an AMD
            # EPYC.
            np.matmul(source_BD.numpy(), target_BD.numpy().T, out=cosine_BB.numpy())
            cosine_BK, column_BK = _best_of_rows(cosine_BB, k)
            of_source.merge(start, cosine_BK, column_BK + other)
            cosine_BK, row_BK = _best_of_columns(cosine_BB, k)
            of_target.merge(other, cosine_BK, row_BK + start)
        if kept is not None and time.monotonic() - written >= _KEPT_EVERY:
            _keep(kept, start + n_rows, of_source, of_target)
            written = time.monotonic()
    return of_source.neighbours(), of_target.neighbours()


def check_sides(source: NDArray[np.floating], target: NDArray[np.floating], k: int) -> None:
    """Refuse sides that cannot be searched for k neighbours.

    Raises:
        InputError: `k` out of its range, or vectors of unequal dimensions.
    """
    if not 1 <= k <= min(len(source), len(target)):
        raise InputError(
            f"k is {k}; it must be 1 to {min(len(source), len(target))}, the size of the smaller side"
        )
    if source.shape[1] != target.shape[1]:
        raise InputError(
            f"the sides have {source.shape[1]} and {target.shape[1]} dimensions; encode both alike"
        )


def block_rows(n_source: int, n_target: int, dim: int, k: int, memory_mib: int) -> int:
    """Return how many rows and columns a block may have.

    Raises:
        InputError: Not even the smallest block fits; with the least that does.
    """
    # The neighbours, a float32 and an int64 each, and what OpenBLAS packs its operands into.
    fixed = 12 * k * (n_source + n_target) + _WORKSPACE * torch.get_num_threads()

    def needed(n_rows: int) -> int:
        # The cosines; of each part the greatest, twice; both sides' vectors; candidates with their
        # places.
        return fixed + (4 + 8 // _PARTS) * n_rows**2 + 12 * n_rows * dim + 24 * _PARTS * k * n_rows

    if needed(_LEAST_BLOCK) > memory_mib * _MIB:
        raise InputError(
            f"memory is {memory_mib} MiB; {n_source:,} x {n_target:,} sentences of {dim} dimensions with k {k} need "
            f"{-(-needed(_LEAST_BLOCK) // _MIB)} MiB or more"
        )
    n_rows = _LEAST_BLOCK
    while n_rows < _MOST_BLOCK and needed(2 * n_rows) <= memory_mib * _MIB:
        n_rows *= 2
    return n_rows


class Best:
    """The best so far of every row of one side."""

    def __init__(self, n_rows: int, k: int) -> None:
        self._k = k
        self.cosine = torch.full((n_rows, k), -torch.inf)
        self.index = torch.zeros((n_rows, k), dtype=torch.int64)

    def merge(self, row: int, found: torch.Tensor, columns: torch.Tensor) -> None:
        """Take up cosines and columns, the best first, of the rows from one on; the columns rise from call to call."""
        rows = slice(row, row + len(found))
        # Of equal cosines that which was there stands first.
        cosine = torch.cat([self.cosine[rows], found], dim=1)
        index = torch.cat([self.index[rows], columns], dim=1)
        order = torch.argsort(cosine, dim=1, descending=True, stable=True)[:, : self._k]
        self.cosine[rows], self.index[rows] = cosine.gather(1, order), index.gather(1, order)

    def neighbours(self) -> Neighbours:
        """Return them."""
        return Neighbours(self.cosine.numpy(), self.index.numpy())


def _best_of_rows(cosine_BB: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k highest of each row, (B, k) in descending order, and their columns; fewer if there are fewer.

    Each row is dealt into columns of `_PARTS`; the k of the highest maxima hold the k highest of
    all.
    """
    n_rows, n_columns = cosine_BB.shape
    n_parts = n_columns // _PARTS
    if n_columns % _PARTS or n_parts < k:
        return cosine_BB.topk(min(k, n_columns), dim=1)
    parts_BK = (
        cosine_BB.view(n_rows, _PARTS, n_parts).amax(dim=1).topk(k, dim=1, sorted=False).indices
    )
    columns = (parts_BK[:, :, None] + torch.arange(0, n_columns, n_parts)).flatten(1)
    found, place = cosine_BB.gather(1, columns).topk(k, dim=1)
    return found, columns.gather(1, place)


def _best_of_columns(cosine_BB: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k highest of each column, and their rows, as `_best_of_rows` of the transpose, with no copy of it."""
    n_rows, n_columns = cosine_BB.shape
    n_parts = n_rows // _PARTS
    if n_rows % _PARTS or n_parts < k:
        return cosine_BB.T.topk(min(k, n_rows), dim=1)
    maxima = cosine_BB.view(_PARTS, n_parts, n_columns).amax(dim=0).T.contiguous()
    parts_BK = maxima.topk(k, dim=1, sorted=False).indices
    rows = (parts_BK[:, :, None] + torch.arange(0, n_rows, n_parts)).flatten(1)
    flat = rows * n_columns + torch.arange(n_columns)[:, None]
    found, place = cosine_BB.flatten()[flat].topk(k, dim=1)
    return found, rows.gather(1, place)


def _keep(path: Path, n_done: int, of_source: Best, of_target: Best) -> None:
    """Write what is found for the first rows of the source, whole."""
    beside = path.with_name(f".{path.name}.partial")
    save_file(
        {
            "n_done": torch.tensor(n_done),
            "source_cosine": of_source.cosine,
            "source_index": of_source.index,
            "target_cosine": of_target.cosine,
            "target_index": of_target.index,
        },
        beside,
    )
    beside.replace(path)


def _take_up(path: Path, of_source: Best, of_target: Best) -> int:
    """Take up what a file holds of an interrupted search; return how many rows of the source it is of."""
    if not path.is_file():
        return 0
    try:
        found = load_file(path)
    except SafetensorError as error:
        _log.warning("%s cannot be read (%s): the search begins anew", path, error)
        return 0
    shapes = [found[f"{side}_index"].shape for side in ("source", "target")]
    if shapes != [of_source.index.shape, of_target.index.shape]:
        return 0  # another k
    of_source.cosine, of_source.index = found["source_cosine"], found["source_index"]
    of_target.cosine, of_target.index = found["target_cosine"], found["target_index"]
    return int(found["n_done"])


def _block(vectors: NDArray[np.floating], start: int, n_rows: int, side: str) -> torch.Tensor:
    """Return a block of vectors as float32; they were checked before."""
    return torch.from_numpy(np.array(vectors[start : start + n_rows], dtype=np.float32))


def checked_block(
    vectors: NDArray[np.floating], start: int, n_rows: int, side: str
) -> torch.Tensor:
    """Return a block of vectors as float32.

    Raises:
        InputError: One is not finite or not of unit length.
    """
    block = _block(vectors, start, n_rows, side)
    lengths = block.norm(dim=1)
    wrong = ~((lengths - 1).abs() < 0.01)  # float16 and bfloat16 are coarser; a NaN is not below
    if bool(wrong.any()):
        row = int(torch.nonzero(wrong)[0])
        raise InputError(
            f"the {side}'s vector {start + row} has length {float(lengths[row]):.3g}; vectors must be finite and of "
            "unit length, so encode again"
        )
    return block
