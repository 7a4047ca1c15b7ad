"""How well an encoder still ranks texts in the pivot's language: what a merge must not lose.

The cosines of the encoder are compared with the scores of judged pairs or, without these, with the
base's cosines of the same texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hexapla.encoder.encode import encode
from hexapla.errors import InputError
from hexapla.evaluation.tasks.judged_pairs import JudgedPairs
from hexapla.evaluation.tasks.sts import cosines, spearman

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

Measure = Callable[["SentenceTransformer"], float]  # -1 to 1, higher is better


def agreement_with_scores(judged: JudgedPairs) -> Measure:
    """Measure an encoder by Spearman correlation of its cosines with the scores of pairs."""
    gold = np.array(judged.gold, dtype=np.float64)
    sides = [[str(text) for text in side] for side in (judged.sentence1, judged.sentence2)]
    return lambda model: spearman(
        cosines(*(encode(model, side, task="STS") for side in sides)), gold
    )


def agreement_with_base(base: SentenceTransformer, texts: Sequence[str]) -> Measure:
    """Measure an encoder by Spearman correlation of its cosines with the base's, over all pairs.

    Args:
        base: The base, or an encoder that has its weights now.
        texts: Three or more.

    Raises:
        InputError: The base gives all pairs the same cosine.
    """
    reference = all_cosines(base, texts)
    if np.all(reference == reference[0]):
        raise InputError(
            f"the base gives all pairs of {len(texts)} pivot texts the same cosine, which ranks "
            "nothing; give judged pairs (--sts), or another base"
        )
    return lambda model: spearman(all_cosines(model, texts), reference)


def all_cosines(model: SentenceTransformer, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the (n (n - 1) / 2,) cosines of all pairs of n texts."""
    vectors = encode(model, texts, task="STS").astype(np.float64)
    cosine_RR: NDArray[np.float64] = vectors @ vectors.T
    return cosine_RR[np.triu_indices(len(texts), k=1)]
