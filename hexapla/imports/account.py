"""Units of a source -> the cells of those that can be used, and a count of all that is not used.

Every unit that a source has is used, or left out for one reason; every text of a unit is used, or
left out for one reason. The counts are checked at the end of an import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from hexapla.imports.entries import ImportEntry
from hexapla.text.clean import clean_text

EMPTY = "empty"
NOT_ASKED = "not asked for"
NO_PIVOT = "no pivot"
UNTRANSLATED = "untranslated"
VARIANT = "another variant of the language"
REPEATED = "repeated"


class SourceAccount:
    """What one source gave, and what of it is not used.

    Attributes:
        n_units: Units of the source.
        n_used: Those that are used.
        n_read: Texts of the source.
        used: Used texts by language.
        had: Texts that are not empty by language, or by tag if the language is not asked for.
        empty: Empty texts, likewise.
        copies: Used texts that are equal to their pivot, by language; names and numbers are, and so
            are texts that nobody translated.
        left_out: Units that are not used, by reason.
        left_out_texts: Texts that are not used, by reason. The texts of a unit that is left out
            have the reason of the unit, unless they would not be used in any other unit either.
    """

    def __init__(self, pivot: str, asked: Collection[str] | None) -> None:
        self._pivot = pivot
        self._asked = asked
        self.n_units = self.n_used = self.n_read = 0
        self.used: Counter[str] = Counter()
        self.had: Counter[str] = Counter()
        self.empty: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.left_out_texts: Counter[str] = Counter()

    def usable(self, unit: ImportEntry) -> tuple[dict[str, str], dict[str, int]]:
        """Count a unit, and return its clean texts and the ranks of their variants, by language.

        Both are empty for a unit that is left out. Of several texts in one language, one is chosen
        whatever their order: that of the lowest rank, of these the longest, of these the first in
        the alphabet.
        """
        self.n_units += 1
        self.n_read += len(unit.texts)
        if unit.left_out:
            self._leave_out(unit, unit.left_out)
            return {}, {}
        cells: dict[str, str] = {}
        ranks: dict[str, int] = {}
        several: dict[str, list[tuple[int, str]]] = {}
        n_others = 0
        for (code, rank), text in unit.texts:
            clean = clean_text(text)
            if not clean:
                self.empty[code] += 1
                self.left_out_texts[EMPTY] += 1
                continue
            self.had[code] += 1
            if self._asked is not None and code not in self._asked:
                n_others += 1
            elif code in cells:
                several.setdefault(code, [(ranks[code], cells[code])]).append((rank, clean))
            else:
                cells[code], ranks[code] = clean, rank
        if n_others:
            self.left_out_texts[NOT_ASKED] += n_others
        for code, variants in several.items():
            ranks[code], cells[code] = self._choose(variants)
        if self._pivot in cells and len(cells) > 1:
            self.n_used += 1
            self._count_used(cells)
            return cells, ranks
        self._refuse(len(cells), has_pivot=self._pivot in cells, n_others=n_others)
        return {}, {}

    def check(self, name: str) -> None:
        """Check that every unit and every text is used or left out.

        Raises:
            RuntimeError: Some are neither, which is a fault of the program.
        """
        check_sum(f"units of {name}", self.n_units, self.n_used + self.left_out.total())
        check_sum(f"texts of {name}", self.n_read, self.used.total() + self.left_out_texts.total())

    def _count_used(self, cells: Mapping[str, str]) -> None:
        pivot_text = cells[self._pivot]
        for code, text in cells.items():
            self.used[code] += 1
            if text == pivot_text and code != self._pivot:
                self.copies[code] += 1

    def _choose(self, variants: Sequence[tuple[int, str]]) -> tuple[int, str]:
        """Return the variant to use, and count the others."""
        chosen = min(variants, key=lambda variant: (variant[0], -len(variant[1]), variant[1]))
        n_equal = sum(text == chosen[1] for _, text in variants)
        self.left_out_texts[REPEATED] += n_equal - 1
        self.left_out_texts[VARIANT] += len(variants) - n_equal
        return chosen

    def _refuse(self, n_cells: int, *, has_pivot: bool, n_others: int) -> None:
        """Count a unit that lacks the pivot, or has nothing beside it."""
        if not n_cells and not n_others:
            reason = EMPTY
        elif not has_pivot:
            reason = NO_PIVOT
        else:
            reason = NOT_ASKED if n_others else UNTRANSLATED
        self.left_out[reason] += 1
        if n_cells:
            self.left_out_texts[reason] += n_cells

    def _leave_out(self, unit: ImportEntry, reason: str) -> None:
        """Count a unit that its reader leaves out, with all its texts."""
        self.left_out[reason] += 1
        self.left_out_texts[reason] += len(unit.texts)
        for (code, _), text in unit.texts:
            (self.had if text.strip() else self.empty)[code] += 1


def check_sum(what: str, n_read: int, n_known: int) -> None:
    """Check that as many things are accounted for as were read.

    Raises:
        RuntimeError: The numbers differ.
    """
    if n_read != n_known:
        raise RuntimeError(
            f"{n_read:,} {what} were read, and {n_known:,} are accounted for; this is a fault of "
            "Hexapla, not of your files: please report it with a file that shows it"
        )
