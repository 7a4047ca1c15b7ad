"""One pass over the cells of a corpus -> what is normal in each language: lengths, log-probabilities, repeated targets.

Medians come from histograms of fixed bins and repeated targets from hashes, so memory is bounded
and all of it fits into JSON.
"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LENGTH_OFFSET = 10  # characters added to both sides, so that "Yes" -> "Certainly" is no outlier
_BIN = 0.01
_LEAST_CHARACTERS = (
    20  # of a source whose target counts as repeated: short ones rightly share a translation
)
_MOST_PAIRS = 1 << 20  # (target, source) pairs kept per language, 8 bytes each
_MOST_SOURCES = 64  # of a target that are kept once there are too many pairs: no verdict needs more
_PENDING = 1 << 16
_SOURCE_BITS = 24
_QUESTION_MARKS = ("?", "？", "؟", "⸮", "፧", "՞")
_GREEK_QUESTION_MARKS = (";", "\u037e")
AFTER_THE_END = " \t\n\"'“”‘’«»‹›)）」』]*_`"
GREEK = "ell_Grek"
_EDGE = " .!?…:;,。！？：；،؟।·"


@dataclass(frozen=True, slots=True)
class Spread:
    """A robust centre and width: the median, and 1.4826 times the median absolute deviation (sigma of a normal)."""

    median: float
    sigma: float


class Histogram:
    """Counts of values in bins of 0.01, which is enough for medians."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, values: np.ndarray) -> None:
        """Count (n,) values; those that are no number are left out."""
        bins = np.rint(values[np.isfinite(values)] / _BIN).astype(np.int64)
        found, counts = np.unique(bins, return_counts=True)
        self.counts.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    @property
    def n(self) -> int:
        """How many values were counted."""
        return self.counts.total()

    def spread(self) -> Spread:
        """Return the median and the robust sigma, each to the width of a bin.

        >>> numbers = Histogram()
        >>> numbers.add(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
        >>> numbers.spread()
        Spread(median=3.0, sigma=1.4826)
        """
        middle = _median(self.counts)
        away = Counter[int]()
        for number, count in self.counts.items():
            away[abs(number - middle)] += count
        return Spread(round(middle * _BIN, 6), round(1.4826 * _median(away) * _BIN, 6))


def _median(counts: Counter[int]) -> int:
    half, passed = (counts.total() + 1) // 2, 0
    for number in sorted(counts):
        passed += counts[number]
        if passed >= half:
            return number
    return 0


class Repeats:
    """How many different sources each target stands for, by 64-bit keys: 40 bits of the target, 24 of the source.

    Exact up to a million pairs per language. Beyond that no target keeps more than 64 sources, and
    the targets with the fewest are forgotten first. So a count can only come out too low, and one
    that has reached 64 stays there: the limit has room for 16,000 such targets.
    """

    def __init__(self, keys: np.ndarray | None = None) -> None:
        self._keys = np.zeros(0, np.uint64) if keys is None else keys
        self._pending: list[int] = []

    def add(self, source: str, target: str) -> None:
        """Note a pair, unless the source is so short that others rightly share its translation."""
        if len(source) < _LEAST_CHARACTERS:
            return
        source_bits = zlib.crc32(fold(source).encode()) & ((1 << _SOURCE_BITS) - 1)
        self._pending.append(target_key(target) << _SOURCE_BITS | source_bits)
        if len(self._pending) >= _PENDING:
            self.keys()

    def keys(self) -> np.ndarray:
        """Return the (n,) distinct pairs, sorted."""
        if self._pending:
            self._keys = np.union1d(self._keys, np.array(self._pending, np.uint64))
            self._pending = []
        if len(self._keys) > _MOST_PAIRS:
            self._keys = _most_repeated(self._keys)
        return self._keys

    def collapsed(self, least: int) -> dict[int, int]:
        """Return the number of sources of every target, by its key, that has at least `least`."""
        targets, counts = np.unique(self.keys() >> np.uint64(_SOURCE_BITS), return_counts=True)
        many = counts >= least
        return dict(zip(targets[many].tolist(), counts[many].tolist(), strict=True))


def _most_repeated(keys: np.ndarray) -> np.ndarray:
    """Cut (n,) sorted pairs down to `_MOST_PAIRS`: at most `_MOST_SOURCES` of a target, whole targets, rarest left out.

    Of equally rare targets those with the smallest keys stay. As these are the same ones every
    time, they go on being counted right, where a choice by chance would count each of them a
    little.
    """
    _, first, counts = np.unique(
        keys >> np.uint64(_SOURCE_BITS), return_index=True, return_counts=True
    )
    n_kept = np.minimum(counts, _MOST_SOURCES)
    order = np.argsort(-n_kept, kind="stable")
    n_kept[order[np.cumsum(n_kept[order]) > _MOST_PAIRS]] = 0
    place_in_target = np.arange(len(keys)) - np.repeat(first, counts)
    kept: np.ndarray = keys[place_in_target < np.repeat(n_kept, counts)]
    return kept


def fold(text: str) -> str:
    """Drop what does not make two sentences different: case, spaces, punctuation at the ends.

    >>> fold(" Learn  More: ")
    'learn more'
    """
    return " ".join(text.casefold().split()).strip(_EDGE)


def target_key(target: str) -> int:
    """Hash a target to the 40 bits under which `Repeats` counts it."""
    return int.from_bytes(hashlib.blake2b(fold(target).encode(), digest_size=5).digest())


def length_ratio(source: str, target: str) -> float:
    """Return the logarithm of target over source characters, `LENGTH_OFFSET` added to both.

    >>> length_ratio("a" * 10, "b" * 30)
    0.6931471805599453
    """
    return math.log((len(target) + LENGTH_OFFSET) / (len(source) + LENGTH_OFFSET))


def asks(text: str, *, greek: bool = False) -> bool:
    """Say whether a text ends in a question mark of any script, closing quotes and brackets left out.

    >>> asks("Wirklich?»"), asks("本当？"), asks("Αλήθεια;"), asks("Αλήθεια;", greek=True)
    (True, True, False, True)
    """
    return text.rstrip(AFTER_THE_END).endswith(
        _QUESTION_MARKS + _GREEK_QUESTION_MARKS if greek else _QUESTION_MARKS
    )


@dataclass
class ColumnStatistics:
    """What is normal in one language.

    Attributes:
        length_ratios: Of `length_ratio`.
        log_probs: Of the translator's mean log-probabilities, where it tells them.
        repeats: Targets that stand for several sources.
        n_questions: Sources that end in a question mark.
        n_asked: Those of them whose target does too.
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
        """Return those of one language, empty if it was not seen."""
        return self._columns.setdefault(language, ColumnStatistics())

    def add(
        self,
        language: str,
        sources: Sequence[str],
        targets: Sequence[str | None],
        log_probs: Sequence[float | None] | None = None,
    ) -> None:
        """Take in cells of one language; null and blank ones are left out.

        Args:
            language: Canonical code.
            sources: The pivot cells.
            targets: The cell of each source.
            log_probs: Of each target, where the translator tells them.
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
        told = [log_prob for _, _, log_prob in pairs if log_prob is not None]
        column.log_probs.add(np.array(told, float))
        for source, target, _ in pairs:
            column.repeats.add(source, target)
            if asks(source):
                column.n_questions += 1
                column.n_asked += asks(target, greek=language == GREEK)

    def to_json(self) -> dict[str, Any]:
        """Return the statistics as JSON can hold them; 11 bytes a cell, at most 11 MB a language."""
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
        """Undo `to_json`."""
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
