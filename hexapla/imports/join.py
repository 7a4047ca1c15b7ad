"""Units of many files -> multi-way rows, joined on the pivot.

The units are kept in an SQLite database in the work folder of the corpus, of which up to 64 MiB are
in memory. An import may therefore be larger than memory, and needs no room in the system's folder
for temporary files.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from hexapla.corpus.rows import row_id
from hexapla.corpus.work_folder import JOIN

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
CREATE TABLE pivots (row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE cells (
    row INTEGER, language TEXT, text TEXT, n INTEGER, rank INTEGER, first INTEGER,
    PRIMARY KEY (row, language, text)
) WITHOUT ROWID;
"""
_ADD_PIVOT = "INSERT OR IGNORE INTO pivots (id, text) VALUES (?, ?)"
_FIND_PIVOT = "SELECT row FROM pivots WHERE id = ?"
_ADD_CELL = """
INSERT INTO cells VALUES (?, ?, ?, 1, ?, ?)
ON CONFLICT (row, language, text) DO UPDATE
SET n = n + 1, rank = min(rank, excluded.rank), first = min(first, excluded.first)
"""
_ROWS = """
SELECT row, pivots.text, language, cells.text, n FROM cells JOIN pivots USING (row)
ORDER BY row, language, rank, n DESC, first, length(cells.text) DESC, cells.text
"""


class RowJoin:
    """Collects units, then yields their rows; a context manager.

    Two units belong to one row if `hexapla.corpus.rows.row_id` of their pivot texts is the same. A
    row has the position and the pivot text of the first of its units. Where its units differ in
    another language, the variant of the lowest rank wins; of equal rank the most frequent text; of
    equally frequent ones the text that comes earlier in its own file, then the longer one. The
    order in which the files are given decides nothing.

    Attributes:
        n_rows: Units that began a row.
        n_joined: Units that were joined to a row that existed.
        n_cells: Cells of the rows that were yielded, the pivots among them.
        n_repeats: Texts that are equal to the cell of their row.
        conflicts: Texts that lost against the cell of their row, by language.
    """

    def __init__(self, pivot: str, work: Path) -> None:
        self._pivot, self._work = pivot, work
        self.n_rows = self.n_joined = self.n_cells = self.n_repeats = 0
        self.conflicts: Counter[str] = Counter()
        # The work folder is locked. A network's file system may lack the locks that SQLite takes.
        database = f"{(work / JOIN).absolute().as_uri()}?nolock=1"
        self._database = sqlite3.connect(database, uri=True)
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
        (self._work / JOIN).unlink(missing_ok=True)

    def add(self, cells: Mapping[str, str], ranks: Mapping[str, int], number: int) -> None:
        """Add one unit.

        Args:
            cells: Its texts by language; the pivot is among them.
            ranks: The ranks of their variants by language, see `TagMeaning`.
            number: The position of the unit in its own source.
        """
        identity = bytes.fromhex(row_id(cells[self._pivot]))
        added = self._database.execute(_ADD_PIVOT, (identity, cells[self._pivot]))
        if added.rowcount:
            self.n_rows += 1
            row = added.lastrowid
        else:
            self.n_joined += 1
            ((row,),) = self._database.execute(_FIND_PIVOT, (identity,))
        self._database.executemany(
            _ADD_CELL,
            [
                (row, code, text, ranks[code], number)
                for code, text in cells.items()
                if code != self._pivot
            ],
        )

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows in the order in which their pivots were first added, and count them."""
        self.n_cells, self.n_repeats = 0, self.n_joined
        self.conflicts.clear()
        found = self._database.execute(_ROWS)
        for (_, pivot_text), cells in groupby(found, key=lambda cell: cell[:2]):
            row = {self._pivot: pivot_text}
            for _, _, code, text, n in cells:
                if code in row:
                    self.conflicts[code] += n
                else:
                    row[code] = text
                    self.n_repeats += n - 1
            self.n_cells += len(row)
            yield row
