"""What an encoder makes of texts in the pivot's language -> one number, by which a merge sees what was lost there.

Against judged pairs, or, where there are none, against the cosines that the base gives the same
texts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from hexapla.encoder.load import encode
from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import filled
from hexapla.evaluation.tasks.sts import Judged, cosines, read_judged, spearman

Measure = Callable[[SentenceTransformer], float]  # -1 to 1, higher is better


def read_pairs(path: Path) -> Judged:
    """Read judged pairs, without the rows that lack a part.

    Raises:
        InputError: see `read_judged`; or the scores rank nothing.
    """
    judged = read_judged(path)
    rows = filled(judged.sentence1, judged.sentence2, judged.gold)
    if len({judged.gold[row] for row in rows}) < 2:
        raise InputError(
            f"{path}: has {len(rows)} filled rows and no two different scores, which rank nothing; "
            "give pairs with scores that differ"
        )
    return dataclasses.replace(
        judged,
        sentence1=[judged.sentence1[row] for row in rows],
        sentence2=[judged.sentence2[row] for row in rows],
        gold=[judged.gold[row] for row in rows],
    )


def agreement_with_scores(judged: Judged) -> Measure:
    """Return the measure: Spearman's correlation of an encoder's cosines with the scores of pairs."""
    gold = np.array(judged.gold, dtype=np.float64)
    sides = [[str(text) for text in side] for side in (judged.sentence1, judged.sentence2)]
    return lambda model: spearman(
        cosines(*(encode(model, side, task="STS") for side in sides)), gold
    )


def agreement_with_base(base: SentenceTransformer, texts: Sequence[str]) -> Measure:
    """Return the measure: Spearman's correlation of an encoder's cosines with the base's, over all pairs of texts.

    Args:
        base: the base, or an encoder that has its weights now.
        texts: three or more.

    Raises:
        InputError: the base gives all pairs the same cosine.
    """
    reference = all_cosines(base, texts)
    if np.all(reference == reference[0]):
        raise InputError(
            f"the base gives all pairs of {len(texts)} pivot texts the same cosine, which ranks nothing; "
            "give judged pairs (--sts), or another base"
        )
    return lambda model: spearman(all_cosines(model, texts), reference)


def all_cosines(model: SentenceTransformer, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return (n (n - 1) / 2,) the cosines of all pairs of n texts."""
    vectors = encode(model, texts, task="STS").astype(np.float64)
    cosine_RR: NDArray[np.float64] = vectors @ vectors.T
    return cosine_RR[np.triu_indices(len(texts), k=1)]
