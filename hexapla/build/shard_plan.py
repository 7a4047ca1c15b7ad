"""Sentences -> shards of the pivot column, planned from the input alone: how many workers there are changes nothing.

What is left out on the way (too short, repeated, part of an evaluation set) is kept with its reason
in `left_out.jsonl`. `plan.json` is written last: while it is missing the plan is made anew, which
costs no translation.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from hexapla.build.committed import commit, read_json
from hexapla.build.config import BuildConfig
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.near_duplicates import NearDuplicates
from hexapla.corpus.rows import row_id
from hexapla.errors import InputError
from hexapla.runs.atomic import write_json
from hexapla.sources import Sentence, SourceReport, read_sentences

PLAN, LEFT_OUT, SOURCE = "plan.json", "left_out.jsonl", "source"
SCHEMA = pa.schema([(name, pa.string()) for name in ("row_id", "text", "source")])


@dataclass(frozen=True)
class Plan:
    """The shards of a build.

    Attributes:
        n_rows: Rows of each shard by its name, in order.
        counts: What was read, kept and left out.
    """

    n_rows: dict[str, int]
    counts: dict[str, Any]

    @property
    def shards(self) -> tuple[str, ...]:
        """The names of the shards, in order."""
        return tuple(self.n_rows)

    @property
    def n_sentences(self) -> int:
        """How many sentences there are to translate."""
        return sum(self.n_rows.values())


def read_plan(work: Path) -> Plan | None:
    """Return the plan of a build, or None while there is none."""
    content = read_json(work / PLAN)
    return Plan(**content) if content else None


def make_plan(config: BuildConfig, contamination: Contamination | None, key: str) -> Plan:
    """Read the sources and write the shards of the pivot column.

    Raises:
        InputError: A source that cannot be read, or no sentence that is left.
    """
    folder = config.work / SOURCE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    n_rows: dict[str, int] = {}
    counts: dict[str, Any] = {}
    with (config.work / LEFT_OUT).open("w", encoding="utf-8", newline="\n") as left_out:
        rows = pivot_rows(config, contamination, counts, left_out)
        while shard := list(islice(rows, config.rows_per_shard)):
            name = f"{len(n_rows):05d}"
            commit(
                pa.Table.from_pylist(shard, schema=SCHEMA),
                shard_path(config.work, SOURCE, name),
                key,
            )
            n_rows[name] = len(shard)
    if not n_rows:
        told = (
            ", ".join(f"{reason} {n}" for reason, n in counts["left_out"].items())
            or "there was no text"
        )
        raise InputError(
            f"no sentence is left to translate ({told}); see --min-characters, --against and the text"
        )
    write_json(config.work / PLAN, {"n_rows": n_rows, "counts": counts})
    return Plan(n_rows, counts)


def pivot_rows(
    config: BuildConfig,
    contamination: Contamination | None,
    counts: dict[str, Any],
    left_out: TextIO | None,
) -> Iterator[dict[str, str]]:
    """Yield the rows to translate; `counts` is complete when they have all been read."""
    dropped: Counter[str] = Counter()

    def leave_out(reason: str, sentence: Sentence, **more: str) -> None:
        if left_out is not None:
            entry = {"reason": reason, "text": sentence.text, "source": sentence.source, **more}
            left_out.write(json.dumps(entry, ensure_ascii=False) + "\n")

    report = SourceReport(collect=leave_out)
    near = NearDuplicates(config.near_duplicates) if config.near_duplicates is not None else None
    for sentence in read_sentences(config.source, report):
        identity = row_id(sentence.text)
        match = contamination.match([sentence.text]) if contamination else None
        repeats = near.add(sentence.text, identity) if near is not None and match is None else None
        if match is not None:
            dropped[f"in {match.set_name}"] += 1
            leave_out(f"in {match.set_name}", sentence, how=match.how)
        elif repeats is not None:
            dropped["near-duplicate"] += 1
            leave_out("near-duplicate", sentence, of=repeats)
        else:
            yield {"row_id": identity, "text": sentence.text, "source": sentence.source}
    facts = report.facts()
    counts.update(facts, left_out={**report.left_out, **dropped})


def shard_path(work: Path, stage: str, shard: str, language: str = "") -> Path:
    """Return where a shard's table of a stage lies."""
    return work / stage / language / f"{shard}.parquet"
