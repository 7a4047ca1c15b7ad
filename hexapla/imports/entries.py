"""What the readers of an import yield: every unit of a file, used or not.

Readers choose nothing and drop nothing: a unit that is left out is yielded with the reason, so that
the stage can account for every unit and every text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hexapla.text.language_tags import TagMeaning


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """One unit of a file: a translation unit, a message, a line, a row.

    Attributes:
        texts: Every text of the unit, empty ones too, with the meaning of its tag. A language may
            occur several times, as regional variants.
        left_out: Why the unit as a whole is not used ("fuzzy"); empty for a unit that may be used.
    """

    texts: Sequence[tuple[TagMeaning, str]]
    left_out: str = ""


Read = Callable[[], Iterator[ImportEntry]]
"""Yields the units of one source in their order."""
