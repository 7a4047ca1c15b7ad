"""Nearest neighbours in both directions -> pairs that translate one another, by their margin scores, the best first.

The margin score of Artetxe and Schwenk (2019, arXiv 1811.01136, section 3) sets a cosine in
relation to the mean cosines of both sentences with their k nearest neighbours, so that one that is
near to everything has no advantage. Retrieval is LASER's `mine_bitexts.py`, which takes for each
sentence the candidate of the highest margin score.

Shapes: S source and T target sentences, K neighbours, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from hexapla.errors import InputError, did_you_mean
from hexapla.mine.config import Margin, Retrieval
from hexapla.mine.search import Neighbours


@dataclass(frozen=True, slots=True)
class Pairs:
    """Mined pairs, in descending order of their margin score.

    Attributes:
        source: (P,) rows of the source.
        target: (P,) rows of the target.
        margin: (P,) margin scores.
        cosine: (P,) cosines.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    margin: NDArray[np.float32]
    cosine: NDArray[np.float32]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.source)

    def above(self, threshold: float) -> Pairs:
        """Return those whose margin score reaches a threshold."""
        kept = self.margin >= threshold
        return Pairs(self.source[kept], self.target[kept], self.margin[kept], self.cosine[kept])


def margin_scores(
    cosine: NDArray[np.float32],
    own_mean: NDArray[np.float32],
    other_mean: NDArray[np.float32],
    margin: Margin,
) -> NDArray[np.float32]:
    """Return margin scores, of the shape of the cosines.

    Args:
        cosine: Of pairs.
        own_mean: Mean cosine of the one sentence with its k nearest neighbours, which broadcasts.
        other_mean: Of the other sentence.
        margin: "ratio" is cosine / mean of both, "distance" cosine - mean of both, "absolute" the
            cosine.

    Raises:
        InputError: No such margin.

    >>> margin_scores(np.float32([0.8]), np.float32([0.5]), np.float32([0.3]), "ratio")
    array([2.], dtype=float32)
    """
    if margin == "absolute":
        return cosine
    mean: NDArray[np.float32] = (own_mean + other_mean) / np.float32(2)
    if margin == "ratio":
        return np.asarray(cosine / mean, dtype=np.float32)
    if margin == "distance":
        return np.asarray(cosine - mean, dtype=np.float32)
    allowed = get_args(Margin)
    raise InputError(
        f'margin is "{margin}"; it must be {", ".join(allowed)}{did_you_mean(str(margin), allowed)}'
    )


def mine_pairs(
    of_source: Neighbours,
    of_target: Neighbours,
    *,
    margin: Margin = "ratio",
    retrieval: Retrieval = "max",
) -> Pairs:
    """Choose pairs.

    Args:
        of_source: (S, K) neighbours of the source in the target.
        of_target: (T, K) neighbours of the target in the source.
        margin: See `margin_scores`.
        retrieval: "forward" takes each source sentence's best candidate, "backward" each target
            sentence's, "intersection" the pairs that are in both, "max" the best of both together,
            each sentence once.

    Raises:
        InputError: No such margin or retrieval.
    """
    source_mean, target_mean = of_source.cosine.mean(axis=1), of_target.cosine.mean(axis=1)
    forward = _best(of_source, source_mean, target_mean, margin)
    if retrieval == "forward":
        return _sorted(forward)
    found = _best(of_target, target_mean, source_mean, margin)
    backward = Pairs(found.target, found.source, found.margin, found.cosine)
    if retrieval == "backward":
        return _sorted(backward)
    if retrieval == "intersection":
        pairs = set(zip(backward.source.tolist(), backward.target.tolist(), strict=True))
        both = [
            pair in pairs
            for pair in zip(forward.source.tolist(), forward.target.tolist(), strict=True)
        ]
        return _sorted(_taken(forward, np.flatnonzero(both)))
    if retrieval == "max":
        every = _sorted(
            Pairs(
                *(
                    np.concatenate([getattr(forward, name), getattr(backward, name)])
                    for name in Pairs.__slots__
                )
            )
        )
        return _taken(every, _once(every, len(of_source.index), len(of_target.index)))
    allowed = get_args(Retrieval)
    raise InputError(
        f'retrieval is "{retrieval}"; it must be {", ".join(allowed)}{did_you_mean(str(retrieval), allowed)}'
    )


def _best(
    own: Neighbours, own_mean: NDArray[np.float32], other_mean: NDArray[np.float32], margin: Margin
) -> Pairs:
    """Return each sentence with its candidate of the highest margin score, the nearest of equal ones."""
    scores = margin_scores(own.cosine, own_mean[:, None], other_mean[own.index], margin)
    place = scores.argmax(axis=1)
    rows = np.arange(len(place))
    return Pairs(rows, own.index[rows, place], scores[rows, place], own.cosine[rows, place])


def _sorted(pairs: Pairs) -> Pairs:
    return _taken(pairs, np.argsort(-pairs.margin, kind="stable"))


def _taken(pairs: Pairs, places: NDArray[np.int64]) -> Pairs:
    return Pairs(
        pairs.source[places], pairs.target[places], pairs.margin[places], pairs.cosine[places]
    )


def _once(pairs: Pairs, n_source: int, n_target: int) -> NDArray[np.int64]:
    """Return the places of pairs neither sentence of which stands in an earlier one."""
    source_free, target_free = np.ones(n_source, dtype=bool), np.ones(n_target, dtype=bool)
    kept = []
    for place, (source, target) in enumerate(
        zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)
    ):
        if source_free[source] and target_free[target]:
            source_free[source] = target_free[target] = False
            kept.append(place)
    return np.array(kept, dtype=np.int64)
