"""Filters on the form of a cell alone, or beside its source: marks of a broken text, length, repetition."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from hexapla.filters.candidate import Column, Scorer
from hexapla.filters.statistics import Spread, length_ratio

# Characters that no translation should have: the replacement character, C0/C1 controls but tab and
# line ends, lone surrogates, non-characters; and the names of tokens that a translator failed to
# decode.
_MARKS = regex.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffe\uffff\p{Cs}]"
    r"|<unk>|</?s>|<pad>|\[UNK\]|<\|[a-z_]+\|>|⁇|(?<!\w)__\w+__(?!\w)|▁"
)
_N_GRAM = 4
_LEAST_REPEATING = 20  # characters; the n-grams of fewer say nothing
# Whole words four times running, or, where words have no spaces between them, letters six times:
# kumbukumbu is a word.
_LOOP = regex.compile(r"\b(\p{L}.{1,40}?)(?:[\s\p{P}]+\1\b){3}|(\p{L}{2,20}?)\2{5}")
_LOOPS_FROM = 0.15  # share of repeated 4-grams below which no loop is looked for, to save time


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Traces of a broken text: `<unk>`, U+FFFD, control characters. Those that the source has too are its own.

    Attributes:
        most: Marks more than in the source that a cell may have.
    """

    most: int = 0

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer; the column does not matter."""
        return lambda candidate: n_marks(candidate.source, candidate.text)

    def accept(self, score: float) -> bool:
        """Accept up to `most` marks."""
        return score <= self.most


def n_marks(source: str, text: str) -> float:
    """Count the marks of a broken text beyond those of the source.

    >>> n_marks("the <unk> token", "das <unk>-Token"), n_marks("tea", "T\ufffde")
    (0.0, 1.0)
    """
    n = len(_MARKS.findall(text))
    return float(max(0, n - len(_MARKS.findall(source)))) if n else 0.0


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What the translator itself said of its work, such as "unfinished": that becomes the reason."""

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer; the column does not matter."""
        return lambda candidate: float(candidate.problem is not None)

    def accept(self, score: float) -> bool:
        """Accept 0."""
        return score == 0


@dataclass(frozen=True, kw_only=True)
class LengthRatio:
    """Length beside the source, against what is normal in the corpus's own column of that language.

    The score is the distance of the log ratio from its median, in robust sigmas; a corpus too small
    to have a median is measured by fixed values instead.

    Attributes:
        deviations: Robust sigmas that a cell may lie from the median.
        least_sigma: Sigma is taken to be at least this, for columns that are more even than
            language is.
        least_cells: Cells that a median needs.
        default_sigma: Sigma around an equal length in a column of fewer cells.
    """

    deviations: float = 6.0
    least_sigma: float = 0.12
    least_cells: int = 50
    default_sigma: float = 0.35

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer for the medians of a column."""
        spread = Spread(0.0, self.default_sigma)
        if column.statistics.length_ratios.n >= self.least_cells:
            spread = column.statistics.length_ratios.spread()
        sigma = max(spread.sigma, self.least_sigma)
        return lambda candidate: (
            abs(length_ratio(candidate.source, candidate.text) - spread.median) / sigma
        )

    def accept(self, score: float) -> bool:
        """Accept up to `deviations` sigmas."""
        return score <= self.deviations


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """A translator in a loop: more repeated 4-grams of characters than in the source, or one piece four times running.

    Attributes:
        most: Share of the 4-grams (0 to 1) that may be repeats, beyond the source's share. A loop
            scores 1.
    """

    most: float = 0.45

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer; the column does not matter."""
        return lambda candidate: repetition(candidate.source, candidate.text)

    def accept(self, score: float) -> bool:
        """Accept up to `most`."""
        return score <= self.most


def repetition(source: str, text: str) -> float:
    """Return by how much the share of repeated 4-grams in a text is above its source's; 1 for a loop the source lacks.

    >>> repetition("It is a very big house indeed.", "ein großes, ein großes, großes Haus, ein Haus")
    0.45238095238095233
    >>> repetition("ha ha ha ha ha ha ha ha", "ja ja ja ja ja ja ja ja"), repetition("It is very big.", "groß " * 5)
    (0.0, 1.0)
    """
    share = _repeated(text)
    if share <= _LOOPS_FROM:
        return share
    if _LOOP.search(text) and not _LOOP.search(source):
        return 1.0
    return share - _repeated(source)


def _repeated(text: str) -> float:
    n = len(text) - _N_GRAM + 1
    if len(text) < _LEAST_REPEATING:
        return 0.0
    return 1 - len({text[i : i + _N_GRAM] for i in range(n)}) / n
