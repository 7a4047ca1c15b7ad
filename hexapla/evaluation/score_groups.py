"""What scores are averaged into: a language first, then a group of languages.

Both directions of retrieval are one language, and every language counts once, however many scores
it has. `Scores` and `hexapla compare` average by these rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hexapla.evaluation.tasks.protocol import ENGLISH

_SEEN_WORDS = {True: "seen", False: "unseen", None: "all"}

# In the order of a table's lines.
GROUPS = (*_SEEN_WORDS.values(), ENGLISH, *(f"{word}, no English" for word in _SEEN_WORDS.values()))


def unit_of(languages: str) -> str:
    """Return the language, or the pair without English, that both directions are averaged into.

    >>> unit_of("deu_Latn-eng_Latn"), unit_of("fra_Latn-deu_Latn"), unit_of("eng_Latn")
    ('deu_Latn', 'deu_Latn-fra_Latn', 'eng_Latn')
    """
    members = set(languages.split("-"))
    return "-".join(sorted(members - {ENGLISH})) or ENGLISH


def group_of(languages: str, seen: bool | None) -> str:
    """Return the line of the table that a score belongs to.

    >>> group_of("eng_Latn-deu_Latn", True), group_of("fra_Latn-deu_Latn", True)
    ('seen', 'seen, no English')
    >>> group_of("eng_Latn", True)
    'eng_Latn'
    """
    members = set(languages.split("-"))
    if members == {ENGLISH}:
        return ENGLISH
    word = _SEEN_WORDS[seen]
    return f"{word}, no English" if len(members) > 1 and ENGLISH not in members else word


def average(estimates: npt.NDArray[np.float64], units: Sequence[str]) -> npt.NDArray[np.float64]:
    """Average the estimates of each unit, then the units, each of which counts once.

    Args:
        estimates: (S, ...) an estimate for each statistic; NaNs are left out.
        units: S names: the language of each statistic, which is the same for both directions of
            retrieval.

    >>> average(np.array([0.25, 0.75, 1.0]), ["deu_Latn", "deu_Latn", "fra_Latn"]).item()
    0.75
    """
    members: dict[str, list[int]] = {}
    for number, unit in enumerate(units):
        members.setdefault(unit, []).append(number)
    return _mean(np.stack([_mean(estimates[numbers]) for numbers in members.values()]))


def _mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average over the first axis, leaving out NaNs; NaN, without a warning, where all are NaN."""
    defined = ~np.isnan(values)
    sums: npt.NDArray[np.float64] = np.where(defined, values, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        means: npt.NDArray[np.float64] = sums / defined.sum(axis=0)
    return means
