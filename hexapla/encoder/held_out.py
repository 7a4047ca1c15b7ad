"""Held-out rows -> one number to stop by: how often a cell finds its row in another column.

The search is among all rows of the other column, by cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from hexapla.encoder.config import MAX_HELD_OUT_ROWS

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
        pivot, *others = self._columns
        vectors_RD = self._encode(model, pivot)
        accuracies = []
        for column in others or [pivot]:
            present = [i for i, cell in enumerate(column) if cell is not None]
            if len(present) > 1:
                others_RD = self._encode(model, [column[i] for i in present])
                cosine_RR = vectors_RD[present] @ others_RD.T
                own = np.arange(len(present))
                accuracies.append((cosine_RR.argmax(axis=1) == own).mean())
                accuracies.append((cosine_RR.argmax(axis=0) == own).mean())
        return {self.primary_metric: float(np.mean(accuracies)) if accuracies else 0.0}

    def _encode(self, model: SentenceTransformer, texts: list[str]) -> np.ndarray:
        return np.asarray(
            model.encode(
                texts,
                prompt=self._prompt,
                normalize_embeddings=True,
                batch_size=64,
                show_progress_bar=False,
            )
        )
