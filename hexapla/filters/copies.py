"""Filters on repeated text: a source left untranslated, or one target for many sources."""

from __future__ import annotations

import re
from functools import lru_cache

import regex

from hexapla.filters.candidate import Amount, Candidate, Count, JudgedColumn, Scorer
from hexapla.filters.repeated_targets import target_key
from hexapla.runs.settings import settings
from hexapla.text.scripts import letters_of

# Runs of two or more letters that are not part of code, a path or an option.
_LETTERS = re.compile(r"(?<![\w./\\@$#=-])[^\W\d_]{2,}(?![\w/\\@=(-]|\.\w)")
_CODE = re.compile(r"\s--?[a-z]|\\$|[{};=]$|&&|\|\||=>|\(\)|^\W*(?:DEBUG|INFO|WARNING|ERROR)\b")


@settings
class Copy:
    """A source left untranslated, whole or in part, in any letter case.

    Names, code, numbers and headings rightly stay the same; sentences do not. Headings In Title
    Case look like names and are accepted: of real headings that stayed the same, about half are
    names. A cell that holds the whole source scores 1, and so does one that keeps more than
    `most_part` of its ordinary words, if these are at least four times `least_words`: people keep
    up to ten words of a title.
    """

    most: Amount = 0.94
    """Maximum similarity of a cell and its source, from 0 to 1, by Indel distance."""
    most_part: Amount = 0.4
    """Maximum share (0 to 1) of a source's ordinary words that a cell may contain in the same
    order."""
    least_words: Count = 3
    """Ordinary words (lower case, letters only) from which a source counts as a sentence. A source
    with fewer may be copied."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer for a column, with the letters of the pivot."""
        from rapidfuzz.distance import Indel

        words = letters_of(column.pivot)

        def score(candidate: Candidate) -> float | None:
            source, text = candidate.source.casefold(), candidate.text.casefold()
            similarity = Indel.normalized_similarity(source, text, score_cutoff=self.most)
            if similarity <= self.most and (
                source in text or self._holds_part(candidate.source, text, words)
            ):
                similarity = 1.0
            if similarity <= self.most or n_ordinary_words(candidate.source) < self.least_words:
                return None
            return float(similarity)

        return score

    def _holds_part(self, source: str, text: str, words: regex.Pattern[str]) -> bool:
        """Return whether a cell, case-folded, keeps too many of a source's ordinary words."""
        from rapidfuzz.distance import LCSseq

        ordinary = _ordinary_words(source)
        known = frozenset(ordinary)
        least = max(4 * self.least_words, int(self.most_part * len(ordinary)) + 1)
        # Spaces show most words at a tenth of the cost, and half of those kept are different.
        if len(ordinary) < least or len(known.intersection(text.split())) < least // 3:
            return False
        kept = [word for word in words.findall(text) if word in known]
        return len(kept) >= least and LCSseq.similarity(ordinary, kept) >= least

    def accept(self, score: float) -> bool:
        """Accept a similarity of at most `most`."""
        return score <= self.most


def n_ordinary_words(text: str) -> int:
    """Count the words that look like those of a sentence: letters only, and lower case if cased.

    In scripts without case, which may have no spaces either, four letters count as one word.

    >>> n_ordinary_words("Azure IoT Hub Device Provisioning")
    0
    >>> n_ordinary_words("git commit --all && git push")
    0
    >>> n_ordinary_words("How do I update my project?")
    4
    >>> n_ordinary_words("今天天气不好，我们待在家里看电影")
    3
    """
    if _CODE.search(text):
        return 0
    return sum(
        1 if word.islower() else len(word) // 4 if word.upper() == word.lower() else 0
        for word in _LETTERS.findall(text)
    )


@lru_cache(maxsize=16_384)
def _ordinary_words(source: str) -> tuple[str, ...]:
    """Return the lower-case words of a source, cached for the other languages of the row."""
    return tuple(word for word in _LETTERS.findall(source) if word.islower())


@settings
class Collapsed:
    """One target for many different sources, which a translator falls back on when it fails."""

    most: Count = 9
    """Maximum number of different sources, of 20 characters or more, that may share a target."""

    def scorer(self, column: JudgedColumn) -> Scorer | None:
        """Return the scorer for a column, or None if no target there has too many sources."""
        collapsed = column.statistics.repeats.collapsed(self.most + 1)
        if not collapsed:
            return None
        return lambda candidate: collapsed.get(target_key(candidate.text))

    def accept(self, score: float) -> bool:
        """Accept a target of at most `most` sources."""
        return score <= self.most
