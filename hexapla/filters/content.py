"""Filters on what a cell says, as far as characters show it: numbers, questions, probability."""

from __future__ import annotations

import re

from hexapla.filters.candidate import Amount, Candidate, Count, JudgedColumn, Scorer
from hexapla.filters.changed_numbers import count_changed_numbers
from hexapla.filters.statistics import GREEK, TRAILING, asks
from hexapla.runs.settings import settings

# 3 p.m. is nine o'clock in these languages, which count the hours from sunrise.
_FROM_SUNRISE = ("swh_Latn", "amh_Ethi", "tir_Ethi", "gaz_Latn")
_THAI = "tha_Thai"
_BUDDHIST_ERA = 543  # years by which its count is ahead
_STATEMENT_ENDS = (".", "。", "．", "।", "॥", "۔", "։", "።", "။", "។", "!", "！")
_SENTENCE_END = re.compile(r"[.!?:][\"'”’)]*\s")
_MIN_SIGMA = 0.05  # of log-probabilities per token


@settings
class Numbers:
    """Numbers that changed, or that only one side has.

    Digits of any script are compared, whether grouped (1,000 = 1.000 = 1 000) or not, with a
    decimal point or comma, without trailing zeros. Converted units (5 miles, 8 km) count as a
    change. A number on one side only is often right, so it counts less: numbers up to 12 count
    nothing (texts write "two" as often as 2), numbers up to 99 and decades count half (Roman
    numerals, "a day" = 24 hours), larger ones count one.
    """

    most: Amount = 0.5
    """Maximum number of differing numbers. On one side only, those up to 12 count nothing, and up
    to 99 half."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer for a column, with the clock and the calendar of its language."""
        hours = (12, 6) if {column.language, column.pivot} & set(_FROM_SUNRISE) else (12,)
        era = _BUDDHIST_ERA if column.language == _THAI else 0
        return lambda candidate: count_changed_numbers(candidate.source, candidate.text, hours, era)

    def accept(self, score: float) -> bool:
        """Accept at most `most`."""
        return score <= self.most


@settings
class Punctuation:
    """A question that became a statement: the source is one question, the cell ends as a statement.

    No other change is an error in real text: headings lose their mark ("Why X?" -> "Warum X"), and
    "Explain how it works." or "How it works" may rightly become a question. Where questions end
    without a mark (Thai, often Japanese), the statistics of the corpus show it, and nothing is
    rejected.
    """

    least_kept: Amount = 0.95
    """Minimum share of a column's questions (0 to 1) that keep their mark. Below it the column is
    not checked."""
    least_questions: Count = 20
    """Minimum number of questions in a column for that share to be measured."""

    def scorer(self, column: JudgedColumn) -> Scorer | None:
        """Return the scorer, or None if a column has too few questions or does not mark them."""
        counts = column.statistics
        if (
            counts.n_questions < self.least_questions
            or counts.n_asked < self.least_kept * counts.n_questions
        ):
            return None
        to_greek = column.language == GREEK

        def score(candidate: Candidate) -> float:
            end = candidate.text.rstrip(TRAILING)
            is_lost = (
                candidate.source.endswith("?")
                and not _SENTENCE_END.search(candidate.source)
                and end.endswith(_STATEMENT_ENDS)
                and not end.endswith(("...", "。。"))
                and not asks(candidate.text, greek=to_greek)
            )
            return float(is_lost)

        return score

    def accept(self, score: float) -> bool:
        """Accept 0."""
        return score == 0


@settings
class LogProb:
    """A translation that the translator gave a low probability, compared with its language."""

    deviations: Amount = 6.0
    """Robust sigmas that the mean log-probability may be below the median."""
    least_cells: Count = 50
    """Minimum number of cells with a log-probability. A column with fewer is not checked."""

    def scorer(self, column: JudgedColumn) -> Scorer | None:
        """Return the scorer, or None if too few log-probabilities are known."""
        log_probs = column.statistics.log_probs
        if log_probs.n < self.least_cells:
            return None
        spread = log_probs.spread()
        sigma = max(spread.sigma, _MIN_SIGMA)
        return lambda cell: (
            None if cell.log_prob is None else (spread.median - cell.log_prob) / sigma
        )

    def accept(self, score: float) -> bool:
        """Accept up to `deviations` sigmas."""
        return score <= self.deviations
