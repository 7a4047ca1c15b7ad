"""Judged shards, and the corpus that is extended if there is one -> rows of the corpus to make.

A corpus is read once, in order. Its shards have those of its rows that were translated, in the same
order, and are found by their row id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.build.column_makers import TRANSLATOR, ColumnMakers
from hexapla.build.committed import is_committed
from hexapla.build.origin import Origin
from hexapla.build.shard_plan import SOURCE, ShardPlan, shard_path
from hexapla.build.shard_worker import JUDGED
from hexapla.corpus.rows import row_id
from hexapla.corpus.shards import N_ROWS
from hexapla.errors import InputError
from hexapla.filters.noted_log_probs import LOG_PROB

_Cells = dict[str, Mapping[str, Any]]  # rows of `shard_tables.JUDGED_SCHEMA`, by language


class BuiltRow(NamedTuple):
    """A row on its way into the corpus.

    Attributes:
        identity: Its row id.
        texts: The text of each column, the pivot first, with the new cells that were accepted.
        meta: The `meta.` columns.
        cells: The cells that were translated in this build, as they were judged.
    """

    identity: str
    texts: dict[str, str | None]
    meta: dict[str, str | None]
    cells: _Cells


class JudgedShards:
    """The shards of a build whose cells have all been judged.

    Args:
        work: Folder of the build.
        plan: Its shards.
        key: Hash of all that it depends on.
        languages: The languages that were translated into.
    """

    def __init__(self, work: Path, plan: ShardPlan, key: str, languages: Sequence[str]) -> None:
        self._work, self._plan, self._key, self._languages = work, plan, key, languages

    def read(self) -> Iterator[list[tuple[dict[str, Any], _Cells]]]:
        """Yield the rows of each shard: the pivot's, and the cells that were asked for.

        Raises:
            InputError: A table is missing or altered.
        """
        for shard in self._plan.shards:
            source = self._table(SOURCE, shard).to_pylist()
            judged = {
                language: self._table(JUDGED, shard, language).to_pylist()
                for language in self._languages
            }
            yield [
                (
                    pivot,
                    {
                        language: column[place]
                        for language, column in judged.items()
                        if pivot.get(language, True)  # a cell that is missing, or any at all
                    },
                )
                for place, pivot in enumerate(source)
            ]

    def _table(self, stage: str, shard: str, language: str = "") -> pa.Table:
        path = shard_path(self._work, stage, shard, language)
        if not is_committed(path, self._key):
            raise InputError(
                f"{path}: missing or altered; build again with --resume to make it again"
            )
        return pq.read_table(path)


def rows_of_text(shards: JudgedShards, pivot: str) -> Iterator[list[BuiltRow]]:
    """Yield the rows of a build from text, a shard at a time."""
    for group in shards.read():
        yield [
            BuiltRow(
                source["row_id"],
                {pivot: source["text"], **{code: cell["text"] for code, cell in cells.items()}},
                {
                    "meta.source": source["source"],
                    **{
                        f"{LOG_PROB}{code}": _as_text(cell["log_prob"])
                        for code, cell in cells.items()
                    },
                },
                cells,
            )
            for source, cells in group
        ]


def rows_of_origin(
    origin: Origin, shards: JudgedShards, languages: Sequence[str], makers: ColumnMakers | None
) -> Iterator[list[BuiltRow]]:
    """Yield the rows of a corpus that is extended, with what was translated, some at a time.

    Args:
        origin: The corpus.
        shards: Its rows that were translated.
        languages: The languages that were translated into.
        makers: The translators of the columns that are topped up; None if columns are added.

    Raises:
        InputError: The corpus is no longer the one that was translated.
    """
    columns = tuple(dict.fromkeys([*origin.languages, *languages]))
    names = [*origin.corpus.manifest["meta"], *(f"{LOG_PROB}{code}" for code in languages)]
    names = list(dict.fromkeys([*names, *(makers.meta if makers else ())]))
    translated = chain.from_iterable(shards.read())
    next_one = next(translated, None)
    rows = origin.rows()
    while group := list(islice(rows, N_ROWS)):
        built = []
        for row in group:
            identity = row_id(str(row[origin.corpus.pivot]))
            cells: _Cells = {}
            if next_one is not None and next_one[0]["row_id"] == identity:
                cells = next_one[1]
                next_one = next(translated, None)
            texts = {code: row.get(code) for code in columns}
            meta = {name: row.get(name) for name in names}
            _put_in(cells, texts, meta, makers)
            built.append(BuiltRow(identity, texts, meta, cells))
        yield built
    if next_one is not None:
        raise InputError(
            f"{origin.corpus.path} has changed while it was extended: a row that was translated is "
            "gone; build again with --overwrite"
        )


def _put_in(
    cells: _Cells,
    texts: dict[str, str | None],
    meta: dict[str, str | None],
    makers: ColumnMakers | None,
) -> None:
    for language, cell in cells.items():
        texts[language] = cell["text"]
        meta[f"{LOG_PROB}{language}"] = _as_text(cell["log_prob"])
        place = f"{TRANSLATOR}{language}"
        if makers and place in meta:
            meta[place] = makers.place(language) if cell["text"] is not None else None


def _as_text(log_prob: float | None) -> str | None:
    return None if log_prob is None else f"{log_prob:.3f}"
