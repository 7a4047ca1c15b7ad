"""Two columns of unit vectors -> who finds whose translation, row by row, in both directions.

The decision worth knowing: one similarity matmul serves both directions and every metric (MTEB searches once per
direction and has no margin). The right answer of a row is the same row. Where rows have equal target texts, the first
of them is found and the others are misses: MTEB counts them so too, and numbers stay comparable with its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from hexapla import languages as codes
from hexapla.corpus import Corpus, open_corpus
from hexapla.errors import InputError
from hexapla.evaluate.inputs import Measurement, Prompted, filled, language_files, read_cells, short_sha

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluate.inputs import Embed

Pairs = Literal["pivot", "all"]

# The neighbourhood of the margin score: k = 4 in Artetxe and Schwenk (2019) and in LASER.
NEIGHBOURS = 4

# Cosines held at once, 128 MiB of float32. Up to 5,792 x 5,792 rows are one block.
_BLOCK_ENTRIES = 2**25


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What one direction of a search gave, per query; the mean of each array is the score.

    Attributes:
        accuracy: (n,) 1.0 where the nearest target is the query's own row, by cosine.
        f1: (n,) `2 * hit / (1 + c)`, c being the number of queries whose nearest target is that row. The mean is the
            weighted F1 that MTEB reports: accuracy with a penalty on targets that are everyone's neighbour.
        margin_accuracy: (n,) as accuracy, by the ratio margin of Artetxe and Schwenk (2019, arXiv 1811.01136).
    """

    accuracy: NDArray[np.float64]
    f1: NDArray[np.float64]
    margin_accuracy: NDArray[np.float64]

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays by metric."""
        return {"f1": self.f1, "accuracy": self.accuracy, "margin_accuracy": self.margin_accuracy}


# Shapes below: S source rows, T target rows (S = T), B rows of one block, D dimensions, K neighbours.


def retrieval(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], k: int = NEIGHBOURS
) -> tuple[Retrieval, Retrieval]:
    """Search each side for the translation of each row of the other side.

    Args:
        source_SD: (n, dim) unit vectors.
        target_TD: (n, dim) unit vectors; row i translates row i of the source.
        k: Size of the neighbourhood in the margin score, `cosine / (mean of the k nearest cosines of x / 2 + the same
            of y / 2)`; 1 to n.

    Returns:
        Source searching the target, and target searching the source.

    Raises:
        InputError: When k is not in 1 to n.
    """
    n_rows = len(source_SD)
    if len(target_TD) != n_rows:
        raise ValueError(f"source has {n_rows} rows and target has {len(target_TD)}; row i must translate row i")
    if not 1 <= k <= n_rows:
        raise InputError(f"k is {k}; it must be 1 to {n_rows}, the number of rows")
    blocks = _Blocks(source_SD, target_TD)
    to_target_S, source_mean_S = np.empty(n_rows, np.int64), np.empty(n_rows, np.float32)
    to_source_T, best_T = np.zeros(n_rows, np.int64), np.full(n_rows, -np.inf, np.float32)
    top_KT = np.empty((0, n_rows), np.float32)
    for rows, cosine_BT in blocks:
        to_target_S[rows] = cosine_BT.argmax(axis=1)
        source_mean_S[rows] = _top(cosine_BT, k).mean(axis=1)
        _keep_best(best_T, to_source_T, cosine_BT, rows.start)
        top_KT = _top(np.concatenate([top_KT, _top(cosine_BT.T, k).T]).T, k).T
    target_mean_T = top_KT.mean(axis=0)

    margin_to_target_S = np.empty(n_rows, np.int64)
    margin_to_source_T, best_T = np.zeros(n_rows, np.int64), np.full(n_rows, -np.inf, np.float32)
    for rows, cosine_BT in blocks:
        margin_BT = cosine_BT / ((source_mean_S[rows, None] + target_mean_T) / 2)
        margin_to_target_S[rows] = margin_BT.argmax(axis=1)
        _keep_best(best_T, margin_to_source_T, margin_BT, rows.start)
    return _judge(to_target_S, margin_to_target_S), _judge(to_source_T, margin_to_source_T)


class _Blocks:
    """The cosines of both sides in blocks of source rows; computed once if they are one block, else once per pass."""

    def __init__(self, source_SD: NDArray[np.float32], target_TD: NDArray[np.float32]) -> None:
        self._source_SD, self._target_DT = source_SD, target_TD.T
        self._n_rows = max(1, _BLOCK_ENTRIES // len(target_TD))
        self._whole_ST = source_SD @ target_TD.T if self._n_rows >= len(source_SD) else None

    def __iter__(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        for start in range(0, len(self._source_SD), self._n_rows):
            rows = slice(start, min(start + self._n_rows, len(self._source_SD)))
            yield rows, self._source_SD[rows] @ self._target_DT if self._whole_ST is None else self._whole_ST


def _top(values_BT: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return the k largest of each row, or all where there are fewer, in no order."""
    if values_BT.shape[1] <= k:
        return values_BT
    return np.partition(values_BT, -k, axis=1)[:, -k:]


def _keep_best(
    best_T: NDArray[np.float32], argbest_T: NDArray[np.int64], values_BT: NDArray[np.float32], start: int
) -> None:
    """Update the running best source row of each target; on equal values the first row stays."""
    row_T = values_BT.argmax(axis=0)
    value_T = values_BT[row_T, np.arange(len(best_T))]
    better_T = value_T > best_T
    best_T[better_T] = value_T[better_T]
    argbest_T[better_T] = row_T[better_T] + start


def _judge(nearest_S: NDArray[np.int64], margin_nearest_S: NDArray[np.int64]) -> Retrieval:
    row_S = np.arange(len(nearest_S))
    hit_S = (nearest_S == row_S).astype(np.float64)
    found_by_T = np.bincount(nearest_S, minlength=len(nearest_S))
    return Retrieval(
        accuracy=hit_S,
        f1=2 * hit_S / (1 + found_by_T),
        margin_accuracy=(margin_nearest_S == row_S).astype(np.float64),
    )


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
    def n_measurements(self) -> int:
        """Return how many measurements there will be."""
        return 2 * len(self.rows)

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for texts in self.cells.values():
            yield Prompted(kind="BitextMining", texts=[text for text in texts if text is not None])

    def measure(self, embed: Embed) -> Iterator[Measurement]:
        """Search every pair in both directions."""
        for (first, second), rows in self.rows.items():
            first_SD = embed(_pick(self.cells[first], rows))
            second_TD = embed(_pick(self.cells[second], rows))
            forward, backward = retrieval(first_SD, second_TD)
            items = [self.items[row] for row in rows]
            for source, target, found in ((first, second, forward), (second, first, backward)):
                columns = found.columns()
                yield Measurement(
                    task=f"bitext/{self.name}",
                    split=self.split,
                    languages=codes.pair(source, target),
                    data_sha=self.data_sha,
                    items=items,
                    columns=columns,
                    metrics={metric: float(values.mean()) for metric, values in columns.items()},
                    settings={"k": NEIGHBOURS},
                )


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
        languages: The columns to use next to the pivot, those that are not there aside; all by default.
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


def _task(corpus: Corpus, *, name: str, split: str, languages: Sequence[str] | None, pairs: Pairs) -> BitextTask:
    chosen = [code for code in corpus.languages if languages is None or code in languages or code == corpus.pivot]
    row_ids, cells = read_cells(corpus, chosen)
    others = [code for code in chosen if code != corpus.pivot]
    wanted = combinations(chosen, 2) if pairs == "all" else ((corpus.pivot, code) for code in others)
    rows = {(first, second): filled(cells[first], cells[second]) for first, second in wanted}
    for (first, second), both in rows.items():
        if len(both) < NEIGHBOURS:
            raise InputError(
                f"{corpus.path}: {len(both)} rows have both {first} and {second}; "
                f"at least {NEIGHBOURS} are needed, the neighbourhood of the margin score"
            )
    return BitextTask(
        name=name, split=split, data_sha=short_sha(corpus.sha256), items=_unique(row_ids), cells=cells, rows=rows
    )


def _pick(cells: Sequence[str | None], rows: Sequence[int]) -> list[str]:
    return [text for row in rows if (text := cells[row]) is not None]


def _unique(row_ids: Sequence[str]) -> list[str]:
    """Tell rows with equal pivot texts apart by how often the text was met before: `id`, `id.1`, `id.2`."""
    met: Counter[str] = Counter()
    items = []
    for row_id in row_ids:
        items.append(f"{row_id}.{met[row_id]}" if met[row_id] else row_id)
        met[row_id] += 1
    return items
