"""What an evaluation has measured so far, on disk, so that an interrupted one goes on.

A measurement's per-item table is written first and its scores after it, as one line; a line torn by
a kill, or one whose table is not what it says, is measured again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.evaluation.scores import Score, check_table, parse_line, read_per_item

UNFINISHED = "unfinished.jsonl"

# Task, split and languages.
Place = tuple[str, str, str]


def place_of(score: Score) -> Place:
    """Return what a score is of, but for its metric."""
    return score.task, score.split, score.languages


def read_unfinished(out: Path) -> dict[Place, list[Score]]:
    """Return the scores measured so far, by what they are of."""
    file = out / UNFINISHED
    found: dict[Place, list[Score]] = {}
    lines = file.read_text(encoding="utf-8").split("\n") if file.is_file() else []
    for line in lines:
        try:
            scores = [parse_line(json.dumps(one)) for one in json.loads(line)]
            for score in scores:
                read_per_item(score, file)
        except (ValueError, TypeError):  # InputError is a ValueError
            continue
        found[place_of(scores[0])] = scores
    return found


def add(out: Path, scores: Sequence[Score], table: pa.Table) -> None:
    """Write a measurement: the table behind it, then its scores, as one line."""
    path = out / str(scores[0].per_item)
    for score in scores:
        check_table(score, table, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    pq.write_table(table, beside, compression="zstd")
    beside.replace(path)
    line = json.dumps(
        [dataclasses.asdict(score) for score in scores], ensure_ascii=False, allow_nan=False
    )
    with (out / UNFINISHED).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")  # the newline before it ends a line that a kill left torn
        file.flush()
        os.fsync(file.fileno())
