"""English sentences -> sentences that say something else in almost the same words, for xsim++.

In the manner of xsim++ (Chen et al. 2023, arXiv 2306.12907): another number, another name, or the opposite. The rules
are ours and so are the sentences: the published altered set of FLORES is not used, and values do not compare with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

VERSION = 1  # raised whenever the same sentences would be altered otherwise
PER_KIND = 2  # sentences of each kind, at most

_NUMBER = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)*(?![\w-])")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_WORDS = {
    "one": "two", "two": "five", "three": "seven", "four": "nine", "five": "three", "six": "four", "seven": "ten",
    "eight": "six", "nine": "eight", "ten": "twelve", "first": "third", "second": "fourth", "third": "second",
    "half": "quarter", "hundreds": "thousands", "thousands": "millions", "million": "billion",
}  # fmt: skip
_OPPOSITES = {
    "increase": "decrease", "increased": "decreased", "more": "less", "most": "least", "before": "after", "high": "low",
    "higher": "lower", "large": "small", "larger": "smaller", "early": "late", "first": "last", "always": "never",
    "above": "below", "inside": "outside", "north": "south", "east": "west", "northern": "southern", "old": "new",
    "western": "eastern", "better": "worse", "best": "worst", "good": "bad", "with": "without", "all": "none of",
    "many": "few", "won": "lost", "open": "closed", "easy": "difficult", "strong": "weak", "hot": "cold", "up": "down",
}  # fmt: skip
_OPPOSITES |= {value: key for key, value in _OPPOSITES.items() if " " not in value and value not in _OPPOSITES}
_NEGATED = re.compile(r"\b(is|are|was|were|can|could|will|would|should|must|may|might|has|have|had)\b(?! not\b|n't)")
_NOT = re.compile(r" not\b|n't\b")


def altered(sentences: Sequence[str]) -> list[str]:
    """Return the altered sentences of all, each once, none of them equal to a sentence that is there.

    >>> altered(["It was 5 degrees."])
    ['It was 15 degrees.', 'It was 10 degrees.', 'It was not 5 degrees.']
    """
    names = list(dict.fromkeys(name for sentence in sentences for name in _NAME.findall(sentence)))
    originals = set(sentences)
    found: dict[str, None] = {}
    for place, sentence in enumerate(sentences):
        for kind in (_numbers(sentence), _names(sentence, names, place), _opposites(sentence)):
            made = list(dict.fromkeys(kind))
            found.update(dict.fromkeys([text for text in made if text not in originals][:PER_KIND]))
    return list(found)


def _numbers(sentence: str) -> Iterator[str]:
    """Change one number, of digits or in words."""
    for match in _NUMBER.finditer(sentence):
        for step in (10, 5):
            changed = re.sub(r"\d+$", partial(_raised, step=step), match[0])
            yield sentence[: match.start()] + changed + sentence[match.end() :]
    yield from _replaced(sentence, _WORDS)


def _raised(digits: re.Match[str], step: int) -> str:
    return str(int(digits[0]) + step).zfill(len(digits[0]))


def _names(sentence: str, names: Sequence[str], place: int) -> Iterator[str]:
    """Put a name of another sentence in the place of one, other ones for other sentences."""
    for match in _NAME.finditer(sentence):
        others = [name for name in names if name not in sentence]
        for step in range(min(PER_KIND, len(others))):
            other = others[(7 * place + step) % len(others)]
            yield sentence[: match.start()] + other + sentence[match.end() :]


def _opposites(sentence: str) -> Iterator[str]:
    """Deny what is said or the other way round, or put a word's opposite."""
    for match in _NOT.finditer(sentence):
        yield sentence[: match.start()] + sentence[match.end() :]
    for match in _NEGATED.finditer(sentence):
        yield sentence[: match.end()] + " not" + sentence[match.end() :]
        break
    yield from _replaced(sentence, _OPPOSITES)


def _replaced(sentence: str, table: dict[str, str]) -> Iterator[str]:
    for match in re.finditer(r"\b[a-z]+\b", sentence):
        if match[0] in table:
            yield sentence[: match.start()] + table[match[0]] + sentence[match.end() :]
