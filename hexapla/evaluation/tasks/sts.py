"""Pairs of sentences with a human judgement of their similarity -> Spearman's rank correlation with the cosine.

Within a language both sentences are in it. Across languages the first is in one and the second in
the other, which can be done where files are row-aligned, that is, where they have the same
judgements. Spearman compares ranks only, so the judgements keep their own unit (0 to 5 in STS
Benchmark).
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.config import Pairs
from hexapla.evaluation.tasks.inputs import (
    Key,
    Measurement,
    Prompted,
    filled,
    language_files,
    read_columns,
    short_sha,
)
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.inputs import Embed

logger = logging.getLogger(__name__)

_PIVOT = "eng_Latn"


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the (n,) cosines of the rows of two (n, dim) matrices of unit vectors.

    By the squared distance, as in MTEB: equal sentences then have a cosine of exactly 1. A product
    has rounding in it that ranks them, and moves Spearman in the sixth decimal, which is more than
    tests allow.
    """
    from sklearn.metrics.pairwise import paired_cosine_distances

    cosine: NDArray[np.float64] = 1 - paired_cosine_distances(first, second).astype(np.float64)
    return cosine


def spearman(cosine: NDArray[np.float64], gold: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation of two (n,) arrays, -1 to 1, higher is better.

    Cosines that are all equal rank nothing: the correlation is undefined, and 0.0 is returned, so
    that a collapsed encoder scores as what it is instead of dropping out of an average.

    >>> spearman(np.array([0.1, 0.2, 0.9]), np.array([0.0, 1.0, 5.0]))
    1.0
    """
    if np.all(cosine == cosine[0]):
        return 0.0
    from scipy.stats import spearmanr

    return float(spearmanr(cosine, gold).statistic)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One language's file: two sentences and a judgement in each row, any of which may be missing."""

    sentence1: Sequence[str | None]
    sentence2: Sequence[str | None]
    gold: Sequence[float | None]
    data_sha: str


@dataclass(frozen=True, kw_only=True)
class SentencePairs:
    """The filled rows of one language, or of two.

    Attributes:
        items: Name of each row, the same where rows of other languages have the same judgement and
            meaning.
        sentence1: In the first language.
        sentence2: In the second language, or the only one.
        gold: The judgements.
        data_sha: Start of the hash of the data.
    """

    items: Sequence[str]
    sentence1: Sequence[str]
    sentence2: Sequence[str]
    gold: Sequence[float]
    data_sha: str


@dataclass(frozen=True, kw_only=True)
class StsTask:
    """Judged sentence pairs in several languages.

    Attributes:
        name: `stsb-mt` in the task names `sts/stsb-mt` (within a language) and
            `sts-across/stsb-mt`.
        split: As `Score.split`.
        pairs: By the languages of sentence1 and sentence2, which are the same one within a
            language.
    """

    name: str
    split: str
    pairs: Mapping[tuple[str, str], SentencePairs]

    @property
    def data_sha(self) -> str:
        """Return the start of a hash over all the data."""
        return short_sha(*(one.data_sha for one in self.pairs.values()))

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are measured."""
        return tuple(dict.fromkeys(code for pair in self.pairs for code in pair))

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [self._key(first, second) for first, second in self.pairs]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for one in self.pairs.values():
            yield Prompted(kind="STS", texts=one.sentence1)
            yield Prompted(kind="STS", texts=one.sentence2)

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Correlate every language, and every two that are row-aligned, but for what is done."""
        for (first, second), one in self.pairs.items():
            task, languages = self._key(first, second)
            if (task, languages) in done:
                continue
            cosine, gold = (
                cosines(embed(one.sentence1), embed(one.sentence2)),
                np.array(one.gold, dtype=np.float64),
            )
            yield Measurement(
                task=task,
                split=self.split,
                languages=languages,
                data_sha=one.data_sha,
                items=one.items,
                columns={"cosine": cosine, "gold": gold},
                metrics={"spearman": spearman(cosine, gold)},
                settings={},
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
        name: The task's name.
        split: The split's name.
        languages: The languages to use next to English, those that are not there aside; all by
            default.
        pairs: Across languages, `pivot` for English with every other one, `all` for every two; both
            orders.

    Raises:
        InputError: No such folder or files in it, missing columns, judgements that are no numbers
            or all equal.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is no folder; STS data are a folder of LANG.parquet files")
    files = language_files(Path(folder))
    if not files:
        raise InputError(
            f"{folder} has no LANG.parquet file (as deu_Latn.parquet); STS data are one file per language"
        )
    chosen = {
        code: file
        for code, file in files.items()
        if languages is None or code in languages or code == _PIVOT
    }
    columns = {code: read_judged(file) for code, file in chosen.items()}
    found = {
        (code, code): _filled_pairs(column, column, f"{folder}: {code}")
        for code, column in columns.items()
    }
    apart = 0
    for first, second in permutations(columns, 2):
        if pairs == "pivot" and _PIVOT not in (first, second):
            continue
        if columns[first].gold != columns[second].gold:
            apart += 1
            continue
        found[first, second] = _filled_pairs(
            columns[first], columns[second], f"{folder}: {first}-{second}"
        )
    if apart:
        logger.info(
            "%s: %d ordered pairs of languages have other judgements and are not compared",
            folder,
            apart,
        )
    return [StsTask(name=name, split=split, pairs=found)]


def _filled_pairs(one: Judged, two: Judged, place: str) -> SentencePairs:
    """Pair the first sentences of one file with the second ones of a row-aligned file, or of the same."""
    rows = filled(one.sentence1, two.sentence2, one.gold)
    if len({one.gold[row] for row in rows}) < 2:
        raise InputError(f"{place} has {len(rows)} filled rows and no two different scores")
    return sentence_pairs(
        [one.sentence1[row] or "" for row in rows],
        [two.sentence2[row] or "" for row in rows],
        one.gold,
        rows,
        one.data_sha if one is two else short_sha(one.data_sha, two.data_sha),
    )


def sentence_pairs(
    sentence1: Sequence[str],
    sentence2: Sequence[str],
    gold: Sequence[float | None],
    rows: Sequence[int],
    data_sha: str,
) -> SentencePairs:
    """Name the items: row 7 is the same item in every file with the same judgements, and in no other.

    Args:
        sentence1: Of the filled rows.
        sentence2: Of the filled rows.
        gold: Of all rows.
        rows: Which rows are filled.
        data_sha: Start of the hash of the data.
    """
    aligned = short_sha(repr(list(gold)))[:8]
    return SentencePairs(
        items=[f"{aligned}-{row}" for row in rows],
        sentence1=sentence1,
        sentence2=sentence2,
        gold=[value for row in rows if (value := gold[row]) is not None],
        data_sha=data_sha,
    )


def read_judged(file: Path) -> Judged:
    """Read one language's file: the columns `sentence1`, `sentence2` and `score`, a pair in each row.

    Raises:
        InputError: No such file, a column that is not there, a judgement that is no number.
    """
    read = read_columns(file, ["sentence1", "sentence2", "score"])
    for row, score in enumerate(read["score"], start=1):
        if score is not None and (not isinstance(score, int | float) or not np.isfinite(score)):
            raise InputError(f"{file}: score {score!r} in row {row} is not a number")
    return Judged(
        sentence1=read["sentence1"],
        sentence2=read["sentence2"],
        gold=read["score"],
        data_sha=short_sha(file.read_bytes()),
    )
