"""Two columns of unit vectors -> who finds whose translation, row by row, in both directions.

The decision worth knowing: one similarity matmul serves both directions and every metric (MTEB searches once per
direction and has no margin). The right answer of a row is the same row. Where rows have equal target texts, the first
of them is found and the others are misses: MTEB counts them so too, and numbers stay comparable with its own.

Shapes: S source rows, T target rows (S = T), B rows of one block, D dimensions, K neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hexapla.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

# The neighbourhood of the margin score: k = 4 in Artetxe and Schwenk (2019) and in LASER.
NEIGHBOURS = 4

# Cosines held at once, 128 MiB of float32. Up to 5,792 x 5,792 rows are one block.
_BLOCK_ENTRIES = 2**25


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What one direction of a search gave, per query; the mean of each array is the score.

    Attributes:
        accuracy: (n,) 1.0 where the nearest target is the query's own row, by cosine.
        f1: (n,) `2 * hit / (1 + c)`, c being the number of queries whose nearest target is that row. The mean is the
            weighted F1 that MTEB reports: accuracy with a penalty on targets that are everyone's neighbour.
        hubness: (n,) that penalty, `accuracy - f1`; lower is better.
        margin_accuracy: (n,) as accuracy, by the ratio margin of Artetxe and Schwenk (2019, arXiv 1811.01136).
    """

    accuracy: NDArray[np.float64]
    f1: NDArray[np.float64]
    hubness: NDArray[np.float64]
    margin_accuracy: NDArray[np.float64]

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays by metric."""
        return {
            "f1": self.f1, "accuracy": self.accuracy, "margin_accuracy": self.margin_accuracy, "hubness": self.hubness,
        }  # fmt: skip


def retrieval(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], k: int = NEIGHBOURS
) -> tuple[Retrieval, Retrieval]:
    """Search each side for the translation of each row of the other side, on a GPU if there is one.

    Args:
        source_SD: (n, dim) unit vectors.
        target_TD: (n, dim) unit vectors; row i translates row i of the source.
        k: Size of the neighbourhood in the margin score, `cosine / (mean of the k nearest cosines of x / 2 + the same
            of y / 2)`; 1 to n.

    Returns:
        Source searching the target, and target searching the source.

    Raises:
        InputError: When k is not in 1 to n.
    """
    import torch

    n_rows = len(source_SD)
    if len(target_TD) != n_rows:
        raise ValueError(f"source has {n_rows} rows and target has {len(target_TD)}; row i must translate row i")
    if not 1 <= k <= n_rows:
        raise InputError(f"k is {k}; it must be 1 to {n_rows}, the number of rows")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.inference_mode():
        blocks = _Blocks(*(torch.from_numpy(np.ascontiguousarray(side)).to(device) for side in (source_SD, target_TD)))
        to_target_S, source_mean_S, to_source_T, target_mean_T = _nearest(blocks, k)
        margin_to_target_S, margin_to_source_T = _nearest_by_margin(blocks, source_mean_S, target_mean_T)
    return _judge(to_target_S, margin_to_target_S), _judge(to_source_T, margin_to_source_T)


class _Blocks:
    """The cosines of both sides in blocks of source rows; computed once if they are one block, else once per pass."""

    def __init__(self, source_SD: Tensor, target_TD: Tensor) -> None:
        self._source_SD, self._target_DT = source_SD, target_TD.T
        self.n_rows = len(source_SD)
        self._step = max(1, _BLOCK_ENTRIES // len(target_TD))
        self._whole_ST = source_SD @ target_TD.T if self._step >= self.n_rows else None

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        for start in range(0, self.n_rows, self._step):
            yield (
                start,
                (
                    self._source_SD[start : start + self._step] @ self._target_DT
                    if self._whole_ST is None
                    else self._whole_ST
                ),
            )


def _nearest(blocks: _Blocks, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (S,) the nearest target of each source, (S,) the mean cosine of its k nearest, and (T,), (T,) of targets.

    Of equal cosines the first row is the nearest, also across blocks.
    """
    import torch

    to_target, source_mean = [], []
    top_TK, first_T = torch.empty(0), torch.empty(0)
    for start, cosine_BT in blocks:
        top_BK, first_B = _top(cosine_BT, k)
        to_target.append(first_B)
        source_mean.append(top_BK.mean(dim=1))
        block_TK, block_first_T = _top(cosine_BT.T.contiguous(), min(k, len(cosine_BT)))
        if start == 0:
            top_TK, first_T = block_TK, block_first_T
            continue
        first_T = torch.where(block_TK[:, 0] > top_TK[:, 0], block_first_T + start, first_T)
        top_TK = torch.cat([top_TK, block_TK], dim=1)
        top_TK = top_TK.topk(min(k, top_TK.shape[1]), dim=1).values
    return torch.cat(to_target), torch.cat(source_mean), first_T, top_TK.mean(dim=1)


def _top(cosine_BT: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return (B, K) the largest cosines, falling, and (B,) the place of the largest, the first if several are equal."""
    values_BK, places_BK = cosine_BT.topk(k, dim=1)
    first_B = places_BK[:, 0].clone()
    tied = (values_BK[:, 0] == values_BK[:, 1]).nonzero()[:, 0] if k > 1 else slice(None)
    first_B[tied] = cosine_BT[tied].max(dim=1).indices  # `max` promises the first, `topk` does not
    return values_BK, first_B


def _nearest_by_margin(blocks: _Blocks, source_mean_S: Tensor, target_mean_T: Tensor) -> tuple[Tensor, Tensor]:
    """Return (S,) the target of the greatest margin score of each source, and (T,) the source of each target."""
    import torch

    to_target = []
    best_T, to_source_T = torch.empty(0), torch.empty(0)
    for start, cosine_BT in blocks:
        margin_BT = cosine_BT / ((source_mean_S[start : start + len(cosine_BT), None] + target_mean_T) / 2)
        to_target.append(margin_BT.max(dim=1).indices)
        block_T, block_to_source_T = margin_BT.max(dim=0)
        if start == 0:
            best_T, to_source_T = block_T, block_to_source_T
            continue
        to_source_T = torch.where(block_T > best_T, block_to_source_T + start, to_source_T)
        best_T = torch.maximum(best_T, block_T)
    return torch.cat(to_target), to_source_T


def _judge(nearest_S: Tensor, margin_nearest_S: Tensor) -> Retrieval:
    found_S, by_margin_S = nearest_S.cpu().numpy(), margin_nearest_S.cpu().numpy()
    row_S = np.arange(len(found_S))
    hit_S = (found_S == row_S).astype(np.float64)
    found_by_T = np.bincount(found_S, minlength=len(found_S))
    f1_S = 2 * hit_S / (1 + found_by_T)
    return Retrieval(
        accuracy=hit_S,
        f1=f1_S,
        hubness=hit_S - f1_S,
        margin_accuracy=(by_margin_S == row_S).astype(np.float64),
    )
