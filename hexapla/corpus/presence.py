"""Which cells the rows of a dataset have, counted without loading a text.

Shape suffixes: R rows, C columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datasets import Dataset

_ROWS_PER_BATCH = 10_000


def present_cells(rows: Dataset, languages: Sequence[str]) -> NDArray[np.bool_]:
    """Return (R, C) whether each row has a cell in each language."""
    present_RC = np.zeros((len(rows), len(languages)), dtype=bool)
    for c, language in enumerate(languages):
        column = rows.select_columns([language]).with_format("arrow")
        start = 0
        for batch in column.iter(batch_size=_ROWS_PER_BATCH):
            part = batch.column(language).is_valid().to_numpy()
            present_RC[start : start + len(part), c] = part
            start += len(part)
    return present_RC


def usable_rows(present_RC: NDArray[np.bool_], min_cells: int) -> NDArray[np.int64]:
    """Return the indices of the rows that have at least `min_cells` cells.

    >>> usable_rows(np.array([[True, True], [True, False]]), 2)
    array([0])
    """
    return np.flatnonzero(present_RC.sum(axis=1) >= min_cells)
