"""An optional filter, off by default: the cosine of a cell and its source under a sentence encoder.

It finds fluent sentences that say something else, which no filter on characters can find, at the
cost of one encoding per cell. No encoder is reliable for every language, so this filter runs last,
in batches, and the threshold is for the user to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hexapla.encoder.config import PoolingSettings
from hexapla.filters.candidate import Amount, Candidate
from hexapla.runs.settings import settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@settings
class Cosine(PoolingSettings):
    """Meaning compared with the source. The score is 1 - cosine."""

    encoder: str
    """Hub name or folder of a sentence encoder, or "tiny"."""
    least: Amount = 0.4
    """Minimum cosine of a cell. Look at some rejected cells before trusting it in a language."""

    @cached_property
    def _model(self) -> SentenceTransformer:
        from hexapla.encoder.load import load_encoder

        return load_encoder(self.encoder, **self.loading)

    def scores(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return 1 - cosine of each cell and its source."""
        from hexapla.encoder.encode import encode

        if not candidates:
            return []
        both = [candidate.source for candidate in candidates]
        both += [candidate.text for candidate in candidates]
        sources, texts = np.split(encode(self._model, both, task="BitextMining"), 2)
        return [float(cosine) for cosine in 1 - np.einsum("nd,nd->n", sources, texts)]

    def accept(self, score: float) -> bool:
        """Accept a cosine of `least` or more."""
        return score <= 1 - self.least
