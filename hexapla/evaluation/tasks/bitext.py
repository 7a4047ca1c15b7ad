"""A corpus, or files of two columns -> the pairs of columns to search, each scored in both directions."""

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
from hexapla.evaluation.retrieval import NEIGHBOURS, Search
from hexapla.evaluation.tasks.inputs import (
    Key,
    Measurement,
    Prompted,
    filled,
    language_files,
    read_cells,
    short_sha,
)
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.inputs import Embed


@dataclass(frozen=True, kw_only=True)
class BitextTask:
    """The pairs of columns of one corpus, each searched in both directions.

    Attributes:
        name: `sib200` in the task name `bitext/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the corpus.
        items: Name of each row.
        cells: Column by language.
        rows: The rows that have both cells, by pair of languages.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]
    rows: Mapping[tuple[str, str], Sequence[int]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are searched."""
        return tuple(self.cells)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [key for first, second in self.rows for key in self._keys(first, second)]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for texts in self.cells.values():
            yield Prompted(kind="BitextMining", texts=[text for text in texts if text is not None])

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Search every pair in both directions, but for pairs that are done."""
        search = Search(NEIGHBOURS)
        columns: dict[str, _Column] = {}
        for (first, second), rows in self.rows.items():
            if all(key in done for key in self._keys(first, second)):
                continue
            for code in (first, second):
                if code not in columns:
                    columns[code] = _Column(self.cells[code], embed)
            forward, backward = search(columns[first].of(rows), columns[second].of(rows))
            names = [self.items[row] for row in rows]
            for (task, languages), found in zip(
                self._keys(first, second), (forward, backward), strict=True
            ):
                values = found.columns()
                yield Measurement(
                    task=task,
                    split=self.split,
                    languages=languages,
                    data_sha=self.data_sha,
                    items=names,
                    columns=values,
                    metrics={metric: float(items.mean()) for metric, items in values.items()},
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
    held_out_share: float | None = None,
) -> list[BitextTask]:
    """Read a corpus, or a folder of two-column files `LANG.parquet`, and choose the pairs of columns to search.

    Args:
        source: What `open_corpus` takes, or such a folder (then one task per file).
        name: The task's name.
        split: The split's name.
        languages: The columns to use next to the pivot, those that are not there aside; all by
            default.
        pairs: `pivot` for the pivot with every other column, `all` for every two columns.
        held_out_share: Use only the rows that training with this share leaves out.

    Raises:
        InputError: What `open_corpus` finds, or a pair with too few rows.
    """
    files = language_files(Path(source)) if source != "sample" and Path(source).is_dir() else {}
    tasks = []
    for opened in [open_corpus(file) for file in files.values()] or [open_corpus(source)]:
        corpus = opened if held_out_share is None else opened.split(held_out_share)[1]
        task = _task(corpus, name=name, split=split, languages=languages, pairs=pairs)
        if task.rows:
            tasks.append(task)
    return tasks


def _task(
    corpus: Corpus, *, name: str, split: str, languages: Sequence[str] | None, pairs: Pairs
) -> BitextTask:
    chosen = [
        code
        for code in corpus.languages
        if languages is None or code in languages or code == corpus.pivot
    ]
    row_ids, cells = read_cells(corpus, chosen)
    others = [code for code in chosen if code != corpus.pivot]
    wanted = (
        combinations(chosen, 2) if pairs == "all" else ((corpus.pivot, code) for code in others)
    )
    rows = {(first, second): filled(cells[first], cells[second]) for first, second in wanted}
    for (first, second), both in rows.items():
        if len(both) < NEIGHBOURS:
            raise InputError(
                f"{corpus.path}: {len(both)} rows have both {first} and {second}; "
                f"at least {NEIGHBOURS} are needed, the neighbourhood of the margin score"
            )
    return BitextTask(
        name=name,
        split=split,
        data_sha=short_sha(corpus.sha256),
        items=unique(row_ids),
        cells=cells,
        rows=rows,
    )


class _Column:
    """The vectors of one language, looked up once for all the pairs that it is in."""

    def __init__(self, cells: Sequence[str | None], embed: Embed) -> None:
        present = [text for text in cells if text is not None]
        self._matrix = embed(present)
        self._place = np.cumsum([text is not None for text in cells]) - 1

    def of(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Return the (len(rows), dim) vectors of rows that have a cell, in order."""
        place = self._place[rows]
        whole = len(place) == len(self._matrix) and np.array_equal(place, np.arange(len(place)))
        return self._matrix if whole else self._matrix[place]


def unique(row_ids: Sequence[str]) -> list[str]:
    """Tell rows with equal pivot texts apart by how often the text was met before: `id`, `id.1`, `id.2`."""
    met: Counter[str] = Counter()
    items = []
    for row_id in row_ids:
        items.append(f"{row_id}.{met[row_id]}" if met[row_id] else row_id)
        met[row_id] += 1
    return items
