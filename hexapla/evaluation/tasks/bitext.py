"""Bitext mining: each pair of languages of a corpus is searched in both directions and scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.errors import InputError
from hexapla.evaluation.config import Pairs
from hexapla.evaluation.retrieval import NEIGHBOURS, BitextRetriever
from hexapla.evaluation.tasks.inputs import filled, language_files, read_corpus_columns, short_sha
from hexapla.evaluation.tasks.protocol import ColumnTask, Key, Measurement
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.protocol import Embed


@dataclass(frozen=True, kw_only=True)
class BitextTask(ColumnTask):
    """Pairs of columns of one corpus, each searched in both directions; `bitext/NAME` in scores.

    Attributes:
        rows: The rows that have both cells, by pair of languages.
    """

    rows: Mapping[tuple[str, str], Sequence[int]]

    @property
    def keys(self) -> list[Key]:
        """Return both directions of every pair."""
        return [key for first, second in self.rows for key in self._keys(first, second)]

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield every column."""
        for texts in self.cells.values():
            yield [text for text in texts if text is not None]

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Search every pair in both directions, unless both are done."""
        retriever = BitextRetriever(NEIGHBOURS)
        columns: dict[str, _ColumnVectors] = {}
        for (first, second), rows in self.rows.items():
            keys = self._keys(first, second)
            if all(key in done for key in keys):
                continue
            for code in (first, second):
                if code not in columns:
                    columns[code] = _ColumnVectors(self.cells[code], embed)
            directions = retriever(columns[first].of(rows), columns[second].of(rows))
            items = [self.items[row] for row in rows]
            for key, retrieval in zip(keys, directions, strict=True):
                yield self.measurement(
                    key,
                    data_sha=self.data_sha,
                    items=items,
                    columns=retrieval.columns(),
                    settings={"k": NEIGHBOURS},
                )

    def _keys(self, first: str, second: str) -> list[Key]:
        return [
            (f"bitext/{self.name}", codes.pair(*pair))
            for pair in ((first, second), (second, first))
        ]


def read_bitext(
    source: str | Path,
    *,
    name: str,
    split: str = "all",
    languages: Sequence[str] | None = None,
    pairs: Pairs = "pivot",
    held_out: float | None = None,
) -> list[BitextTask]:
    """Read a corpus, or a folder of two-column files, and choose the pairs of columns to search.

    Args:
        source: A corpus that `open_corpus` reads, or a folder of files `LANG.parquet`, each a task.
        name: Name of the task.
        split: Name of the split.
        languages: Columns to use besides the pivot; those that the data lack are ignored. By
            default all.
        pairs: `pivot` for the pivot with every other column, `all` for every two columns.
        held_out: Use only the rows that training holds out with this share.

    Raises:
        InputError: See `open_bitext`; or a pair has too few rows.
    """
    tasks = []
    for opened in open_bitext(source):
        corpus = opened if held_out is None else opened.split(held_out)[1]
        task = _make_task(
            corpus, name=name, split=split, languages=languages, pairs=pairs, held_out=held_out
        )
        if task.rows:
            tasks.append(task)
    return tasks


def open_bitext(source: str | Path, *, verify: bool = True) -> list[Corpus]:
    """Open a corpus, or each file of a folder of two-column files `LANG.parquet`.

    Args:
        source: As in `read_bitext`.
        verify: As in `open_corpus`.

    Raises:
        InputError: See `open_corpus` and `language_files`.
    """
    files = language_files(Path(source)) if source != "sample" and Path(source).is_dir() else {}
    return [open_corpus(file, verify=verify) for file in files.values() or [source]]


def _make_task(
    corpus: Corpus,
    *,
    name: str,
    split: str,
    languages: Sequence[str] | None,
    pairs: Pairs,
    held_out: float | None,
) -> BitextTask:
    chosen = [
        code
        for code in corpus.languages
        if languages is None or code in languages or code == corpus.pivot
    ]
    row_ids, cells = read_corpus_columns(corpus, chosen)
    others = [code for code in chosen if code != corpus.pivot]
    wanted = (
        combinations(chosen, 2) if pairs == "all" else ((corpus.pivot, code) for code in others)
    )
    rows = {(first, second): filled(cells[first], cells[second]) for first, second in wanted}
    for (first, second), both in rows.items():
        if len(both) < NEIGHBOURS:
            needed = f"at least {NEIGHBOURS} are needed, the neighbourhood of the margin score"
            if held_out is None:
                rows_of_both = f"{len(both)} rows have both {first} and {second}; {needed}"
                raise InputError(f"{corpus.path}: {rows_of_both}")
            raise InputError(
                f"{corpus.path}: held_out {held_out:g} leaves {len(both)} rows with both {first} "
                f"and {second}; {needed}, so give the share that training held out, or a larger "
                "one (--held-out)"
            )
    return BitextTask(
        name=name,
        split=split,
        data_sha=short_sha(corpus.sha256),
        items=unique_items(row_ids),
        cells=cells,
        rows=rows,
    )


class _ColumnVectors:
    """The vectors of one language, looked up once for all pairs with it."""

    def __init__(self, cells: Sequence[str | None], embed: Embed) -> None:
        self._matrix = embed([text for text in cells if text is not None])
        self._place = np.cumsum([text is not None for text in cells]) - 1

    def of(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Return the (len(rows), dim) vectors of rows that have a cell, in order."""
        place = self._place[rows]
        whole = len(place) == len(self._matrix) and np.array_equal(place, np.arange(len(place)))
        return self._matrix if whole else self._matrix[place]


def unique_items(row_ids: Sequence[str]) -> list[str]:
    """Number the rows that share an id, as rows with equal pivot texts do: `id`, `id.1`, `id.2`."""
    counts: Counter[str] = Counter()
    items = []
    for row_id in row_ids:
        items.append(f"{row_id}.{counts[row_id]}" if counts[row_id] else row_id)
        counts[row_id] += 1
    return items
