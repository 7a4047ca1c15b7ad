"""Files of sentence pairs with human judgements -> the pairs of one language, or across two."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import (
    filled,
    language_files,
    read_table_columns,
    short_sha,
)


@dataclass(frozen=True, kw_only=True)
class JudgedPairs:
    """The file of one language: two sentences and a judgement in each row, any of them None."""

    sentence1: Sequence[str | None]
    sentence2: Sequence[str | None]
    gold: Sequence[float | None]
    data_sha: str


@dataclass(frozen=True, kw_only=True)
class SentencePairs:
    """The complete rows of one language, or of two.

    Attributes:
        items: Name of each row; rows of several languages have the same name if judgement and
            meaning are the same.
        sentence1: Sentences in the first language.
        sentence2: Sentences in the second language, or the only one.
        gold: The judgements.
        data_sha: First digits of the hash of the data.
    """

    items: Sequence[str]
    sentence1: Sequence[str]
    sentence2: Sequence[str]
    gold: Sequence[float]
    data_sha: str


def judged_files(folder: str | Path) -> dict[str, Path]:
    """Return the files of a folder by language.

    Raises:
        InputError: The folder does not exist or has no such file; or see `language_files`.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is not a folder; STS data are a folder of LANG.parquet files")
    files = language_files(Path(folder))
    if not files:
        raise InputError(
            f"{folder} has no LANG.parquet file (such as deu_Latn.parquet); STS data are one file "
            "per language"
        )
    return files


def read_judged(file: Path) -> JudgedPairs:
    """Read the columns `sentence1`, `sentence2` and `score` of one language's file.

    Raises:
        InputError: The file or a column is missing, or a judgement is not a number.
    """
    read = read_table_columns(file, ["sentence1", "sentence2", "score"])
    for row, score in enumerate(read["score"], start=1):
        if score is not None and (not isinstance(score, int | float) or not np.isfinite(score)):
            raise InputError(f"{file}: score {score!r} in row {row} is not a number")
    return JudgedPairs(
        sentence1=read["sentence1"],
        sentence2=read["sentence2"],
        gold=read["score"],
        data_sha=short_sha(file.read_bytes()),
    )


def read_pairs(path: Path) -> JudgedPairs:
    """Read judged pairs, without the rows in which a sentence or the score is missing.

    Raises:
        InputError: See `read_judged`; or no two scores differ.
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


def pair_files(one: JudgedPairs, other: JudgedPairs, place: str) -> SentencePairs:
    """Pair the first sentences of a file with the second ones of a row-aligned file, or of itself.

    Args:
        one: File of the first language.
        other: File of the second language, with the same judgements; `one` within a language.
        place: Where the data are, for errors.

    Raises:
        InputError: Fewer than two different judgements are left.
    """
    rows = filled(one.sentence1, other.sentence2, one.gold)
    if len({one.gold[row] for row in rows}) < 2:
        raise InputError(f"{place} has {len(rows)} filled rows and no two different scores")
    return sentence_pairs(
        [one.sentence1[row] or "" for row in rows],
        [other.sentence2[row] or "" for row in rows],
        one.gold,
        rows,
        one.data_sha if one is other else short_sha(one.data_sha, other.data_sha),
    )


def sentence_pairs(
    sentence1: Sequence[str],
    sentence2: Sequence[str],
    gold: Sequence[float | None],
    rows: Sequence[int],
    data_sha: str,
) -> SentencePairs:
    """Name the items so that row 7 is the same item in all files with the same judgements only.

    Args:
        sentence1: First sentences of the complete rows.
        sentence2: Second sentences of the complete rows.
        gold: Judgements of all rows.
        rows: The complete rows.
        data_sha: First digits of the hash of the data.
    """
    judgements = short_sha(repr(list(gold)))[:8]
    return SentencePairs(
        items=[f"{judgements}-{row}" for row in rows],
        sentence1=sentence1,
        sentence2=sentence2,
        gold=[value for row in rows if (value := gold[row]) is not None],
        data_sha=data_sha,
    )
