"""Retrieval between two columns of unit vectors, row by row and in both directions.

One matrix product serves both directions and every metric; MTEB searches once per direction and has
no margin score. The right target of a row is the same row. Where several rows have equal target
texts, the first of them is retrieved and the others count as errors, as in MTEB, so that numbers
compare with MTEB's.

Shapes: S source rows, T target rows (S = T), B rows of one block, D dimensions, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hexapla.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Block = tuple[int, Tensor]  # first source row, (B, T) cosines

# The neighbourhood of the margin score: k = 4 in Artetxe and Schwenk (2019) and in LASER.
NEIGHBOURS = 4

# Cosines in memory at once, 128 MiB of float32. Up to 5,792 x 5,792 rows are one block.
_BLOCK_ENTRIES = 2**25


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """The results of one direction, per query; the mean of each array is the score.

    Attributes:
        accuracy: (n,) 1.0 where the nearest target by cosine is the query's row.
        f1: (n,) `2 * hit / (1 + c)`, where c is the number of queries whose nearest target is that
            row. The mean is the weighted F1 that MTEB reports: accuracy with a penalty for targets
            that are the nearest of many queries.
        hubness: (n,) that penalty, `accuracy - f1`; lower is better.
        margin_accuracy: (n,) accuracy by the ratio margin of Artetxe and Schwenk (2019, arXiv
            1811.01136); None without the margin score.
    """

    accuracy: NDArray[np.float64]
    f1: NDArray[np.float64]
    hubness: NDArray[np.float64]
    margin_accuracy: NDArray[np.float64] | None

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays by metric."""
        columns = {
            "f1": self.f1,
            "accuracy": self.accuracy,
            "margin_accuracy": self.margin_accuracy,
            "hubness": self.hubness,
        }
        return {name: values for name, values in columns.items() if values is not None}


def retrieve(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], k: int | None = NEIGHBOURS
) -> tuple[Retrieval, Retrieval]:
    """Search once in both directions; for many pairs of columns, use one `BitextRetriever`."""
    return BitextRetriever(k)(source_SD, target_TD)


class BitextRetriever:
    """Searches pairs of columns, on a GPU if there is one, and reuses memory from pair to pair."""

    def __init__(self, k: int | None = NEIGHBOURS) -> None:
        """Choose the size of the neighbourhood in the margin score.

        Args:
            k: Neighbours k in `cosine / (mean of the k nearest cosines of x / 2 + the same of y /
                2)`. None omits the margin score, which needs a third to a half of the time.
        """
        import torch

        self._k = k
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._matrices: dict[str, Tensor] = {}

    def __call__(
        self, source_SD: NDArray[np.float32], target_TD: NDArray[np.float32]
    ) -> tuple[Retrieval, Retrieval]:
        """Search each side for the translation of every row of the other side.

        Args:
            source_SD: (n, dim) unit vectors.
            target_TD: (n, dim) unit vectors; row i translates row i of the source.

        Returns:
            The results of searching from source to target, and from target to source.

        Raises:
            InputError: k is not in 1 to n.
        """
        import torch

        n_rows = len(source_SD)
        if len(target_TD) != n_rows:
            raise ValueError(
                f"source has {n_rows} rows and target has {len(target_TD)}; "
                "row i must translate row i"
            )
        if self._k is not None and not 1 <= self._k <= n_rows:
            raise InputError(f"k is {self._k}; it must be 1 to {n_rows}, the number of rows")
        with torch.inference_mode():
            sides = (
                torch.from_numpy(np.ascontiguousarray(side)).to(self._device)
                for side in (source_SD, target_TD)
            )
            blocks = self._blocks(*sides)
            to_target_S, source_mean_S, to_source_T, target_mean_T = _nearest(
                blocks(), self._k or 1
            )
            if self._k is None:
                return _evaluate(to_target_S), _evaluate(to_source_T)
            by_margin_S, by_margin_T = self._nearest_by_margin(
                blocks(), source_mean_S, target_mean_T
            )
        return _evaluate(to_target_S, by_margin_S), _evaluate(to_source_T, by_margin_T)

    def _blocks(self, source_SD: Tensor, target_TD: Tensor) -> Callable[[], Iterator[Block]]:
        """Return a function that yields the cosines in blocks; a single block is computed once."""
        import torch

        n_rows, step = len(source_SD), max(1, _BLOCK_ENTRIES // len(target_TD))
        if step >= n_rows:
            whole_ST = torch.mm(source_SD, target_TD.T, out=self._matrix("cosine", n_rows, n_rows))
            return lambda: iter([(0, whole_ST)])
        starts = range(0, n_rows, step)
        return lambda: ((start, source_SD[start : start + step] @ target_TD.T) for start in starts)

    def _matrix(self, name: str, n_rows: int, n_columns: int) -> Tensor:
        import torch

        if name not in self._matrices or self._matrices[name].shape != (n_rows, n_columns):
            self._matrices[name] = torch.empty(n_rows, n_columns, device=self._device)
        return self._matrices[name]

    def _nearest_by_margin(
        self, blocks: Iterator[Block], source_mean_S: Tensor, target_mean_T: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the best by margin score: (S,) targets of sources, and (T,) sources of targets."""
        import torch

        to_target, best_T, to_source_T = [], torch.empty(0), torch.empty(0)
        for start, cosine_BT in blocks:
            margin_BT = self._matrix("margin", *cosine_BT.shape)
            torch.add(
                source_mean_S[start : start + len(cosine_BT), None], target_mean_T, out=margin_BT
            )
            # Half of the margin score, which has the same order.
            torch.div(cosine_BT, margin_BT, out=margin_BT)
            to_target.append(margin_BT.argmax(dim=1))
            block_to_source_T = margin_BT.argmax(dim=0)
            block_T = margin_BT.gather(0, block_to_source_T[None])[0]
            best_T, to_source_T = _better(start, best_T, to_source_T, block_T, block_to_source_T)
        return torch.cat(to_target), to_source_T


def _nearest(blocks: Iterator[Block], k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Find the nearest neighbours in both directions; the first of equal ones, also across blocks.

    Returns:
        (S,) nearest target of each source, (S,) mean cosine of its k nearest targets, and the same
        two for the targets, (T,).
    """
    import torch

    to_target, source_mean = [], []
    top_KT, first_T = torch.empty(0), torch.empty(0)
    for start, cosine_BT in blocks:
        top_KB, first_B = _top(cosine_BT.T, k)
        to_target.append(first_B)
        source_mean.append(top_KB.mean(dim=0))
        block_KT, block_first_T = _top(cosine_BT, min(k, len(cosine_BT)))
        _, first_T = _better(start, top_KT[:1].flatten(), first_T, block_KT[0], block_first_T)
        top_KT = torch.cat([top_KT, block_KT]) if start else block_KT
        top_KT = top_KT.topk(min(k, len(top_KT)), dim=0).values if start else top_KT
    return torch.cat(to_target), torch.cat(source_mean), first_T, top_KT.mean(dim=0)


def _top(cosine_ST: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return (K, T) the k largest cosines of each column, falling, and (T,) the row of the largest.

    Of equal cosines it is the first row, which `max` guarantees and `topk`, as fast, does not.
    """
    if k == 1:
        values_T, first_T = cosine_ST.max(dim=0)
        return values_T[None], first_T
    values_KT, rows_KT = cosine_ST.topk(k, dim=0)
    first_T = rows_KT[0].clone()
    tied = (values_KT[0] == values_KT[1]).nonzero()[:, 0]
    if len(tied):
        first_T[tied] = cosine_ST[:, tied].max(dim=0).indices
    return values_KT, first_T


def _better(
    start: int, best_T: Tensor, row_T: Tensor, block_T: Tensor, block_row_T: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the greater of two values for each target, and its row; the first of equal ones."""
    import torch

    if start == 0:
        return block_T, block_row_T
    return torch.maximum(best_T, block_T), torch.where(block_T > best_T, block_row_T + start, row_T)


def _evaluate(nearest_S: Tensor, by_margin_S: Tensor | None = None) -> Retrieval:
    found_S = nearest_S.cpu().numpy()
    row_S = np.arange(len(found_S))
    hit_S = (found_S == row_S).astype(np.float64)
    f1_S = 2 * hit_S / (1 + np.bincount(found_S, minlength=len(found_S)))
    margin_hit_S = None
    if by_margin_S is not None:
        margin_hit_S = (by_margin_S.cpu().numpy() == row_S).astype(np.float64)
    return Retrieval(accuracy=hit_S, f1=f1_S, hubness=hit_S - f1_S, margin_accuracy=margin_hit_S)
