"""A matrix of cosines -> the k highest of every row and of every column, and where they are.

NumPy does it, also where there is a GPU: on 1,004 x 1,004 cosines its `argmax` takes a tenth of
PyTorch's time, and k rounds of it half of PyTorch's `topk`.

Shapes: B rows and T columns of a block of cosines, N lines of either kind, K highest values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Places = NDArray[np.int64]

# Values of which one maximum is taken first, when the best of a column are searched for.
PART = 8


@dataclass
class BestCosines:
    """The highest cosines of every line; of equal ones, those that come first.

    Attributes:
        cosine: (N, K) cosines, in descending order.
        index: (N, K) their places.
    """

    cosine: Floats
    index: Places

    @classmethod
    def concatenate(cls, parts: Sequence[BestCosines]) -> BestCosines:
        """Return the highest cosines of the lines of all parts."""
        return cls(
            np.concatenate([part.cosine for part in parts]),
            np.concatenate([part.index for part in parts]),
        )

    def merge(self, later: BestCosines, k: int) -> BestCosines:
        """Return the k highest of these and of those at later places."""
        cosine = np.concatenate([self.cosine, later.cosine], axis=1)
        index = np.concatenate([self.index, later.index], axis=1)
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        return BestCosines(
            np.take_along_axis(cosine, order, axis=1), np.take_along_axis(index, order, axis=1)
        )


def best_of_rows(cosine_BT: Floats, k: int) -> BestCosines:
    """Return the k highest cosines of every row.

    Args:
        cosine_BT: (n, m) cosines; they are changed meanwhile, and restored.
        k: 1 to m.
    """
    best = _take_best(cosine_BT, k)
    np.put_along_axis(cosine_BT, best.index, best.cosine, axis=1)
    return best


def best_of_columns(cosine_BT: Floats, k: int) -> BestCosines:
    """Return the k highest cosines of every column.

    The maximum of each `PART` rows is taken first; the k parts with the highest ones hold the k
    highest cosines. So only an eighth of the matrix is transposed.

    Args:
        cosine_BT: (n, m) cosines, contiguous. Rows are best a multiple of `PART`; fill up with
            -inf.
        k: 1 to n.
    """
    n_rows, n_columns = cosine_BT.shape
    if n_rows % PART or n_rows < PART * k:
        return _take_best(cosine_BT.T.copy(), k)
    parts_TN = np.ascontiguousarray(cosine_BT.reshape(-1, PART, n_columns).max(axis=1).T)
    # In order, so that of equal cosines the first one is found.
    parts_TK = np.sort(_take_best(parts_TN, k).index, axis=1)
    rows_TC = (parts_TK[:, :, None] * PART + np.arange(PART)).reshape(n_columns, -1)
    candidates_TC = cosine_BT.reshape(-1).take(rows_TC * n_columns + np.arange(n_columns)[:, None])
    best = _take_best(candidates_TC, k)
    return BestCosines(best.cosine, np.take_along_axis(rows_TC, best.index, axis=1))


def _take_best(values_NM: Floats, k: int) -> BestCosines:
    """Return the k highest values of every row, and overwrite them with -inf."""
    rows = np.arange(len(values_NM))
    cosine = np.empty((len(values_NM), k), dtype=values_NM.dtype)
    index = np.empty((len(values_NM), k), dtype=np.int64)
    for rank in range(k):
        index[:, rank] = values_NM.argmax(axis=1)
        cosine[:, rank] = values_NM[rows, index[:, rank]]
        values_NM[rows, index[:, rank]] = -np.inf
    return BestCosines(cosine, index)
