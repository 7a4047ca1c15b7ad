"""All languages in one pool -> is the nearest text a translation, and is it of the query's own language?

The idea is that of LAReQA (Roy et al. 2020, arXiv 2004.05484): an encoder that clusters by language
finds a wrong sentence of the same language before the right one of another. Ours differs: sentences
search for translations, not questions for answers; the nearest text alone counts, not a mean
average precision; and the query's own language holds no right answer, so that whatever is found
there is a miss. Every cell is a query, and a target of all others.

The decision worth knowing is what is dropped for one query, that is, counts neither as right nor as
wrong: each text that equals its own, in any language, and each text of the query's own language
that means the same. Rows that have an equal text in some language mean the same and count as one
row.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import Key, Measurement, Prompted, filled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.inputs import Embed

# Cosines held at once, 64 MiB of float32.
_BLOCK_ENTRIES = 2**24

# Shapes below: N cells of the pool, Q queries, B queries of one block, D dimensions, R rows, C
# classes of cells.


def nearest(
    cells_ND: NDArray[np.float32], queries_Q: NDArray[np.int64], dropped_NC: Any
) -> NDArray[np.int64]:
    """Find the nearest cell of some cells.

    Args:
        cells_ND: (n, dim) unit vectors of the pool.
        queries_Q: (q,) the cells that search.
        dropped_NC: (n, classes) sparse; a query does not find the cells that share a class with it.
            Every cell has a class, and therefore does not find itself.

    Returns:
        (q,) the cell of the highest cosine for each query; on equal cosines the first of the pool.
    """
    dropped_CN = dropped_NC.T.tocsr()
    found_Q = np.empty(len(queries_Q), np.int64)
    n_queries = max(1, _BLOCK_ENTRIES // len(cells_ND))
    for start in range(0, len(queries_Q), n_queries):
        queries_B = queries_Q[start : start + n_queries]
        cosine_BN = cells_ND[queries_B] @ cells_ND.T
        cosine_BN[(dropped_NC[queries_B] @ dropped_CN).nonzero()] = -np.inf
        found_Q[start : start + n_queries] = cosine_BN.argmax(axis=1)
    return found_Q


@dataclass(frozen=True, kw_only=True)
class PoolTask:
    """The columns of one corpus in one pool.

    Attributes:
        name: `sib200` in the task name `pool/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the corpus.
        items: Name of each row.
        cells: Column by language.

    Raises:
        InputError: When no row has two different texts.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]

    def __post_init__(self) -> None:
        """Check that there is something to find."""
        if not self.languages:
            raise InputError(
                f"pool/{self.name}: no row has two different texts in two languages; nothing can be found"
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that have a query, that is, a cell with a different text in another language."""
        return tuple(
            code for place, code in enumerate(self.cells) if len(self._pool.queries(place))
        )

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [(f"pool/{self.name}", code) for code in self.languages]

    @cached_property
    def _pool(self) -> _Pool:
        return _Pool(list(self.cells.values()))

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        yield Prompted(kind="BitextMining", texts=self._pool.texts)

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Let every language that is not done search the whole pool."""
        pool, codes = self._pool, list(self.cells)
        cells_ND = embed(pool.texts)
        for task, code in self.keys:
            if (task, code) in done:
                continue
            language = codes.index(code)
            queries_Q = pool.queries(language)
            found_Q = nearest(cells_ND, queries_Q, pool.dropped_NC)
            columns = {
                "accuracy": (pool.meaning_N[found_Q] == pool.meaning_N[queries_Q]).astype(
                    np.float64
                ),
                "same_language": (pool.language_N[found_Q] == language).astype(np.float64),
            }
            yield Measurement(
                task=task,
                split=self.split,
                languages=code,
                data_sha=self.data_sha,
                items=[self.items[row] for row in pool.row_N[queries_Q]],
                columns=columns,
                metrics={metric: float(values.mean()) for metric, values in columns.items()},
                settings={"pool": len(self.cells)},
            )


class _Pool:
    """The cells that are there, language after language, and what they have in common.

    Attributes:
        texts: The N texts.
        row_N: (N,) row of each cell.
        language_N: (N,) place of its language among the columns.
        meaning_N: (N,) equal for cells of one row, and of rows that have an equal text in some
            language.
        dropped_NC: (N, C) as in `nearest`: the classes are equal texts, and equal meanings in one
            language.
    """

    def __init__(self, columns: Sequence[Sequence[str | None]]) -> None:
        from scipy.sparse import csr_array

        present = [
            (row, language) for language, column in enumerate(columns) for row in filled(column)
        ]
        self.texts = [
            text for row, language in present if (text := columns[language][row]) is not None
        ]
        self.row_N, self.language_N = np.array(present, dtype=np.int64).reshape(-1, 2).T
        numbers: dict[str, int] = {}
        text_N = np.array(
            [numbers.setdefault(text, len(numbers)) for text in self.texts], dtype=np.int64
        )
        self.meaning_N = _meanings(self.row_N, _classes(self.language_N, text_N))
        classes_2N = np.concatenate(
            [text_N, len(numbers) + _classes(self.meaning_N, self.language_N)]
        )
        cells_2N = np.tile(np.arange(len(text_N)), 2)
        self.dropped_NC = csr_array((np.ones(len(cells_2N), np.int8), (cells_2N, classes_2N)))
        # To find are the cells of the same meaning, less those of the same language, less those of
        # the same text.
        meaning, language = self.meaning_N, self.language_N
        to_find_N = _sizes(meaning) - _sizes(meaning, language) - _sizes(meaning, text_N)
        self._is_query_N = to_find_N + _sizes(meaning, language, text_N) > 0

    def queries(self, language: int) -> NDArray[np.int64]:
        """Return the cells of a language that have something to find: the same meaning, another language and text."""
        return np.flatnonzero(self._is_query_N & (self.language_N == language))


def _classes(*keys_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the distinct tuples of keys."""
    classes_N: NDArray[np.int64] = np.unique(np.stack(keys_N, axis=1), axis=0, return_inverse=True)[
        1
    ]
    return classes_N


def _sizes(*keys_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many cells have the keys of each cell."""
    classes_N = _classes(*keys_N)
    return np.bincount(classes_N)[classes_N]


def _meanings(row_N: NDArray[np.int64], text_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the sets of cells that are linked by a row or by a text of one language, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_rows = int(row_N.max(initial=0)) + 1
    n_nodes = n_rows + len(text_N)
    links = coo_array(
        (np.ones(len(row_N), np.int8), (row_N, n_rows + text_N)), shape=(n_nodes, n_nodes)
    )
    meaning_N: NDArray[np.int64] = connected_components(links, directed=False)[1][row_N]
    return meaning_N
