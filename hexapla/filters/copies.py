"""Filters on what a cell repeats: its own source left untranslated, or a sentence that stands for many sources."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hexapla.filters.candidate import Candidate, Column, Scorer, missing
from hexapla.filters.statistics import target_key

# Runs of two or more letters that are no part of code, a path or an option.
_LETTERS = re.compile(r"(?<![\w./\\@$#=-])[^\W\d_]{2,}(?![\w/\\@=(-]|\.\w)")
_CODE = re.compile(r"\s--?[a-z]|\\$|[{};=]$|&&|\|\||=>|\(\)|^\W*(?:DEBUG|INFO|WARNING|ERROR)\b")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A source left untranslated. Names, code, numbers and headings rightly stay the same, sentences do not.

    Headings In Title Case look like names and are let through: of real headings left so, about half
    are names.

    Attributes:
        most: Similarity (0 to 1, of Indel) that a cell may have with its source.
        least_words: Ordinary words (lower case, letters alone) that make a source a sentence; fewer
            may be copied.
    """

    most: float = 0.94
    least_words: int = 3

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer; the column does not matter, since texts of two scripts are never alike.

        Raises:
            InputError: The library rapidfuzz is not there.
        """
        try:
            from rapidfuzz.distance import Indel
        except ImportError:
            raise missing("copy", "rapidfuzz") from None

        def score(candidate: Candidate) -> float | None:
            alike = Indel.normalized_similarity(
                candidate.source, candidate.text, score_cutoff=self.most
            )
            if alike <= self.most or n_ordinary_words(candidate.source) < self.least_words:
                return None
            return float(alike)

        return score

    def accept(self, score: float) -> bool:
        """Accept up to `most`."""
        return score <= self.most


def n_ordinary_words(text: str) -> int:
    """Count the words that are written as sentences have them: letters alone, all lower case where there is case.

    Where there is none, and perhaps no space either, four letters count as a word.

    >>> n_ordinary_words("Azure IoT Hub Device Provisioning"), n_ordinary_words("git commit --all && git push")
    (0, 0)
    >>> n_ordinary_words("How do I update my project?"), n_ordinary_words("今天天气不好，我们待在家里看电影")
    (4, 3)
    """
    if _CODE.search(text):
        return 0
    found = _LETTERS.findall(text)
    return sum(
        1 if word.islower() else len(word) // 4 if word.upper() == word.lower() else 0
        for word in found
    )


@dataclass(frozen=True, kw_only=True)
class Collapsed:
    """One target for many different sources: what a translator falls back on when it is lost.

    Attributes:
        most: Different sources of 20 characters or more that may share a target.
    """

    most: int = 9

    def scorer(self, column: Column) -> Scorer | None:
        """Return the scorer for the repeated targets of a column, None where no target stands for too many sources."""
        collapsed = column.statistics.repeats.collapsed(self.most + 1)
        if not collapsed:
            return None
        return lambda candidate: collapsed.get(target_key(candidate.text))

    def accept(self, score: float) -> bool:
        """Accept up to `most` sources."""
        return score <= self.most
