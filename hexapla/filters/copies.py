"""Filters on repeated text: a source left untranslated, or one target for many sources."""

from __future__ import annotations

import re

from hexapla.filters.candidate import Amount, Candidate, Count, JudgedColumn, Scorer
from hexapla.filters.repeated_targets import target_key
from hexapla.runs.settings import settings

# Runs of two or more letters that are not part of code, a path or an option.
_LETTERS = re.compile(r"(?<![\w./\\@$#=-])[^\W\d_]{2,}(?![\w/\\@=(-]|\.\w)")
_CODE = re.compile(r"\s--?[a-z]|\\$|[{};=]$|&&|\|\||=>|\(\)|^\W*(?:DEBUG|INFO|WARNING|ERROR)\b")


@settings
class Copy:
    """A source left untranslated.

    Names, code, numbers and headings rightly stay the same; sentences do not. Headings In Title
    Case look like names and are accepted: of real headings that stayed the same, about half are
    names.
    """

    most: Amount = 0.94
    """Maximum similarity of a cell and its source, from 0 to 1, by Indel distance."""
    least_words: Count = 3
    """Ordinary words (lower case, letters only) from which a source counts as a sentence. A source
    with fewer may be copied."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer, the same for every column: texts in two scripts are never alike."""
        from rapidfuzz.distance import Indel

        def score(candidate: Candidate) -> float | None:
            similarity = Indel.normalized_similarity(
                candidate.source, candidate.text, score_cutoff=self.most
            )
            if similarity <= self.most or n_ordinary_words(candidate.source) < self.least_words:
                return None
            return float(similarity)

        return score

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
