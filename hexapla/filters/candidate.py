"""What a filter sees: one translated cell beside its source, and what is known of the column that it stands in.

A filter is a frozen dataclass of its settings. Its `scorer` is made once per column, so that
medians, patterns and models are looked up once; its `accept` is apart from that. Every score grows
with badness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hexapla.errors import InputError
from hexapla.filters.statistics import ColumnStatistics


class Candidate(NamedTuple):
    """A cell to judge.

    Attributes:
        source: The row's pivot cell.
        text: The translation.
        log_prob: Mean log-probability per token, where the translator tells it.
        problem: What the translator said is wrong with it, if anything.
    """

    source: str
    text: str
    log_prob: float | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column to judge.

    Attributes:
        language: Canonical code.
        pivot: Canonical code of the sources' language.
        pool: All columns of the corpus, the pivot among them.
        statistics: Of the corpus's own cells in this language.
        notes: Where a filter says what it cannot do here.
    """

    language: str
    pivot: str
    pool: tuple[str, ...]
    statistics: ColumnStatistics = field(default_factory=ColumnStatistics)
    notes: list[str] = field(default_factory=list)


Scorer = Callable[[Candidate], float | None]
"""Score one cell; None where the filter has nothing to say of it."""


class Filter(Protocol):
    """One check of a cell."""

    def scorer(self, column: Column) -> Scorer | None:
        """Return what scores the cells of a column, or None where the filter can do nothing there."""

    def accept(self, score: float) -> bool:
        """Say whether a cell of this score stays."""


def missing(name: str, library: str) -> InputError:
    """Return the error for a filter whose library is not installed."""
    return InputError(
        f"the filter {name} needs the library {library}; install it with: pip install 'hexapla[translate]', "
        f"or switch the filter off with {name} = false in a file of filters"
    )
