"""The measurements of an unfinished evaluation, on disk so that it can be resumed.

For each measurement its per-item table is written first, and then its scores as one line. A line
that a kill left incomplete, or whose table does not fit, is ignored and measured again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from hexapla.evaluation.per_item import read_per_item, write_per_item
from hexapla.evaluation.scores import Score, parse_score
from hexapla.runs.atomic import flush
from hexapla.runs.schema import parse_json

UNFINISHED = "unfinished.jsonl"

# Task, split and languages of a measurement.
Place = tuple[str, str, str]


def place_of(score: Score) -> Place:
    """Return the task, split and languages of a score, which the metrics of a measurement share."""
    return score.task, score.split, score.languages


def read_unfinished(out: Path) -> dict[Place, list[Score]]:
    """Return the scores that were measured before the evaluation stopped."""
    file = out / UNFINISHED
    measured: dict[Place, list[Score]] = {}
    # A kill may leave half a letter.
    text = file.read_bytes().decode(errors="replace") if file.is_file() else ""
    for line in text.split("\n"):
        try:
            scores = [parse_score(one) for one in parse_json(line)]
            for score in scores:
                read_per_item(score, file)
            measured[place_of(scores[0])] = scores
        except (ValueError, TypeError, IndexError):  # InputError is a ValueError
            continue
    return measured


def record_measurement(out: Path, scores: Sequence[Score], table: pa.Table) -> None:
    """Write the table and then the scores of one measurement.

    Raises:
        ValueError: A score does not fit its table, or is not finite.
    """
    write_per_item(table, scores, out)
    line = json.dumps(
        [dataclasses.asdict(score) for score in scores], ensure_ascii=False, allow_nan=False
    )
    with (out / UNFINISHED).open("a", encoding="utf-8") as file:
        # The first line break ends a line that a kill left incomplete.
        file.write(f"\n{line}\n")
    flush(out / UNFINISHED)
