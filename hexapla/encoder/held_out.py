"""Held-out rows -> one number to stop by: how often a cell finds its row in another column.

The search is among all rows of the other column, by cosine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.encoder.encode import encode

METRIC = "eval_held_out_accuracy"  # as the trainer's log names it


class HeldOutAccuracy(BaseEvaluator):  # type: ignore[misc]
    """Retrieval accuracy between the pivot and every other column, averaged over both directions.

    0 to 1, higher is better. It is the same measure for every regime, so that "converged" means the
    same for each.

    Args:
        rows: The held-out rows; the first `MAX_HELD_OUT_ROWS` count.
        languages: Their columns, the pivot first.
        prompt: Text that the encoder needs before every text.
    """

    def __init__(self, rows: Dataset, languages: Sequence[str], prompt: str) -> None:
        super().__init__()
        self.primary_metric = "held_out_accuracy"
        self.greater_is_better = True
        self._prompt = prompt
        self._columns = [list(rows[:MAX_HELD_OUT_ROWS][language]) for language in languages]

    def __call__(
        self,
        model: SentenceTransformer,
        output_path: str | None = None,
        epoch: float = -1,
        steps: int = -1,
        **_: Any,
    ) -> dict[str, float]:
        """Encode every column once, and search."""
        was_training = model.training
        present = [
            {row: cell for row, cell in enumerate(column) if cell is not None}
            for column in self._columns
        ]
        texts = [cell for column in present for cell in column.values()]
        try:
            vectors = iter(encode(model, texts, task="BitextMining", prompt=self._prompt))
        finally:
            model.train(was_training)
        found = [dict(zip(column, vectors, strict=False)) for column in present]
        return {self.primary_metric: retrieval_accuracy(found)}


def retrieval_accuracy(columns: Sequence[Mapping[int, np.ndarray]]) -> float:
    """Return how often a cell finds its row, averaged over columns and both directions.

    Args:
        columns: Of each column, the pivot first, the (D,) unit vectors of its cells by row. A
            single column is searched in itself.

    Returns:
        0 to 1, higher is better; 0 if no column shares two rows with the pivot.
    """
    pivot, *others = columns
    accuracies = []
    for column in others or [pivot]:
        shared = [row for row in column if row in pivot]
        if len(shared) > 1:
            pivot_RD, column_RD = (
                np.stack([side[row] for row in shared]) for side in (pivot, column)
            )
            cosine_RR = pivot_RD @ column_RD.T
            own = np.arange(len(shared))
            accuracies.append((cosine_RR.argmax(axis=1) == own).mean())
            accuracies.append((cosine_RR.argmax(axis=0) == own).mean())
    return float(np.mean(accuracies)) if accuracies else 0.0
