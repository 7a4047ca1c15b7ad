"""Pairs of sentences with a human judgement of their similarity -> Spearman's rank correlation with the cosine.

Within a language both sentences are in it. Across languages the first is in one and the second in the other, which can
be done where files are row-aligned, that is, where they have the same judgements. Spearman compares ranks only, so the
judgements keep their own unit (0 to 5 in STS Benchmark).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hexapla import languages as codes
from hexapla.errors import InputError
from hexapla.evaluate.bitext import Pairs
from hexapla.evaluate.inputs import Measurement, Prompted, filled, language_files, read_columns, short_sha

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluate.inputs import Embed

logger = logging.getLogger(__name__)

_PIVOT = "eng_Latn"


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the (n,) cosines of the rows of two (n, dim) matrices of unit vectors."""
    cosine: NDArray[np.float64] = np.einsum("nd,nd->n", first, second, dtype=np.float64)
    return cosine


def spearman(cosine: NDArray[np.float64], gold: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation of two (n,) arrays, -1 to 1, higher is better.

    Cosines that are all equal rank nothing: the correlation is undefined, and 0.0 is returned, so that a collapsed
    encoder scores as what it is instead of dropping out of an average.

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
class StsTask:
    """Judged sentence pairs in several languages.

    Attributes:
        name: `stsb-mt` in the task names `sts/stsb-mt` (within a language) and `sts-across/stsb-mt`.
        split: As `Score.split`.
        columns: The files by language.
        rows: The filled rows, by the languages of sentence1 and sentence2, which are the same one within a language.
    """

    name: str
    split: str
    columns: Mapping[str, Judged]
    rows: Mapping[tuple[str, str], Sequence[int]]

    @property
    def data_sha(self) -> str:
        """Return the start of a hash over all the files."""
        return short_sha(*(column.data_sha for column in self.columns.values()))

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are measured."""
        return tuple(self.columns)

    @property
    def n_measurements(self) -> int:
        """Return how many measurements there will be."""
        return len(self.rows)

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for column in self.columns.values():
            for texts in (column.sentence1, column.sentence2):
                yield Prompted(kind="STS", texts=[text for text in texts if text is not None])

    def measure(self, embed: Embed) -> Iterator[Measurement]:
        """Correlate every language, and every two that are row-aligned."""
        for (first, second), rows in self.rows.items():
            one, two = self.columns[first], self.columns[second]
            cosine = cosines(
                embed([text for row in rows if (text := one.sentence1[row]) is not None]),
                embed([text for row in rows if (text := two.sentence2[row]) is not None]),
            )
            gold = np.array([one.gold[row] for row in rows], dtype=np.float64)
            within = first == second
            # Row 7 is the same item in every file with the same judgements, and in no other.
            aligned = short_sha(repr(list(one.gold)))[:8]
            yield Measurement(
                task=f"sts/{self.name}" if within else f"sts-across/{self.name}",
                split=self.split,
                languages=first if within else codes.pair(first, second),
                data_sha=one.data_sha if within else short_sha(one.data_sha, two.data_sha),
                items=[f"{aligned}-{row}" for row in rows],
                columns={"cosine": cosine, "gold": gold},
                metrics={"spearman": spearman(cosine, gold)},
                settings={},
            )


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
        languages: The languages to use next to English, those that are not there aside; all by default.
        pairs: Across languages, `pivot` for English with every other one, `all` for every two; both orders.

    Raises:
        InputError: No such folder or files in it, missing columns, judgements that are no numbers or all equal.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is no folder; STS data are a folder of LANG.parquet files")
    files = language_files(Path(folder))
    if not files:
        raise InputError(f"{folder} has no LANG.parquet file (as deu_Latn.parquet); STS data are one file per language")
    chosen = {code: file for code, file in files.items() if languages is None or code in languages or code == _PIVOT}
    columns = {code: read_judged(file) for code, file in chosen.items()}
    rows = {(code, code): filled(column.sentence1, column.sentence2, column.gold) for code, column in columns.items()}
    apart = 0
    for first, second in permutations(columns, 2):
        if pairs == "pivot" and _PIVOT not in (first, second):
            continue
        if columns[first].gold != columns[second].gold:
            apart += 1
            continue
        rows[first, second] = filled(columns[first].sentence1, columns[second].sentence2, columns[first].gold)
    if apart:
        logger.info("%s: %d ordered pairs of languages have other judgements and are not compared", folder, apart)
    for (first, second), both in rows.items():
        if len({columns[first].gold[row] for row in both}) < 2:
            raise InputError(f"{folder}: {first}-{second} has {len(both)} filled rows and no two different scores")
    return [StsTask(name=name, split=split, columns=columns, rows=rows)]


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
