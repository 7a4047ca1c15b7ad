"""Cosines of a block in bfloat16 -> the few pairs that may be among the k nearest, none missed.

On a CPU with instructions for bfloat16, a product in it takes a fifth or less of the time of one in
float32. How wrong its cosines may be is bounded by the lengths of what rounding took from the
vectors. A pair whose cosine is below the k-th best by more than that is no neighbour; the others
are computed again in float32, so that the neighbours are those of a search in float32.

bfloat16 cosines are compared by their bits, as int16, which is four times as fast. The order is the
same if one of the two is positive, and a floor that is not positive lets every pair pass.

Shapes: S source and T target vectors of a block, B of either, with their padding; D dimensions, P
parts of a row or column of cosines, M cosines of a part, H parts or N pairs that were found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

PART = 16  # cosines of which one maximum is taken
_STRIP = 512  # rows; their cosines stay in the cache until the maxima are taken
_MAX_SHARE = 1 / 128  # of a block's pairs; more take longer than a product in float32
_PER_CALL = 512  # pairs whose vectors are copied at once, to stay in the cache

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""(N,) rows of one side of a block, rows of the other side, and cosines in float32."""


@dataclass(frozen=True, slots=True)
class RoundedBlock:
    """Vectors of one side of a block, in float32 and bfloat16.

    Attributes:
        exact: (n, D) float32 vectors.
        rounded: (B, D) the same in bfloat16, padded with zeros to a multiple of `PART`.
        length: The greatest length of a vector.
        lost: The greatest length of the difference between a vector and its bfloat16 values.
    """

    exact: torch.Tensor
    rounded: torch.Tensor
    length: float
    lost: float

    @classmethod
    def of(cls, block_BD: torch.Tensor) -> RoundedBlock:
        """Round a block of float32 vectors."""
        n_rows, dim = block_BD.shape
        rounded = torch.zeros(-(-n_rows // PART) * PART, dim, dtype=torch.bfloat16)
        rounded[:n_rows] = block_BD
        length = lost = 0.0
        for start in range(0, n_rows, _STRIP):
            rows = slice(start, min(start + _STRIP, n_rows))
            length = max(length, float(block_BD[rows].norm(dim=1).max()))
            lost = max(lost, float((block_BD[rows] - rounded[rows]).norm(dim=1).max()))
        return cls(block_BD, rounded, length, lost)


def error_bound(source: RoundedBlock, target: RoundedBlock) -> float:
    """Return how far a cosine of bfloat16 vectors may be from that of the float32 vectors.

    With x = x' + r and y = y' + s, x' and y' in bfloat16, <x, y> - <x', y'> = <r, y> + <x', s>, at
    most |r| |y| + |x'| |s|. Products of two bfloat16 numbers are exact in float32. A sum of D
    float32 numbers is wrong by at most D 2^-24 |x| |y|, in any order, or twice that if sums are cut
    off in place of rounded. There are three such sums: the cosine in bfloat16, and in float32 that
    of the pair and that of the k-th best.
    """
    sums = 8 * source.exact.shape[1] * 2.0**-24 * source.length * target.length
    return source.lost * target.length + (source.length + source.lost) * target.lost + sums


def find_candidates(
    source: RoundedBlock,
    target: RoundedBlock,
    kth_of_source: NDArray[np.float32],
    kth_of_target: NDArray[np.float32],
    k: int,
    room: torch.Tensor,
) -> tuple[Pairs, Pairs] | None:
    """Return the pairs of a block that may be among the k nearest of their source or target.

    Args:
        source: The source's vectors.
        target: The target's vectors.
        kth_of_source: The k-th best cosine so far of each source vector; -inf if there is none.
        kth_of_target: The same of each target vector.
        k: Number of neighbours.
        room: Memory for the cosines, two bytes each.

    Returns:
        The source's pairs and the target's. None if there are so many that a product in float32 is
        faster, or if the block has fewer than k parts.
    """
    n_source, n_target = len(source.rounded), len(target.rounded)
    n_parts = n_target // PART
    if min(n_source, n_target) < k * PART:
        return None
    cosine_ST = room.view(torch.bfloat16)[: n_source * n_target].view(n_source, n_target)
    bits_ST = cosine_ST.view(torch.int16)
    # A part of a row is every n_parts-th column; a part of a column is consecutive rows.
    of_rows_SP = torch.empty(n_source, n_parts, dtype=torch.int16)
    of_columns_PT = torch.empty(n_source // PART, n_target, dtype=torch.int16)
    for start in range(0, n_source, _STRIP):
        strip = slice(start, min(start + _STRIP, n_source))
        torch.mm(source.rounded[strip], target.rounded.T, out=cosine_ST[strip])
        parts = slice(start // PART, strip.stop // PART)
        torch.amax(bits_ST[strip].view(-1, PART, n_parts), dim=1, out=of_rows_SP[strip])
        torch.amax(bits_ST[strip].view(-1, PART, n_target), dim=1, out=of_columns_PT[parts])
    error = error_bound(source, target)
    floor_S = _floors(kth_of_source, of_rows_SP, error, k)
    floor_T = _floors(kth_of_target, of_columns_PT.T, error, k)
    # `flatnonzero` is four times as fast as `nonzero`.
    row_H, part_H = np.divmod(np.flatnonzero(of_rows_SP.numpy() >= floor_S[:, None]), n_parts)
    start_H, column_H = np.divmod(np.flatnonzero(of_columns_PT.numpy() >= floor_T), n_target)
    most = _MAX_SHARE * bits_ST.numel()
    if len(row_H) + len(column_H) > most:
        return None
    bits, step = bits_ST.numpy(), np.arange(PART)
    of_source = _above_floor(bits, row_H, part_H, n_parts * step, floor_S)
    of_target = _above_floor(bits.T, column_H, PART * start_H, step, floor_T)
    if len(of_source[0]) + len(of_target[0]) > most:
        return None
    return _with_cosines(source, target, *of_source), _with_cosines(target, source, *of_target)


def _floors(
    kth: NDArray[np.float32], maxima_BP: torch.Tensor, error: float, k: int
) -> NDArray[np.int16]:
    """Return the bits of the least bfloat16 cosine of a possible neighbour, (B,) for each vector.

    Args:
        kth: (n,) k-th best cosines so far; -inf if there is none.
        maxima_BP: Bits of the maxima of the parts.
        error: How wrong a bfloat16 cosine may be, before it is rounded to bfloat16.
        k: Number of neighbours.
    """
    floor = kth
    if np.isneginf(kth).any():
        # The k best maxima are k pairs. Rounding changed them by 2^-8 of themselves at most.
        maxima = np.ascontiguousarray(maxima_BP.numpy()[: len(kth)])
        kth_maximum = np.partition(maxima, -k, axis=1)[:, -k].astype(np.int32) << 16
        floor = np.maximum(kth, kth_maximum.view(np.float32) * (1 - 2.0**-8) - error)
    floor = (floor - error).astype(np.float32)
    bits_B = np.full(len(maxima_BP), np.iinfo(np.int16).max, dtype=np.int16)  # none for padding
    # Half of the bits are cut off, which rounds down; cosines may have been rounded up or down.
    bits_B[: len(kth)] = np.where(floor > 0, floor.view(np.int32) >> 16, np.iinfo(np.int16).min)
    return bits_B


def _above_floor(
    bits: NDArray[np.int16],
    own_H: NDArray[np.int64],
    first_H: NDArray[np.int64],
    step_M: NDArray[np.int64],
    floor_B: NDArray[np.int16],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs, (N,) each, of some parts whose cosines are not below the floor.

    Args:
        bits: The bits of the cosines, with a row for each vector of one side.
        own_H: Rows of the parts.
        first_H: The first column of each part.
        step_M: The columns of a part, counted from its first.
        floor_B: Bits of each row's floor.
    """
    own, other = [own_H[:0]], [own_H[:0]]
    for start in range(0, len(own_H), _PER_CALL):
        chunk = slice(start, start + _PER_CALL)
        column_HM = first_H[chunk, None] + step_M
        is_above_HM = bits[own_H[chunk, None], column_HM] >= floor_B[own_H[chunk], None]
        found = np.flatnonzero(is_above_HM)
        own.append(own_H[chunk][found // PART])
        other.append(column_HM.ravel()[found])
    return np.concatenate(own), np.concatenate(other)


def _with_cosines(
    own: RoundedBlock, other: RoundedBlock, own_N: NDArray[np.int64], other_N: NDArray[np.int64]
) -> Pairs:
    """Add cosines in float32 to pairs, and drop pairs with padding."""
    is_real_N = other_N < len(other.exact)
    own_N, other_N = own_N[is_real_N], other_N[is_real_N]
    own_vectors, other_vectors = own.exact.numpy(), other.exact.numpy()
    cosine_N = np.empty(len(own_N), dtype=np.float32)
    for start in range(0, len(own_N), _PER_CALL):
        chunk = slice(start, start + _PER_CALL)
        cosine_N[chunk] = np.einsum(
            "nd,nd->n", own_vectors[own_N[chunk]], other_vectors[other_N[chunk]]
        )
    return own_N, other_N, cosine_N
