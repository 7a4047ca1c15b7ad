"""Filters on what a cell says, as far as characters tell it: numbers, questions, and the translator's own doubt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hexapla.filters.candidate import Candidate, Column, Scorer
from hexapla.filters.statistics import AFTER_THE_END, GREEK, asks

_DIGITS = re.compile(r"\d+")  # decimal digits of any script, as are those that int() reads
_GROUP = r"\d+(?:(?:[.,'’٬٫]|[   ](?=\d{3}(?!\d)))\d+)*"
_NUMBER = re.compile(_GROUP)  # one number as written: 1,250.50 = 1.250,50 = 1 250,50
_MYRIADS = re.compile(
    rf"(?:({_GROUP})[億亿억])?(?:({_GROUP})[万萬만])?({_GROUP})?"
)  # 1億2,500万 = 125 million
_NO_DIGIT = re.compile(r"\D")
_MONTH = re.compile(r"(\d{1,2})\s?[月월]|tháng (\d{1,2})")  # languages that number their months
_FROM_SUNRISE = ("swh_Latn", "amh_Ethi", "tir_Ethi", "gaz_Latn")  # 3 p.m. is nine o'clock there
_LARGEST_WORD = 12  # a number that texts write as a word as often as in digits
_MOST_DIGITS = 18  # of longer runs (hashes, keys) only the first are compared
_STATEMENT = (".", "。", "．", "।", "॥", "۔", "։", "።", "။", "។", "!", "！")
_SENTENCE_END = re.compile(r"[.!?:][\"'”’)]*\s")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers that became others, or that one side lacks.

    Digits of any script are compared, grouped (1,000 = 1.000 = 1 000) or not, with decimal point or
    comma, trailing zeros left out. Converted units (5 miles, 8 km) are a difference. A number on
    one side alone is often right, so that counts little: up to 12 not at all (texts write "two" as
    often as 2), up to 99 and decades half (Roman numerals, "a day" = 24 hours), more is counted
    whole.

    Attributes:
        most: Numbers in the above sense that may differ.
    """

    most: float = 0.5

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer for the clock of a column."""
        hours = (12, 6) if {column.language, column.pivot} & set(_FROM_SUNRISE) else (12,)
        return lambda candidate: wrong_numbers(candidate.source, candidate.text, hours)

    def accept(self, score: float) -> bool:
        """Accept up to `most`."""
        return score <= self.most


def wrong_numbers(source: str, text: str, hours: Sequence[int] = (12,)) -> float:
    """Count the numbers that became others, and those on one side alone by the weights of `Numbers`.

    Args:
        source: Read both number by number (1,250.50) and run by run of digits (1, 250, 50); the
            better match counts.
        text: Read likewise.
        hours: By which a time of day may differ.

    >>> wrong_numbers("It costs 1,250.50 dollars.", "Es kostet 1.250,50 Dollar."), wrong_numbers("5 cats", "7 Katzen")
    (0.0, 1.0)
    >>> wrong_numbers("two cats", "2 Katzen"), wrong_numbers("since 2019", "seit langem"), wrong_numbers("12", "१२")
    (0.0, 1.0, 0.0)
    """
    here, there = _DIGITS.findall(source), _DIGITS.findall(text)
    if here == there:
        return 0.0
    months = {
        int(month) for found in _MONTH.findall(f"{source} {text}") for month in found if month
    }
    by_run = _difference(set(map(_number, here)), set(map(_number, there)), months, hours)
    if not by_run:
        return 0.0
    return min(by_run, _difference(_numbers(source), _numbers(text), months, hours))


def _numbers(text: str) -> set[int]:
    """Return the numbers of a text, decimal signs left out."""
    if not any(sign in text for sign in "億亿억万萬만"):
        return {_number(_NO_DIGIT.sub("", found)) for found in _NUMBER.findall(text)}
    found = (
        [_NO_DIGIT.sub("", part) for part in parts]
        for parts in _MYRIADS.findall(text)
        if any(parts)
    )
    return {
        _number(ones if not a + b else f"{a}{b:>04}{ones:>04}" if a else f"{b}{ones:>04}")
        for a, b, ones in found
    }


def _number(digits: str) -> int:
    return int(digits[:_MOST_DIGITS])


def _stripped(numbers: Iterable[int]) -> set[int]:
    """Return the numbers without trailing zeros: "10 million" is 1000万, and 2.50 is 2,5. Zero is left out."""
    return {int(str(number).rstrip("0")) for number in numbers if number}


def _difference(
    in_source: set[int], in_text: set[int], months: set[int], hours: Sequence[int]
) -> float:
    # Dates and times that have several forms: '21 = 2021, the 1800s = the 19th century; 3 p.m. =
    # 15:00, or nine o'clock where hours count from sunrise; and a month that only one side numbers.
    for a, b in ((in_source, in_text), (in_text, in_source)):
        for year in [number for number in a - b if 1000 <= number < 2100]:
            if other := b & {year % 100, year // 100 + (year % 100 == 0)}:
                a.discard(year)
                b -= other - a
    for number in [number for number in in_source - in_text if number <= 24]:
        if times := (in_text - in_source) & {
            number + sign * hour for hour in hours for sign in (1, -1)
        }:
            in_source.discard(number)
            in_text -= times
    missing = _stripped(in_source) - _stripped(in_text) - _stripped(months)
    extra = _stripped(in_text) - _stripped(in_source) - _stripped(months)
    n_changed = min(len(missing), len(extra))
    alone = sorted(map(_weight, missing if len(missing) > len(extra) else extra))
    return float(n_changed + sum(alone[: len(alone) - n_changed]))


def _weight(number: int) -> float:
    """Weigh a number that one side alone has, its trailing zeros gone: 195 may be the fifties."""
    if number <= _LARGEST_WORD:
        return 0.0
    return 0.5 if number < 100 or 180 <= number < 210 else 1.0


@dataclass(frozen=True, kw_only=True)
class Punctuation:
    """A question that became a statement: one sentence that asks, and a cell that ends as statements do.

    Nothing else is an error in real text: headings lose their mark ("Why X?" -> "Warum X"), and
    "Explain how it works." or "How it works" is rightly a question elsewhere. Where questions end
    without a mark (Thai, often Japanese) the corpus tells it, and nothing is rejected.

    Attributes:
        least_kept: Share of a column's questions (0 to 1) that keep the mark, for a lost one to be
            an error.
        least_questions: Questions that a column needs for that share.
    """

    least_kept: float = 0.95
    least_questions: int = 20

    def scorer(self, column: Column) -> Scorer | None:
        """Return the scorer, None for a column that does not keep question marks or has too few to tell."""
        seen = column.statistics
        if (
            seen.n_questions < self.least_questions
            or seen.n_asked < self.least_kept * seen.n_questions
        ):
            return None
        to_greek = column.language == GREEK

        def score(candidate: Candidate) -> float:
            lost = (
                candidate.source.endswith("?")
                and not _SENTENCE_END.search(candidate.source)
                and candidate.text.rstrip(AFTER_THE_END).endswith(_STATEMENT)
                and not candidate.text.rstrip(AFTER_THE_END).endswith(("...", "。。"))
                and not asks(candidate.text, greek=to_greek)
            )
            return float(lost)

        return score

    def accept(self, score: float) -> bool:
        """Accept 0."""
        return score == 0


@dataclass(frozen=True, kw_only=True)
class LogProb:
    """A translation that the translator itself found improbable, against its others in the same language.

    Attributes:
        deviations: Robust sigmas that the mean log-probability may lie below the median.
        least_cells: Cells with a log-probability that a median needs; with fewer there is no check.
    """

    deviations: float = 6.0
    least_cells: int = 50

    def scorer(self, column: Column) -> Scorer | None:
        """Return the scorer, None where too few log-probabilities are known."""
        log_probs = column.statistics.log_probs
        if log_probs.n < self.least_cells:
            return None
        spread = log_probs.spread()
        sigma = max(spread.sigma, 0.05)
        return lambda cell: (
            None if cell.log_prob is None else (spread.median - cell.log_prob) / sigma
        )

    def accept(self, score: float) -> bool:
        """Accept up to `deviations` sigmas."""
        return score <= self.deviations
