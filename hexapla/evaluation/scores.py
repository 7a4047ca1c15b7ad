"""Scores, and the file `scores.jsonl` that holds one of them per line.

A score folder also holds `run.json` and the tables of `hexapla.evaluation.per_item`. `scores.jsonl`
is written last, so that a folder without it is unfinished.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from hexapla.errors import InputError, did_you_mean
from hexapla.runs.atomic import write_text
from hexapla.runs.schema import (
    Count,
    RelativePath,
    Stored,
    Text,
    check_object,
    parse_json,
    read_text,
)
from hexapla.text.lines import ending

SCORES_FILE = "scores.jsonl"
_TABLES = (".tsv", ".csv", ".parquet")

_ROUNDING = 1e-6  # a mean of ones may be a little above 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number, with all that says what it is and how to compute it again.

    Attributes:
        task: Kind and name, such as `bitext/sib200`.
        metric: Name of the metric, such as `accuracy` or `spearman`; see
            `hexapla.evaluation.metrics`.
        value: A fraction, 0 to 1; -1 to 1 for `spearman`.
        n: Number of items, without rows that have an empty cell.
        languages: One language; or source and target, such as `eng_Latn-deu_Latn`; or for zero-shot
            the training and the test language.
        seen: Whether all languages were columns in alignment training; None if that is unknown.
        split: `test`, `dev`, `all`, `held-out-0.05`, ...
        encoder: Name or folder of the encoder.
        encoder_sha: SHA-256 of its weights.
        corpus: Corpus of its alignment, or None.
        regime: Regime of its alignment, or None.
        seed: Seed of its alignment, or None.
        signature: All that reproduces the value; see `hexapla.evaluation.signature`.
        per_item: Path of the per-item table relative to the scores file, with `/` on every system.
    """

    task: str
    metric: str
    value: float
    n: int
    languages: str
    seen: bool | None
    split: str
    encoder: str
    encoder_sha: str
    corpus: str | None
    regime: str | None
    seed: int | None
    signature: str
    per_item: str | None


def write_scores(scores: Sequence[Score], folder: Path) -> None:
    """Write `scores.jsonl`, whole or not at all.

    Raises:
        ValueError: A value is not finite.
    """
    lines = [
        json.dumps(dataclasses.asdict(score), ensure_ascii=False, allow_nan=False)
        for score in scores
    ]
    write_text(folder / SCORES_FILE, "".join(f"{line}\n" for line in lines))


def read_scores(path: str | Path) -> list[Score]:
    """Read the scores of a folder, or of one `scores.jsonl`.

    Raises:
        InputError: The path does not exist, the folder has no scores, or a line is not a score.
    """
    file = scores_file(path)
    scores = []
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            scores.append(parse_score(parse_json(line)))
        except ValueError as error:
            raise InputError(f"{file}:{number}: not a score: {error}") from error
    if not scores:
        raise InputError(f"{file} holds no scores")
    return scores


def scores_file(path: str | Path) -> Path:
    """Return the scores file of a folder, or the file itself.

    Raises:
        InputError: There is none.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / SCORES_FILE).is_file():
            raise InputError(
                f"{path} has no {SCORES_FILE}: not a score folder, or its evaluation did not finish"
            )
        return path / SCORES_FILE
    if not path.is_file():
        hint = did_you_mean(path.name, sorted(each.name for each in path.parent.glob("*")))
        raise InputError(
            f"{path} does not exist; give a folder that `hexapla evaluate` wrote, or an encoder"
            f"{hint}"
        )
    if ending(path) in _TABLES:
        raise InputError(
            f"{path} is a table, and no scores; give a folder that `hexapla evaluate` wrote, or an "
            f"encoder to measure on these rows (--data {path})"
        )
    return path


def parse_score(content: Any) -> Score:
    """Return the score that one parsed line of a scores file holds, its fields checked.

    Raises:
        ValueError: The line is not a score.
    """
    fields = check_object(content, _ScoreLine)
    for name in fields:
        if name not in _ScoreLine.model_fields:
            raise ValueError(
                f'it has a field "{name}" that this version does not know'
                f"{did_you_mean(name, _ScoreLine.model_fields)}"
            )
    return Score(**{**fields, "value": float(fields["value"])})


def _check_fraction(value: float) -> float:
    if abs(value) > 1 + _ROUNDING:
        raise ValueError("a number from -1 to 1")
    return value


class _ScoreLine(Stored):
    """The fields of `Score`, and the ranges that readers rely on."""

    task: Text
    metric: Text
    value: Annotated[float, AfterValidator(_check_fraction)]
    n: Count
    languages: Text
    seen: bool | None
    split: Text
    encoder: Text
    encoder_sha: str
    corpus: str | None
    regime: str | None
    seed: int | None
    signature: str
    per_item: RelativePath | None
