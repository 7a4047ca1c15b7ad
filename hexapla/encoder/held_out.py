"""Held-out rows -> one number to stop by: how often a cell finds its row among the other rows of another column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

METRIC = "eval_held_out_accuracy"
MOST_ROWS = (
    1000  # a search among more is slower and no steadier: the standard error is 1.5 points at most
)


class HeldOutAccuracy(BaseEvaluator):  # type: ignore[misc]
    """Retrieval accuracy (0 to 1, higher is better) between the pivot and every other column, both directions.

    The same measure for every regime, so that "converged" means the same for each.

    Args:
        rows: the held-out rows, of which the first thousand count.
        languages: their columns, the pivot first.
        prompt: what the encoder needs in front of a text.
    """

    def __init__(self, rows: Dataset, languages: Sequence[str], prompt: str) -> None:
        super().__init__()
        self.primary_metric = "held_out_accuracy"
        self.greater_is_better = True
        self._prompt = prompt
        self._columns = [list(rows[:MOST_ROWS][language]) for language in languages]

    def __call__(
        self,
        model: SentenceTransformer,
        output_path: str | None = None,
        epoch: float = -1,
        steps: int = -1,
        **_: Any,
    ) -> dict[str, float]:
        """Encode every column once and search."""
        pivot, *others = self._columns
        vectors_RD = self._encode(model, pivot)
        found = []
        for column in others or [pivot]:
            present = [i for i, cell in enumerate(column) if cell is not None]
            if len(present) > 1:
                cosine_RR = (
                    vectors_RD[present] @ self._encode(model, [column[i] for i in present]).T
                )
                own = np.arange(len(present))
                found.append((cosine_RR.argmax(axis=1) == own).mean())
                found.append((cosine_RR.argmax(axis=0) == own).mean())
        return {self.primary_metric: float(np.mean(found)) if found else 0.0}

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
