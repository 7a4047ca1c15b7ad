"""Semantic similarity: Spearman's correlation of cosines with human judgements of sentence pairs.

Within a language, both sentences are in it. Across two languages, the first sentence is in one and
the second in the other; that is possible where their files are row-aligned, that is, have the same
judgements. Spearman's correlation compares ranks only, so judgements keep their own unit (0 to 5 in
STS Benchmark).
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hexapla.encoder.kind import Task
from hexapla.evaluation.config import Pairs
from hexapla.evaluation.tasks.inputs import short_sha
from hexapla.evaluation.tasks.judged_pairs import (
    JudgedPairs,
    SentencePairs,
    judged_files,
    pair_files,
    read_judged,
)
from hexapla.evaluation.tasks.protocol import ENGLISH, Key, Measurement, NamedTask
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.protocol import Embed

_log = logging.getLogger(__name__)


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the (n,) cosines of the rows of two (n, dim) matrices of unit vectors.

    Computed from the squared distance, as in MTEB, so that equal sentences have a cosine of exactly
    1. The rounding errors of a product would rank them and move Spearman's correlation in the sixth
    decimal, more than tests allow.
    """
    from sklearn.metrics.pairwise import paired_cosine_distances

    cosine: NDArray[np.float64] = 1 - paired_cosine_distances(first, second).astype(np.float64)
    return cosine


def spearman(cosine: NDArray[np.float64], gold: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation of two (n,) arrays, -1 to 1, higher is better.

    If all cosines are equal, the correlation is undefined and 0.0 is returned, so that a collapsed
    encoder counts in averages as what it is.

    >>> spearman(np.array([0.1, 0.2, 0.9]), np.array([0.0, 1.0, 5.0]))
    1.0
    """
    if np.all(cosine == cosine[0]):
        return 0.0
    from scipy.stats import spearmanr

    return float(spearmanr(cosine, gold).statistic)


@dataclass(frozen=True, kw_only=True)
class StsTask(NamedTask):
    """Judged sentence pairs; `sts/NAME` in scores within a language, `sts-across/NAME` across two.

    Attributes:
        pairs: By the languages of the first and the second sentence, which are the same within a
            language.
    """

    pairs: Mapping[tuple[str, str], SentencePairs]

    task_type: ClassVar[Task] = "STS"

    @property
    def data_sha(self) -> str:
        """Return the first digits of a hash over all data."""
        return short_sha(*(one.data_sha for one in self.pairs.values()))

    @property
    def languages(self) -> tuple[str, ...]:
        """Return all languages."""
        return tuple(dict.fromkeys(code for pair in self.pairs for code in pair))

    @property
    def keys(self) -> list[Key]:
        """Return every language and every two that are compared."""
        return [self._key(first, second) for first, second in self.pairs]

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield the first and the second sentences of all pairs."""
        for one in self.pairs.values():
            yield one.sentence1
            yield one.sentence2

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Correlate the cosines of every pair of languages with the judgements."""
        for languages, one in self.pairs.items():
            key = self._key(*languages)
            if key in done:
                continue
            cosine = cosines(embed(one.sentence1), embed(one.sentence2))
            gold = np.array(one.gold, dtype=np.float64)
            yield self.measurement(
                key,
                data_sha=one.data_sha,
                items=one.items,
                columns={"cosine": cosine, "gold": gold},
                metrics={"spearman": spearman(cosine, gold)},
            )

    def _key(self, first: str, second: str) -> Key:
        if first == second:
            return f"sts/{self.name}", first
        return f"sts-across/{self.name}", codes.pair(first, second)


def read_sts(
    folder: str | Path,
    *,
    name: str,
    split: str = "all",
    languages: Sequence[str] | None = None,
    pairs: Pairs = "pivot",
) -> list[StsTask]:
    """Read a folder of `LANG.parquet` with the columns `sentence1`, `sentence2` and `score`.

    Args:
        folder: The folder.
        name: Name of the task.
        split: Name of the split.
        languages: Languages to use besides English; those that the data lack are ignored. By
            default all.
        pairs: Across languages, `pivot` for English with every other one, `all` for every two; in
            both orders.

    Raises:
        InputError: See `judged_files` and `read_judged`; or judgements are all equal.
    """
    judged = {
        code: read_judged(file)
        for code, file in judged_files(folder).items()
        if languages is None or code in languages or code == ENGLISH
    }
    return [StsTask(name=name, split=split, pairs=_choose_pairs(judged, pairs, str(folder)))]


def _choose_pairs(
    judged: Mapping[str, JudgedPairs], pairs: Pairs, folder: str
) -> dict[tuple[str, str], SentencePairs]:
    """Pair every language with itself, and with others whose judgements are the same."""
    chosen = {
        (code, code): pair_files(one, one, f"{folder}: {code}") for code, one in judged.items()
    }
    n_incomparable = 0
    for first, second in permutations(judged, 2):
        if pairs == "pivot" and ENGLISH not in (first, second):
            continue
        if judged[first].gold != judged[second].gold:
            n_incomparable += 1
            continue
        place = f"{folder}: {first}-{second}"
        chosen[first, second] = pair_files(judged[first], judged[second], place)
    if n_incomparable:
        _log.info(
            "%s: %d ordered pairs of languages have different judgements and are not compared",
            folder,
            n_incomparable,
        )
    return chosen
