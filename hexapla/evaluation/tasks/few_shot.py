"""MTEB's few-shot probe: small balanced draws of labelled rows, and a regression fitted on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# MTEB's n_experiments, samples_per_label and max_iter, in its abstasks/classification.py. Its seed
# is 42.
N_DRAWS = 10
PER_LABEL = 8
_MAX_ITER = 100


def few_shot_draws(
    labels: Sequence[str | int],
    *,
    n_draws: int = N_DRAWS,
    per_label: int = PER_LABEL,
    seed: int = 42,
) -> list[list[int]]:
    """Draw the rows to fit on exactly as MTEB does.

    Args:
        labels: Label of each row of train. A label with fewer rows contributes all of them.
        n_draws: Number of draws.
        per_label: Rows of each label in a draw.
        seed: Seed that MTEB sets again for every draw. Draws still differ, because each one
            shuffles the order that the draw before left.
    """
    order = list(range(len(labels)))
    draws = []
    for _ in range(n_draws):
        np.random.RandomState(seed).shuffle(order)
        taken: Counter[str | int] = Counter()
        draw = []
        for row in order:
            if taken[labels[row]] < per_label:
                draw.append(row)
                taken[labels[row]] += 1
        draws.append(draw)
    return draws


def fit_probes(
    vectors: NDArray[np.float32],
    labels: Sequence[str | int],
    draws: Sequence[Sequence[int]],
    *,
    seed: int = 42,
) -> list[Any]:
    """Fit MTEB's logistic regression on each draw.

    Args:
        vectors: (n, dim) vectors of train, of which only drawn rows are used.
        labels: The n labels.
        draws: Rows of each draw.
        seed: Seed of the regression; the default solver does not use it.
    """
    from sklearn.linear_model import LogisticRegression

    return [
        LogisticRegression(max_iter=_MAX_ITER, random_state=seed).fit(
            vectors[list(draw)], [labels[row] for row in draw]
        )
        for draw in draws
    ]


def correctness(
    probes: Sequence[Any], vectors: NDArray[np.float32], labels: Sequence[str | int]
) -> NDArray[np.float64]:
    """Return the fraction of probes that predict each item's label; the mean is the accuracy.

    Args:
        probes: Fitted probes.
        vectors: (n, dim) vectors of the items.
        labels: The n labels.

    Returns:
        (n,) fractions, 0 to 1.
    """
    right = np.array(
        [probe.predict(vectors) == np.array(labels) for probe in probes], dtype=np.float64
    )
    fractions: NDArray[np.float64] = right.mean(axis=0)
    return fractions
