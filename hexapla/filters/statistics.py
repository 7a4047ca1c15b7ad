"""One pass over the cells of a corpus -> what is normal in each language.

Collected are lengths, log-probabilities, targets that repeat, and how questions end. Memory is
bounded, and the statistics can be stored as JSON.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hexapla.filters.histogram import Histogram
from hexapla.filters.repeated_targets import Repeats

LENGTH_OFFSET = 10  # characters added to both sides, so that "Yes" -> "Certainly" is no outlier
GREEK = "ell_Grek"
TRAILING = " \t\n\"'“”‘’«»‹›)）」』]*_`"  # may follow the last mark of a sentence
_QUESTION_MARKS = ("?", "？", "؟", "⸮", "፧", "՞")
_GREEK_QUESTION_MARKS = (";", "\u037e")


def length_ratio(source: str, target: str) -> float:
    """Return the logarithm of target over source characters, `LENGTH_OFFSET` added to both.

    >>> length_ratio("a" * 10, "b" * 30)
    0.6931471805599453
    """
    return math.log((len(target) + LENGTH_OFFSET) / (len(source) + LENGTH_OFFSET))


def asks(text: str, *, greek: bool = False) -> bool:
    """Return whether a text ends in a question mark of any script, before quotes and brackets.

    >>> asks("Wirklich?»"), asks("本当？"), asks("Αλήθεια;"), asks("Αλήθεια;", greek=True)
    (True, True, False, True)
    """
    return text.rstrip(TRAILING).endswith(
        _QUESTION_MARKS + _GREEK_QUESTION_MARKS if greek else _QUESTION_MARKS
    )


@dataclass
class ColumnStatistics:
    """What is normal in one language.

    Attributes:
        length_ratios: Histogram of `length_ratio`.
        log_probs: Histogram of the translator's mean log-probabilities, where it reports them.
        repeats: Targets that stand for several sources.
        n_questions: Sources that end in a question mark.
        n_asked: How many of their targets do so too.
    """

    length_ratios: Histogram = field(default_factory=Histogram)
    log_probs: Histogram = field(default_factory=Histogram)
    repeats: Repeats = field(default_factory=Repeats)
    n_questions: int = 0
    n_asked: int = 0


class Statistics:
    """What is normal in each language of a corpus."""

    def __init__(self) -> None:
        self._columns: dict[str, ColumnStatistics] = {}

    def column(self, language: str) -> ColumnStatistics:
        """Return the statistics of one language; they are empty if it was not seen."""
        return self._columns.setdefault(language, ColumnStatistics())

    def add(
        self,
        language: str,
        sources: Sequence[str],
        targets: Sequence[str | None],
        log_probs: Sequence[float | None] | None = None,
    ) -> None:
        """Count cells of one language; null and blank ones are left out.

        Args:
            language: Canonical code.
            sources: The pivot cells.
            targets: The cell of each source.
            log_probs: The log-probability of each target, where the translator reports them.
        """
        column = self.column(language)
        known = log_probs if log_probs is not None else [None] * len(sources)
        pairs = [
            (s, t, p)
            for s, t, p in zip(sources, targets, known, strict=True)
            if t and not t.isspace()
        ]
        column.length_ratios.add(
            np.fromiter((length_ratio(s, t) for s, t, _ in pairs), float, len(pairs))
        )
        reported = [log_prob for _, _, log_prob in pairs if log_prob is not None]
        column.log_probs.add(np.array(reported, float))
        for source, target, _ in pairs:
            column.repeats.add(source, target)
            if asks(source):
                column.n_questions += 1
                column.n_asked += asks(target, greek=language == GREEK)

    def to_json(self) -> dict[str, Any]:
        """Return the statistics for JSON: 11 bytes per cell, at most 11 MB per language."""
        return {
            language: {
                "length_ratios": _counts(column.length_ratios),
                "log_probs": _counts(column.log_probs),
                "repeats": base64.b64encode(column.repeats.keys().astype("<u8").tobytes()).decode(),
                "n_questions": column.n_questions,
                "n_asked": column.n_asked,
            }
            for language, column in sorted(self._columns.items())
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Statistics:
        """Return the statistics that `to_json` gave."""
        statistics = cls()
        for language, column in content.items():
            keys = np.frombuffer(base64.b64decode(column["repeats"]), "<u8").astype(np.uint64)
            statistics._columns[language] = ColumnStatistics(
                length_ratios=_histogram(column["length_ratios"]),
                log_probs=_histogram(column["log_probs"]),
                repeats=Repeats(keys),
                n_questions=column["n_questions"],
                n_asked=column["n_asked"],
            )
        return statistics


def _counts(histogram: Histogram) -> dict[str, int]:
    return {str(number): histogram.counts[number] for number in sorted(histogram.counts)}


def _histogram(counts: Mapping[str, int]) -> Histogram:
    return Histogram({int(number): count for number, count in counts.items()})
