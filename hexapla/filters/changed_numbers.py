"""Numbers in a source and its translation -> how many differ, whatever form they are written in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_DIGITS = re.compile(r"\d+")  # decimal digits of any script, which int() reads too
# Between groups of digits: a space, or a no-break, figure, thin or narrow no-break one.
_SPACES = r" \u00a0\u2007\u2009\u202f"
_GROUP = rf"\d+(?:(?:[.,'’٬٫]|[{_SPACES}](?=\d{{3}}(?!\d)))\d+)*"
_NUMBER = re.compile(_GROUP)  # one number as written: 1,250.50 = 1.250,50 = 1 250,50
# 1億2,500万 = 125 million; in Korean 42만 6,000 = 426,000
_OF_8_DIGITS = rf"(?:({_GROUP})[億亿억](?: (?=[\d,]+만))?)?"
_OF_4_DIGITS = rf"(?:({_GROUP})[万萬만](?: (?=\d[\d,]{{2}}))?)?"
_MYRIADS = re.compile(f"{_OF_8_DIGITS}{_OF_4_DIGITS}({_GROUP})?")
_NO_DIGIT = re.compile(r"\D")
_MONTH = re.compile(r"(\d{1,2})\s?[月월]|tháng (\d{1,2})")  # languages that number their months
_MAX_WORD = 12  # texts write numbers up to this as a word as often as in digits
_MAX_DIGITS = 18  # only the first digits of longer runs (hashes, keys) are compared


def count_changed_numbers(
    source: str, text: str, hours: Sequence[int] = (12,), era: int = 0
) -> float:
    """Count the numbers that differ; those on one side only have the weights of `Numbers`.

    Both texts are read number by number (1,250.50) and by runs of digits (1, 250, 50), and the
    better match counts.

    Args:
        source: The source.
        text: The translation.
        hours: Hours by which a time of day may differ.
        era: Years by which the year of the translation may be later, as in a Buddhist calendar.

    >>> count_changed_numbers("It costs 1,250.50 dollars.", "Es kostet 1.250,50 Dollar.")
    0.0
    >>> count_changed_numbers("5 cats", "7 Katzen")
    1.0
    >>> count_changed_numbers("two cats", "2 Katzen")
    0.0
    >>> count_changed_numbers("since 2019", "seit langem")
    1.0
    >>> count_changed_numbers("12", "१२")
    0.0
    >>> count_changed_numbers("in 1977", "ปี พ.ศ. 2520", era=543)
    0.0
    """
    here, there = _DIGITS.findall(source), _DIGITS.findall(text)
    if here == there:
        return 0.0
    months = {
        int(month) for match in _MONTH.findall(f"{source} {text}") for month in match if month
    }
    by_run = _difference(set(map(_number, here)), set(map(_number, there)), months, hours, era)
    if not by_run:
        return 0.0
    return min(by_run, _difference(_numbers(source), _numbers(text), months, hours, era))


def _numbers(text: str) -> set[int]:
    """Return the numbers of a text, without decimal signs."""
    if not any(sign in text for sign in "億亿억万萬만"):
        return {_number(_NO_DIGIT.sub("", written)) for written in _NUMBER.findall(text)}
    numbers = (
        [_NO_DIGIT.sub("", part) for part in parts]
        for parts in _MYRIADS.findall(text)
        if any(parts)
    )
    return {
        _number(ones if not a + b else f"{a}{b:>04}{ones:>04}" if a else f"{b}{ones:>04}")
        for a, b, ones in numbers
    }


def _number(digits: str) -> int:
    return int(digits[:_MAX_DIGITS])


def _difference(
    in_source: set[int], in_text: set[int], months: set[int], hours: Sequence[int], era: int
) -> float:
    _drop_equal_years(in_source, in_text)
    _drop_years_of_era(in_source, in_text, era)
    _drop_equal_times(in_source, in_text, hours)
    # A month is numbered on one side only in some languages.
    missing = _stripped(in_source) - _stripped(in_text) - _stripped(months)
    extra = _stripped(in_text) - _stripped(in_source) - _stripped(months)
    n_changed = min(len(missing), len(extra))
    alone = sorted(map(_weight, missing if len(missing) > len(extra) else extra))
    return float(n_changed + sum(alone[: len(alone) - n_changed]))


def _drop_equal_years(in_source: set[int], in_text: set[int]) -> None:
    """Drop years and centuries that have two forms: '21 = 2021, the 1800s = the 19th century."""
    for a, b in ((in_source, in_text), (in_text, in_source)):
        for year in [number for number in a - b if 1000 <= number < 2100]:
            if other := b & {year % 100, year // 100 + (year % 100 == 0)}:
                a.discard(year)
                b -= other - a


def _drop_years_of_era(in_source: set[int], in_text: set[int], era: int) -> None:
    """Drop years that the translation counts from another beginning: 1977 = 2520 in Thai."""
    for year in [number for number in in_source - in_text if era and 1000 <= number < 2100]:
        if year + era in in_text - in_source:
            in_source.discard(year)
            in_text.discard(year + era)


def _drop_equal_times(in_source: set[int], in_text: set[int], hours: Sequence[int]) -> None:
    """Drop times with two forms: 3 p.m. = 15:00, or nine o'clock where hours count from sunrise."""
    for number in [number for number in in_source - in_text if number <= 24]:
        if times := (in_text - in_source) & {
            number + sign * hour for hour in hours for sign in (1, -1)
        }:
            in_source.discard(number)
            in_text -= times


def _stripped(numbers: Iterable[int]) -> set[int]:
    """Return the numbers but zero, without trailing zeros: "10 million" is 1000万, 2.50 is 2,5."""
    return {int(str(number).rstrip("0")) for number in numbers if number}


def _weight(number: int) -> float:
    """Return the weight of a number on one side only, without trailing zeros.

    A decade such as the 1950s is 195 then.
    """
    if number <= _MAX_WORD:
        return 0.0
    return 0.5 if number < 100 or 180 <= number < 210 else 1.0
