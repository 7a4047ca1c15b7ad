"""Filters on the form of a cell: marks of a broken text, length beside the source, repetition."""

from __future__ import annotations

import re

import regex

from hexapla.filters.candidate import Amount, Count, JudgedColumn, Scorer
from hexapla.filters.histogram import Spread
from hexapla.filters.statistics import length_ratio
from hexapla.runs.settings import settings

# Characters that no translation should have (the replacement character, C0 and C1 controls except
# tab and line ends, lone surrogates, non-characters), and names of tokens that a translator failed
# to decode.
_MARKS = regex.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffe\uffff\p{Cs}]"
    r"|<unk>|</?s>|<pad>|\[UNK\]|<\|[a-z_]+\|>|⁇|(?<!\w)__\w+__(?!\w)|▁"
)
# Language tokens of NLLB, OPUS-MT and MADLAD-400. Few texts have one of the signs in them.
_TOKEN_SIGNS = ("_", ">>", "<2")
_TOKENS = regex.compile(
    r"(?<![\w-])[a-z]{3}_(?:Arab|Armn|Beng|Cyrl|Deva|Ethi|Geor|Grek|Gujr|Guru|Hang|Hans|Hant|Hebr"
    r"|Jpan|Khmr|Knda|Laoo|Latn|Mlym|Mymr|Olck|Orya|Sinh|Taml|Telu|Tfng|Thai|Tibt)(?![\w-])"
    r"|>>[A-Za-z_]{2,}<<|<2[A-Za-z_]{2,}>"
)
_WORD = regex.compile(r"[\p{L}\p{N}]")
_N_GRAM = 4
_MIN_CHARACTERS = 20  # the n-grams of a shorter text say nothing
# A whole word or phrase four times in a row or, where words have no spaces between them, letters
# six times: kumbukumbu is a word.
_LOOP = regex.compile(r"\b(\p{L}.{1,40}?)(?:[\s\p{P}]+\1\b){3}|(\p{L}{2,20}?)\2{5}")
# Share of repeated 4-grams. A text at or below it is not searched for loops, to save time.
_MIN_LOOP_SHARE = 0.15
_LETTER_LOOP = re.compile(r"([^\W\d_])\1{9}")
_MIN_REPEATED = 6  # repeated 4-grams in ten times the same letter


@settings
class Marks:
    """Traces of a broken text: `<unk>`, U+FFFD, control characters, language tokens.

    Marks that the source has too do not count. A cell without a letter or digit counts as one mark
    if its source has one.
    """

    most: Count = 0
    """Maximum number of marks beyond those of the source."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer, the same for every column."""
        return lambda candidate: n_marks(candidate.source, candidate.text)

    def accept(self, score: float) -> bool:
        """Accept at most `most` marks."""
        return score <= self.most


def n_marks(source: str, text: str) -> float:
    """Count the marks of a broken text beyond those of the source.

    >>> n_marks("the <unk> token", "das <unk>-Token"), n_marks("tea", "T\ufffde")
    (0.0, 1.0)
    >>> n_marks("tea", "deu_Latn Tee"), n_marks("tea", "..."), n_marks("?!", "...")
    (1.0, 1.0, 0.0)
    """
    if not _WORD.search(text):
        return float(_WORD.search(source) is not None)
    n = _count_marks(text)
    return float(max(0, n - _count_marks(source))) if n else 0.0


def _count_marks(text: str) -> int:
    n = len(_MARKS.findall(text))
    return n + (len(_TOKENS.findall(text)) if any(sign in text for sign in _TOKEN_SIGNS) else 0)


@settings
class Problem:
    """A problem that the translator reported, such as "unfinished", which becomes the reason."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer, the same for every column."""
        return lambda candidate: float(candidate.problem is not None)

    def accept(self, score: float) -> bool:
        """Accept 0."""
        return score == 0


@settings
class LengthRatio:
    """Length relative to the source, compared with what is normal in the column.

    The score is the distance of the log ratio from the column's median, in robust sigmas. A column
    with too few cells for a median is compared with fixed values instead.
    """

    deviations: Amount = 6.0
    """Robust sigmas that a cell may be away from the median."""
    least_sigma: Amount = 0.12
    """Minimum sigma, for columns that are more regular than language is."""
    least_cells: Count = 50
    """Minimum number of cells for a median."""
    default_sigma: Amount = 0.35
    """Sigma around equal length, for a column with fewer cells."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer for a column, with its median and sigma."""
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


@settings
class Repetition:
    """A translator in a loop.

    The cell has more repeated character 4-grams than the source, one piece four times in a row, or
    one letter ten times in a row.
    """

    most: Amount = 0.45
    """Maximum share of the 4-grams (0 to 1) that are repeats, beyond the source's share. A loop
    scores 1."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer, the same for every column."""
        return lambda candidate: repetition(candidate.source, candidate.text)

    def accept(self, score: float) -> bool:
        """Accept at most `most`."""
        return score <= self.most


def repetition(source: str, text: str) -> float:
    """Return the share of repeated 4-grams in a text, minus the source's share.

    A loop that the source does not have scores 1.

    >>> repetition("It is a very big house.", "ein großes, ein großes, großes Haus, ein Haus")
    0.45238095238095233
    >>> repetition("ha ha ha ha ha ha ha ha", "ja ja ja ja ja ja ja ja")
    0.0
    >>> repetition("It is very big.", "groß " * 5)
    1.0
    """
    share, is_short = _repeated_share(text), len(text) < _MIN_CHARACTERS
    if (
        (is_short or share * len(text) >= _MIN_REPEATED)
        and _LETTER_LOOP.search(text)
        and not _LETTER_LOOP.search(source)
    ):
        return 1.0
    if share <= _MIN_LOOP_SHARE and not is_short:
        return share
    if _LOOP.search(text) and not _LOOP.search(source):
        return 1.0
    return share - _repeated_share(source)


def _repeated_share(text: str) -> float:
    n = len(text) - _N_GRAM + 1
    if len(text) < _MIN_CHARACTERS:
        return 0.0
    return 1 - len({text[i : i + _N_GRAM] for i in range(n)}) / n
