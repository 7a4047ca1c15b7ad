"""Sentences -> shards of the pivot column.

The plan depends on the input alone, never on the number of workers. Sentences that are left out
(too short, repeated, part of an evaluation set) are kept with their reason in `left_out.jsonl`.
`plan.json` is written last: while it is missing the plan is made again, which costs no translation.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
from pydantic import ConfigDict

from hexapla.build.committed import commit
from hexapla.build.config import BuildConfig
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.near_duplicates import NearDuplicates
from hexapla.corpus.rows import row_id
from hexapla.errors import InputError
from hexapla.runs.atomic import write_beside, write_json
from hexapla.runs.schema import OPTIONAL, Count, FileName, LanguageCode, Stored, read_object
from hexapla.sources import Sentence, SourceReport, read_sentences

PLAN, LEFT_OUT, SOURCE = "plan.json", "left_out.jsonl", "source"
_COLUMNS = ("row_id", "text", "source")


@dataclass(frozen=True)
class ShardPlan:
    """The shards of a build.

    Attributes:
        n_rows: Rows of each shard by its name, in order.
        counts: What was read, kept and left out.
        n_missing: Missing cells by shard and language, if only these are translated.
    """

    n_rows: dict[str, int]
    counts: dict[str, Any]
    n_missing: dict[str, dict[str, int]] | None = None

    @property
    def shards(self) -> tuple[str, ...]:
        """The names of the shards, in order."""
        return tuple(self.n_rows)

    @property
    def n_sentences(self) -> int:
        """How many sentences there are to translate."""
        return sum(self.n_rows.values())

    def n_cells(self, language: str, shard: str | None = None) -> int:
        """Return how many cells of a language there are to translate, in a shard or in all."""
        if shard is None:
            return sum(self.n_cells(language, each) for each in self.shards)
        return self.n_rows[shard] if self.n_missing is None else self.n_missing[shard][language]


class _PlanRecord(Stored):
    """The plan as a file."""

    model_config = ConfigDict(extra="forbid")

    n_rows: dict[FileName, Count]
    counts: dict[str, Any]
    n_missing: dict[FileName, dict[LanguageCode, Count]] = OPTIONAL


def read_shard_plan(work: Path) -> ShardPlan | None:
    """Return the plan of a build, or None while there is none."""
    path = work / PLAN
    if not path.is_file():
        return None
    return ShardPlan(**read_object(path, _PlanRecord, "remove the folder, and build again"))


def plan_shards(config: BuildConfig, contamination: Contamination | None, key: str) -> ShardPlan:
    """Read the sources and write the shards of the pivot column.

    Args:
        config: The build.
        contamination: Evaluation sets whose sentences are left out.
        key: Hash of all that the build depends on.

    Raises:
        InputError: A source cannot be read, or no sentence is left.
    """
    folder = config.work / SOURCE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    gaps = config.to if config.top_up else ()
    n_rows: dict[str, int] = {}
    n_missing: dict[str, dict[str, int]] = {}
    counts: dict[str, Any] = {}
    with (
        write_beside(config.work / LEFT_OUT) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as left_out,
    ):
        rows = read_pivot_rows(config, contamination, counts, left_out)
        while shard := list(islice(rows, config.rows_per_shard)):
            name = f"{len(n_rows):05d}"
            table = pa.Table.from_pylist(shard, schema=_schema(gaps))
            commit(table, shard_path(config.work, SOURCE, name), key)
            n_rows[name] = len(shard)
            n_missing[name] = {code: sum(row[code] for row in shard) for code in gaps}
    if not n_rows:
        raise no_sentence_left(counts["left_out"])
    plan = {"n_rows": n_rows, "counts": counts, **({"n_missing": n_missing} if gaps else {})}
    write_json(config.work / PLAN, plan)
    return ShardPlan(**plan)


def _schema(gaps: Sequence[str]) -> pa.Schema:
    """Return the columns of a shard, and for each language whether its cell is missing."""
    texts = [(name, pa.string()) for name in _COLUMNS]
    return pa.schema([*texts, *((code, pa.bool_()) for code in gaps)])


def no_sentence_left(left_out: Mapping[str, int]) -> InputError:
    """Return the error for a text of which no sentence is left, with the reasons."""
    reasons = [f"{reason} {n}" for reason, n in left_out.items()]
    return InputError(
        f"no sentence is left to translate ({', '.join(reasons) or 'there was no text'}); see "
        "--min-characters, --against and the text"
    )


def read_pivot_rows(
    config: BuildConfig,
    contamination: Contamination | None,
    counts: dict[str, Any],
    left_out: TextIO | None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows to translate.

    Those of a corpus that is extended are as `Origin.rows_to_translate` gives them: none is too
    short, and none is a repetition.

    Args:
        config: The build.
        contamination: Evaluation sets whose sentences are left out.
        counts: Filled with what was read, kept and left out when all rows have been read.
        left_out: File for the sentences that are left out, with their reason.
    """
    if config.origin is not None:
        yield from config.origin.rows_to_translate(config.to, contamination, counts)
        return
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
        repeated = near.add(sentence.text, identity) if near is not None and match is None else None
        if match is not None:
            dropped[f"in {match.set_name}"] += 1
            leave_out(f"in {match.set_name}", sentence, how=match.how)
        elif repeated is not None:
            dropped["near-duplicate"] += 1
            leave_out("near-duplicate", sentence, of=repeated)
        else:
            yield {"row_id": identity, "text": sentence.text, "source": sentence.source}
    counts.update(report.facts(), left_out={**report.left_out, **dropped})


def shard_path(work: Path, stage: str, shard: str, language: str = "") -> Path:
    """Return the path of a shard's table: of the pivot column, or of a stage and a language."""
    return work / stage / language / f"{shard}.parquet"


def places_to_translate(source: pa.Table, language: str) -> list[int]:
    """Return the rows of a shard whose cell in a language is missing: all, unless it says which."""
    if language not in source.column_names:
        return list(range(source.num_rows))
    is_missing = source.column(language).to_pylist()
    return [place for place, missing in enumerate(is_missing) if missing]
