"""An optional filter, off by default: the cosine that a sentence encoder gives a cell and its source.

It finds fluent sentences that say something else, which no filter on characters can, at the cost of
an encoding per cell. No encoder is reliable for every language, so it runs last, in batches, and
its bound is the user's to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hexapla.filters.candidate import Candidate

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Meaning beside the source; the score is 1 - cosine.

    Attributes:
        encoder: Hub name or folder of a sentence encoder, or "tiny".
        least: Cosine that a cell needs. Look at some rejected ones before trusting it in a
            language.
    """

    encoder: str
    least: float = 0.4

    @cached_property
    def _model(self) -> SentenceTransformer:
        from hexapla.encoder.load import load_encoder

        return load_encoder(self.encoder)

    def scores(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return 1 - cosine of each cell and its source."""
        from hexapla.encoder.load import encode

        if not candidates:
            return []
        sources = encode(
            self._model, [candidate.source for candidate in candidates], task="BitextMining"
        )
        texts = encode(
            self._model, [candidate.text for candidate in candidates], task="BitextMining"
        )
        return [float(cosine) for cosine in 1 - np.einsum("nd,nd->n", sources, texts)]

    def accept(self, score: float) -> bool:
        """Accept cosines of `least` and above."""
        return score <= 1 - self.least
