"""Texts of an import -> an error if a source's column is in another script than its code says."""

from __future__ import annotations

from collections.abc import Mapping


class ScriptGuard:
    """Counts, for each source and language, the cells that are in another script."""

    def add(self, source_name: str, cells: Mapping[str, str], pivot: str) -> None:
        """Count the cells of one used unit.

        Args:
            source_name: The file or dataset that the unit is from.
            cells: Clean texts by canonical code.
            pivot: Canonical code of the pivot, which is among the cells.
        """

    def check(self) -> None:
        """Refuse an import in which a column of a source is mostly in another script.

        Raises:
            InputError: Names the source, the column, the counts and examples, and what to do.
        """
