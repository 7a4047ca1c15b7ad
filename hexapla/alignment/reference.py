"""What cells are drawn to besides each other: a vector for each row, made of its pivot.

`--preserve` draws the pivots to what the encoder itself made of them before training, `--teacher`
all cells of a row to what a teacher makes of its pivot.

Shape suffixes: R rows, N cells, P cells with a reference, E dimensions of the vectors as they were
made, D dimensions of the encoder that is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_ROWS = 20_000  # that a bridge is fitted to; the axes of so many rows hardly change with more


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A vector for each row, and the cells that are drawn to it.

    Attributes:
        vectors_RE: (R, E) float32, perhaps memory-mapped.
        pivots_only: Whether the pivots alone are drawn, or every cell of a row.
        bridge_ED: (E, D) the linear layer to the encoder's dimension; None if it has E.
    """

    vectors_RE: NDArray[np.float32]
    pivots_only: bool
    bridge_ED: NDArray[np.float32] | None = None

    def places(self, column_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (P,) which cells are drawn, given the (N,) columns of all; 0 is the pivot's."""
        return np.flatnonzero(column_N == 0) if self.pivots_only else np.arange(len(column_N))

    def vectors_of(self, row_P: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (P, D) the vectors of rows, which keep their norms across a bridge."""
        rows, places = np.unique(row_P, return_inverse=True)
        vectors = np.asarray(self.vectors_RE[rows])
        if self.bridge_ED is not None:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors @ self.bridge_ED
            vectors *= norms / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors[places]


def fit_bridge(vectors_RE: NDArray[np.float32], dim: int) -> tuple[NDArray[np.float32], float]:
    """Return the linear layer between dimensions that changes the vectors' dot products least.

    To fewer dimensions it is the projection onto the leading principal axes, not centred; to more,
    it adds zeros.

    Returns:
        (E, D) the layer, and the share of the vectors' squared norms that it keeps, 0 to 1.

    >>> fit_bridge(np.array([[0, 2, 0], [0, 0, 1]], dtype=np.float32), 1)[0].round(3).tolist()
    [[0.0], [1.0], [0.0]]
    """
    n_rows, width = vectors_RE.shape
    if dim >= width:
        return np.eye(width, dim, dtype=np.float32), 1.0
    sample = np.linspace(0, n_rows - 1, min(n_rows, _MAX_ROWS)).round().astype(int)
    chosen = np.asarray(vectors_RE[sample], dtype=np.float64)
    values_E, axes_EE = np.linalg.eigh(chosen.T @ chosen)
    axes_ED = axes_EE[:, ::-1][:, :dim]
    # An axis has no direction of its own.
    largest = axes_ED[np.abs(axes_ED).argmax(axis=0), np.arange(dim)]
    kept = values_E[-dim:].sum() / max(values_E.sum(), np.finfo(np.float64).tiny)
    return (axes_ED * np.sign(largest)).astype(np.float32), float(kept)
