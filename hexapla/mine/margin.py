"""Nearest neighbours in both directions -> mined pairs with their margin scores, the best first.

The margin score of Artetxe and Schwenk (2019, arXiv 1811.01136, section 3) relates a cosine to the
mean cosines of both sentences with their k nearest neighbours, so a sentence that is near to
everything has no advantage. Retrieval is that of LASER's `mine_bitexts.py`, which gives each
sentence the candidate with the highest margin score.

Shapes: S source and T target sentences, K neighbours, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from hexapla.errors import InputError, did_you_mean
from hexapla.mine.config import Margin, Retrieval

if TYPE_CHECKING:
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
        """Return the number of pairs."""
        return len(self.source)

    def above(self, threshold: float) -> Pairs:
        """Return the pairs with a margin score of at least a threshold."""
        return self.take(np.flatnonzero(self.margin >= threshold))

    def take(self, places: NDArray[np.int64]) -> Pairs:
        """Return the pairs at some places, in the order of the places."""
        return Pairs(
            self.source[places], self.target[places], self.margin[places], self.cosine[places]
        )


def margin_scores(
    cosine: NDArray[np.float32],
    own_mean: NDArray[np.float32],
    other_mean: NDArray[np.float32],
    margin: Margin,
) -> NDArray[np.float32]:
    """Return margin scores in the shape of the cosines; higher is better.

    Args:
        cosine: Cosines of pairs.
        own_mean: Mean cosine of one sentence with its k nearest neighbours. It broadcasts.
        other_mean: The same of the other sentence.
        margin: "ratio" is cosine / mean of both, "distance" is cosine - mean of both, "absolute" is
            the cosine.

    Raises:
        InputError: There is no such margin.

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
    raise _not_allowed("margin", margin, get_args(Margin))


def mine_pairs(
    of_source: Neighbours,
    of_target: Neighbours,
    *,
    margin: Margin = "ratio",
    retrieval: Retrieval = "max",
) -> Pairs:
    """Choose pairs among nearest neighbours.

    Args:
        of_source: (S, K) neighbours of the source in the target.
        of_target: (T, K) neighbours of the target in the source.
        margin: See `margin_scores`.
        retrieval: "forward" gives each source sentence its best candidate, "backward" each target
            sentence. "intersection" keeps the pairs that are in both. "max" takes the best pairs of
            both together, with each sentence in one pair at most.

    Raises:
        InputError: There is no such margin or retrieval.
    """
    source_mean, target_mean = of_source.cosine.mean(axis=1), of_target.cosine.mean(axis=1)
    forward = _best(of_source, source_mean, target_mean, margin)
    if retrieval == "forward":
        return _sorted(forward)
    swapped = _best(of_target, target_mean, source_mean, margin)
    backward = Pairs(swapped.target, swapped.source, swapped.margin, swapped.cosine)
    if retrieval == "backward":
        return _sorted(backward)
    if retrieval == "intersection":
        return _sorted(_in_both(forward, backward))
    if retrieval == "max":
        every = _sorted(_concatenated(forward, backward))
        return every.take(_first_uses(every, len(of_source.index), len(of_target.index)))
    raise _not_allowed("retrieval", retrieval, get_args(Retrieval))


def _not_allowed(name: str, given: str, allowed: tuple[str, ...]) -> InputError:
    words = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    return InputError(f'{name} is "{given}"; it must be {words}{did_you_mean(str(given), allowed)}')


def _best(
    own: Neighbours, own_mean: NDArray[np.float32], other_mean: NDArray[np.float32], margin: Margin
) -> Pairs:
    """Pair each sentence with its candidate of the highest margin score, the nearest of equals."""
    score_SK = margin_scores(own.cosine, own_mean[:, None], other_mean[own.index], margin)
    place_S = score_SK.argmax(axis=1)
    row_S = np.arange(len(place_S))
    return Pairs(
        row_S, own.index[row_S, place_S], score_SK[row_S, place_S], own.cosine[row_S, place_S]
    )


def _sorted(pairs: Pairs) -> Pairs:
    return pairs.take(np.argsort(-pairs.margin, kind="stable"))


def _in_both(forward: Pairs, backward: Pairs) -> Pairs:
    known = set(zip(backward.source.tolist(), backward.target.tolist(), strict=True))
    rows = zip(forward.source.tolist(), forward.target.tolist(), strict=True)
    return forward.take(np.flatnonzero([pair in known for pair in rows]))


def _concatenated(forward: Pairs, backward: Pairs) -> Pairs:
    return Pairs(
        *(
            np.concatenate([getattr(forward, name), getattr(backward, name)])
            for name in Pairs.__slots__
        )
    )


def _first_uses(pairs: Pairs, n_source: int, n_target: int) -> NDArray[np.int64]:
    """Return the places of the pairs whose sentences are both in no earlier chosen pair."""
    source_is_free, target_is_free = np.ones(n_source, dtype=bool), np.ones(n_target, dtype=bool)
    places = []
    rows = zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)
    for place, (source, target) in enumerate(rows):
        if source_is_free[source] and target_is_free[target]:
            source_is_free[source] = target_is_free[target] = False
            places.append(place)
    return np.array(places, dtype=np.int64)
