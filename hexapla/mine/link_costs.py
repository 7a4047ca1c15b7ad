"""Vectors of two documents -> what it costs to link each of their sentences with each.

The cost is that of Thompson and Koehn (2019, section 3.1): the distance of the two vectors,
relative to their mean distance to unrelated sentences, times the numbers of sentences on both
sides. There, unrelated sentences are a random sample of the other document. In a document of a few
sentences, or of equal ones, such a sample is the translation itself, and no link is cheap. So here

- equal sentences count once, and the nearest one, which may be the translation, does not count;
- neutral sentences, which have nothing to do with either document, count beside them. They matter
  where a document has few sentences of its own.

Unlike sentences therefore cost about 1, whatever the documents.

Two rules are added for links of two sentences with one. It must be nearer to both joined than to
either alone; otherwise a short sentence without translation would always be joined to its
neighbour. And the two must differ, since a repeated sentence says no more than a single one.

Shapes: S source sentences, T target sentences, D dimensions. There are S - k + 1 blocks of k
sentences, of which U are distinct on the source side and V on the target side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hexapla.mine.cheapest_links import SIZES, FloatArray

# Weight of the mean distance to neutral sentences, in sentences of the document. With 10 or more,
# F1 on documents of 8 to 20 sentences falls for an encoder that was aligned on captions
# (dev/LOG.md, 2026-11-28).
_NEUTRAL_WEIGHT = 3.0
_COLLAPSED = 1e-6  # added to a mean distance, which is 0 if the encoder gives equal vectors only


def link_costs(
    source: Sequence[FloatArray], target: Sequence[FloatArray], neutral: FloatArray | None = None
) -> dict[tuple[int, int], FloatArray]:
    """Return, for each size of a link, the (S, T) costs of each block with each of the other side.

    Equal sentences have equal costs to the last digit, so that only their place decides among them.

    Args:
        source: (S, D) unit vectors of the sentences and, if there are two or more, (S - 1, D) unit
            vectors of each two joined.
        target: (T, D) and (T - 1, D), likewise.
        neutral: (N, D) unit vectors of sentences unrelated to both documents. Without them, the
            distance to such a sentence is taken to be 1, which is right for vectors that point
            everywhere.
    """
    sources, targets = [_distinct(side) for side in source], [_distinct(side) for side in target]
    distances = {
        (m, n): 1 - sources[m - 1][0] @ targets[n - 1][0].T
        for m, n in SIZES
        if len(source) >= m and len(target) >= n
    }
    source_means = [
        _mean_distance(distances[m, 1], vectors, neutral)
        for m, (vectors, _) in enumerate(sources, start=1)
    ]
    target_means = [
        _mean_distance(distances[1, n].T, vectors, neutral)
        for n, (vectors, _) in enumerate(targets, start=1)
    ]
    costs: dict[tuple[int, int], FloatArray] = {}
    for (m, n), cost_UV in distances.items():
        cost_UV *= 2 * m * n
        cost_UV /= source_means[m - 1][:, None] + target_means[n - 1][None, :]
        np.maximum(cost_UV, 0, out=cost_UV)
        costs[m, n] = _spread(cost_UV, sources[m - 1][1], targets[n - 1][1])
    _forbid_joins(costs, sources[0][1], targets[0][1])
    return costs


def _distinct(vectors: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return (U, D) the distinct vectors in order, and for each vector its place among them."""
    known: dict[bytes, int] = {}
    places = np.array([known.setdefault(row.tobytes(), len(known)) for row in vectors], dtype=int)
    if len(known) == len(vectors):
        return vectors, places
    return vectors[np.unique(places, return_index=True)[1]], places


def _mean_distance(
    distance_UV: FloatArray, vectors: FloatArray, neutral: FloatArray | None
) -> FloatArray:
    """Return (U,) the mean distance of each vector to unrelated sentences.

    Args:
        distance_UV: (U, V) distances to the distinct sentences of the other side, one or more.
        vectors: (U, D) the vectors.
        neutral: (N, D) vectors of neutral sentences.
    """
    n_others = distance_UV.shape[1] - 1
    others_U = distance_UV.sum(axis=1) - distance_UV.min(axis=1)
    neutral_U = 1.0 if neutral is None else 1 - vectors @ neutral.mean(axis=0)
    mean_U = (others_U + _NEUTRAL_WEIGHT * neutral_U) / (n_others + _NEUTRAL_WEIGHT)
    result: FloatArray = (mean_U + _COLLAPSED).astype(np.float32)
    return result


def _spread(
    cost_UV: FloatArray, source_S: NDArray[np.intp], target_T: NDArray[np.intp]
) -> FloatArray:
    """Return (S, T): the costs of distinct blocks, for all blocks."""
    if cost_UV.shape == (len(source_S), len(target_T)):
        return cost_UV
    return cost_UV[np.ix_(source_S, target_T)]


def _forbid_joins(
    costs: Mapping[tuple[int, int], FloatArray],
    source_S: NDArray[np.intp],
    target_T: NDArray[np.intp],
) -> None:
    """Forbid links of two equal sentences, or of two with one that is nearer to either alone."""
    single_ST = costs[1, 1]
    if (2, 1) in costs:
        cost_ST = costs[2, 1]
        cost_ST[cost_ST / 2 >= np.minimum(single_ST[:-1], single_ST[1:])] = np.inf
        cost_ST[source_S[:-1] == source_S[1:]] = np.inf
    if (1, 2) in costs:
        cost_ST = costs[1, 2]
        cost_ST[cost_ST / 2 >= np.minimum(single_ST[:, :-1], single_ST[:, 1:])] = np.inf
        cost_ST[:, target_T[:-1] == target_T[1:]] = np.inf
