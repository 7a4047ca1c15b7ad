"""What a filter is and what it sees: a cell beside its source, and facts about the cell's column.

A filter is a settings class, made by `hexapla.runs.settings`. Its `scorer` is made once per column,
so that medians, patterns and models are looked up once. Scoring is apart from accepting. A higher
score is worse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import Field, WrapValidator

from hexapla.filters.statistics import ColumnStatistics


def _keep_given(value: Any, check: Callable[[Any], float]) -> Any:
    check(value)
    return value


Amount = Annotated[float, Field(ge=0), WrapValidator(_keep_given)]
"""A number of 0 or more. An integer stays one, since corpora record settings as they were given."""

Count = Annotated[int, Field(ge=0)]
"""A whole number of 0 or more."""


class Candidate(NamedTuple):
    """A cell to judge.

    Attributes:
        source: The row's pivot cell.
        text: The translation.
        log_prob: Mean log-probability per token, if the translator reports it.
        problem: What the translator reported as wrong with the cell, if anything.
    """

    source: str
    text: str
    log_prob: float | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedColumn:
    """The column that the cells to judge are in.

    Attributes:
        language: Canonical code.
        pivot: Canonical code of the language of the sources.
        pool: All columns of the corpus, including the pivot.
        statistics: Statistics of the corpus's cells in this language.
        notes: Filters append here what they cannot check in this column.
    """

    language: str
    pivot: str
    pool: tuple[str, ...]
    statistics: ColumnStatistics = field(default_factory=ColumnStatistics)
    notes: list[str] = field(default_factory=list)


Scorer = Callable[[Candidate], float | None]
"""Scores one cell; None where the filter does not apply to the cell."""


class Filter(Protocol):
    """One check of a cell."""

    def scorer(self, column: JudgedColumn) -> Scorer | None:
        """Return the scorer for the cells of a column, or None if the filter cannot judge it."""

    def accept(self, score: float) -> bool:
        """Return whether a cell with this score stays."""
