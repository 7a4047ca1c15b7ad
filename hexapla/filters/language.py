"""Filters on the language that a cell is in: the share of other scripts, and language identity.

Words of the source inside a translation (names, code) are no sign of a wrong language: both filters
look past them. Identity is asked only of languages that the script cannot tell apart, and only
among those of the corpus.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

from hexapla.filters.candidate import Candidate, Column, Scorer, missing
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_WORD = re.compile(r"\w+")
_LETTERS = regex.compile(r"\p{L}")
_SCRIPTS = {
    "Jpan": ("Han", "Hiragana", "Katakana"),
    "Kore": ("Hangul", "Han"),
    "Hang": ("Hangul", "Han"),
    "Hans": ("Han", "Bopomofo"),
    "Hant": ("Han", "Bopomofo"),
}


@lru_cache(maxsize=256)
def scripts_of(language: str) -> tuple[str, ...]:
    """Return the Unicode scripts that a language is written in, by their names in patterns.

    >>> scripts_of("jpn_Jpan"), scripts_of("deu_Latn")
    (('Han', 'Hiragana', 'Katakana'), ('Latn',))
    """
    if language == "sat_Beng":
        return ("Beng", "Olck")  # what NLLB calls so is text in Ol Chiki
    return _SCRIPTS.get(codes.script(language), (codes.script(language),))


@lru_cache(maxsize=256)
def letters_of(language: str) -> regex.Pattern[str]:
    """Return the pattern of runs of letters of a language's scripts."""
    return regex.compile(f"[{_class_of(language)}]+", regex.V1)


@lru_cache(maxsize=256)
def other_letters(language: str) -> regex.Pattern[str]:
    """Return the pattern of runs of letters that are not of a language's scripts."""
    return regex.compile(
        rf"[\p{{L}}--[{_class_of(language)}\p{{Script=Common}}\p{{Script=Inherited}}]]+", regex.V1
    )


def _class_of(language: str) -> str:
    return "".join(rf"\p{{Script={script}}}" for script in scripts_of(language))


@dataclass(frozen=True, kw_only=True)
class Script:
    """Letters of a script that the language is not written in, those of words taken from the source left out.

    Attributes:
        most: Share of the letters (0 to 1) that may be of other scripts.
        least_letters: Letters of other scripts that there must be.
    """

    most: float = 0.5
    least_letters: int = 10

    def scorer(self, column: Column) -> Scorer:
        """Return the scorer for the script of a column."""
        others = other_letters(column.language)

        def score(candidate: Candidate) -> float | None:
            runs = others.findall(candidate.text)
            return share_of_others(candidate, runs, self.least_letters) if runs else 0.0

        return score

    def accept(self, score: float) -> bool:
        """Accept up to `most`."""
        return score <= self.most


def share_of_others(candidate: Candidate, runs: Iterable[str], least: int = 0) -> float:
    """Return the share of letters in `runs`, which are of other scripts, among all that the source does not have."""
    source = candidate.source.casefold()
    foreign = taken = 0
    for run in runs:
        if run.casefold() in source:
            taken += len(run)
        else:
            foreign += len(run)
    if foreign < least:
        return 0.0
    n_letters = len(_LETTERS.findall(candidate.text)) - taken
    return foreign / n_letters if n_letters else 0.0


@lru_cache(maxsize=16_384)
def source_words(source: str) -> frozenset[str]:
    """Return the folded words of a source; kept for the next languages of the same rows."""
    return frozenset(_WORD.findall(source.casefold()))


@dataclass(frozen=True, kw_only=True)
class LanguageIdentity:
    """Another language of the corpus than the column's, by py3langid restricted to those that share a script with it.

    Attributes:
        margin: Probability (0 to 1) by which the other language may lie above the column's own.
        least_letters: Letters, those of the source's words left out, that a text needs to be
            identified; three fifths of it where characters are written that say more.
    """

    margin: float = 0.8
    least_letters: int = 20

    def scorer(self, column: Column) -> Scorer | None:
        """Return the scorer for a column, None where the identifier lacks its language or the script says it all."""
        own = label(column.language)
        if own is None:
            column.notes.append(
                f"{column.language}: the identifier lacks it; only its script is checked"
            )
            return None
        shared = [
            other
            for other in column.pool
            if set(scripts_of(other)) & set(scripts_of(column.language))
        ]
        labels = {found for other in shared if (found := label(other)) is not None} | {own}
        if len(labels) < 2:
            return None
        identifier = _identifier(frozenset(labels))
        strip = _stripper(column)
        least = self.least_letters * (3 if "Han" in scripts_of(column.language) else 5) // 5

        def score(candidate: Candidate) -> float | None:
            text = strip(candidate)
            if sum(map(str.isalpha, text)) < least:
                return None
            if identifier.classify(text)[0] == own:
                return 0.0
            ranked = identifier.rank(text)
            return float(ranked[0][1] - dict(ranked)[own])

        return score

    def accept(self, score: float) -> bool:
        """Accept up to `margin`."""
        return score <= self.margin


def _stripper(column: Column) -> Callable[[Candidate], str]:
    """Return what takes the words of other languages that a translation rightly has out of it."""
    if set(scripts_of(column.pivot)) & set(scripts_of(column.language)):

        def strip(candidate: Candidate) -> str:
            known = source_words(candidate.source)
            return " ".join(
                word for word in _WORD.findall(candidate.text) if word.casefold() not in known
            )

        return strip
    of_pivot = letters_of(column.pivot)
    return lambda candidate: of_pivot.sub(" ", candidate.text)


def label(language: str) -> str | None:
    """Return the identifier's code for a language, None if it has none.

    >>> label("deu_Latn"), label("zho_Hant"), label("nob_Latn"), label("lus_Latn")
    ('de', 'zh', 'no', None)
    """
    special = {"nob_Latn": "no", "nno_Latn": "nn"}
    for code in (special.get(language), codes.to_bcp47(language).split("-")[0], language[:3]):
        if code in _labels():
            return code
    return None


@lru_cache(maxsize=1)
def _model() -> LanguageIdentifier:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise missing("language", "py3langid") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=1)
def _labels() -> frozenset[str]:
    return frozenset(_model().labels)


@lru_cache(maxsize=64)
def _identifier(labels: frozenset[str]) -> LanguageIdentifier:
    identifier = copy.copy(_model())
    identifier.set_languages(sorted(labels))
    return identifier
