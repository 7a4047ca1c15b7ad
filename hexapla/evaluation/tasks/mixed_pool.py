"""Retrieval in one pool of all languages: is the nearest text a translation, or of its language?

The idea is LAReQA's (Roy et al. 2020, arXiv 2004.05484): an encoder that clusters by language ranks
a wrong sentence of the query's language above the right one of another language. This task differs
in three ways. Sentences search for translations, not questions for answers. Only the nearest text
counts, not a mean average precision. And the query's own language holds no right answer, so that
whatever is found there is an error. Every cell is a query, and a target of all other cells.

For each query some targets are ignored and count neither as right nor as wrong: texts equal to the
query's in any language, and texts of the query's language with the same meaning. Rows with an equal
text in some language have the same meaning and count as one row.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import filled
from hexapla.evaluation.tasks.protocol import ColumnTask, Key, Measurement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.protocol import Embed

# Cosines in memory at once, 64 MiB of float32.
_BLOCK_ENTRIES = 2**24

# Shapes below: N cells of the pool, Q queries, B queries of one block, D dimensions, R rows, C
# classes of cells.


def nearest_in_pool(
    cells_ND: NDArray[np.float32], queries_Q: NDArray[np.int64], ignored_NC: Any
) -> NDArray[np.int64]:
    """Find the nearest cell to each of some cells.

    Args:
        cells_ND: (n, dim) unit vectors of the pool.
        queries_Q: (q,) indices of the cells that search.
        ignored_NC: (n, classes) sparse membership; a query ignores the cells that share a class
            with it. Every cell has a class and therefore ignores itself.

    Returns:
        (q,) index of the cell with the highest cosine; the first of equal ones.
    """
    ignored_CN = ignored_NC.T.tocsr()
    found_Q = np.empty(len(queries_Q), np.int64)
    n_queries = max(1, _BLOCK_ENTRIES // len(cells_ND))
    for start in range(0, len(queries_Q), n_queries):
        queries_B = queries_Q[start : start + n_queries]
        cosine_BN = cells_ND[queries_B] @ cells_ND.T
        cosine_BN[(ignored_NC[queries_B] @ ignored_CN).nonzero()] = -np.inf
        found_Q[start : start + n_queries] = cosine_BN.argmax(axis=1)
    return found_Q


@dataclass(frozen=True, kw_only=True)
class MixedPoolTask(ColumnTask):
    """The columns of one corpus in one pool; `pool/NAME` in scores.

    Raises:
        InputError: No row has two different texts.
    """

    is_derived: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check that there is something to find."""
        if not self.languages:
            raise InputError(
                f"pool/{self.name}: no row has two different texts in two languages; nothing can "
                "be found"
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages with a query: a cell with a different text in another language."""
        return tuple(
            code for place, code in enumerate(self.cells) if len(self._pool.queries(place))
        )

    @property
    def keys(self) -> list[Key]:
        """Return every language with a query."""
        return [(f"pool/{self.name}", code) for code in self.languages]

    @cached_property
    def _pool(self) -> _Pool:
        return _Pool(list(self.cells.values()))

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield the whole pool."""
        yield self._pool.texts

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Search the whole pool with the texts of every language that is not done."""
        pool, codes = self._pool, list(self.cells)
        cells_ND = embed(pool.texts)
        for key in self.keys:
            if key in done:
                continue
            language = codes.index(key[1])
            queries_Q = pool.queries(language)
            found_Q = nearest_in_pool(cells_ND, queries_Q, pool.ignored_NC)
            is_right_Q = pool.meaning_N[found_Q] == pool.meaning_N[queries_Q]
            is_same_language_Q = pool.language_N[found_Q] == language
            yield self.measurement(
                key,
                data_sha=self.data_sha,
                items=[self.items[row] for row in pool.row_N[queries_Q]],
                columns={
                    "accuracy": is_right_Q.astype(np.float64),
                    "same_language": is_same_language_Q.astype(np.float64),
                },
                settings={"pool": len(self.cells)},
            )


class _Pool:
    """The non-empty cells, language after language, and what they have in common.

    Attributes:
        texts: The N texts.
        row_N: (N,) row of each cell.
        language_N: (N,) index of each cell's language among the columns.
        meaning_N: (N,) number of each cell's meaning: the same for cells of one row, and of rows
            with an equal text in some language.
        ignored_NC: (N, C) as in `nearest_in_pool`. A class is a text, or a meaning in one language.
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
        self.ignored_NC = csr_array((np.ones(len(cells_2N), np.int8), (cells_2N, classes_2N)))
        # The right answers are the cells of the same meaning, without those in the same language
        # and those with the same text.
        meaning, language = self.meaning_N, self.language_N
        n_right_N = _sizes(meaning) - _sizes(meaning, language) - _sizes(meaning, text_N)
        self._is_query_N = n_right_N + _sizes(meaning, language, text_N) > 0

    def queries(self, language: int) -> NDArray[np.int64]:
        """Return the cells of a language that have a right answer."""
        return np.flatnonzero(self._is_query_N & (self.language_N == language))


def _classes(*keys_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the distinct tuples of keys."""
    classes_N: NDArray[np.int64] = np.unique(np.stack(keys_N, axis=1), axis=0, return_inverse=True)[
        1
    ]
    return classes_N


def _sizes(*keys_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each cell the number of cells with the same keys."""
    classes_N = _classes(*keys_N)
    return np.bincount(classes_N)[classes_N]


def _meanings(row_N: NDArray[np.int64], text_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the sets of cells that are linked, also through others, by a row or a text."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_rows = int(row_N.max(initial=0)) + 1
    n_nodes = n_rows + len(text_N)
    links = coo_array(
        (np.ones(len(row_N), np.int8), (row_N, n_rows + text_N)), shape=(n_nodes, n_nodes)
    )
    meaning_N: NDArray[np.int64] = connected_components(links, directed=False)[1][row_N]
    return meaning_N
