"""Entries of many files -> multi-way rows, joined on the pivot.

The entries are kept in a temporary SQLite database: up to 64 MiB in memory, more in an unnamed
file. An import may therefore be larger than memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import groupby
from types import TracebackType
from typing import Self

from hexapla.corpus.rows import row_id
from hexapla.errors import InputError

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE pivots (row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE cells (
    row INTEGER, language TEXT, text TEXT, n INTEGER, first INTEGER,
    PRIMARY KEY (row, language, text)
) WITHOUT ROWID;
"""
_ADD_CELL = """
INSERT INTO cells SELECT row, ?, ?, 1, ? FROM pivots WHERE id = ?
ON CONFLICT (row, language, text) DO UPDATE SET n = n + 1
"""
_ROWS = """
SELECT row, pivots.text, language, cells.text FROM cells JOIN pivots USING (row)
ORDER BY row, language, n DESC, first
"""
_CONFLICTS = """
SELECT language, count(*)
FROM (SELECT language FROM cells GROUP BY row, language HAVING count(*) > 1)
GROUP BY language ORDER BY language
"""


class RowJoin:
    """Collects entries, then yields their rows; a context manager.

    Two entries belong to one row if `hexapla.corpus.rows.row_id` of their pivot texts is the same.
    A row has the position and the pivot text of the first of its entries. Where its entries differ
    in another language, the most frequent text wins, the first of equally frequent ones.
    """

    def __init__(self, pivot: str) -> None:
        self._pivot = pivot
        self._n_cells = 0
        self._database = sqlite3.connect("")  # "" is a temporary database
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._database.close()
        if isinstance(error, sqlite3.OperationalError):
            raise InputError(
                f"the join cannot be kept: {error}; name a roomier folder in SQLITE_TMPDIR"
            ) from error

    def add(self, entry: Mapping[str, str]) -> None:
        """Add one entry, which must have the pivot."""
        pivot_text = entry[self._pivot]
        identity = bytes.fromhex(row_id(pivot_text))
        self._database.execute(
            "INSERT OR IGNORE INTO pivots (id, text) VALUES (?, ?)", (identity, pivot_text)
        )
        for code, text in entry.items():
            if code != self._pivot:
                self._n_cells += 1
                self._database.execute(_ADD_CELL, (code, text, self._n_cells, identity))

    def conflicts(self) -> dict[str, int]:
        """Return the number of rows whose entries differ, for each language."""
        return dict(self._database.execute(_CONFLICTS))

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows in the order in which their pivots were first added."""
        for (_, pivot_text), cells in groupby(
            self._database.execute(_ROWS), key=lambda cell: cell[:2]
        ):
            row = {self._pivot: pivot_text}
            for _, _, code, text in cells:
                row.setdefault(code, text)
            yield row
