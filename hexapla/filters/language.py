"""Filters on the language of a cell: the share of letters in other scripts, and identification.

Words of the source inside a translation (names, code) are no sign of a wrong language, so both
filters ignore them. The identifier is used only for languages that the script cannot tell apart,
and only among the languages of the corpus.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

from hexapla.filters.candidate import Amount, Candidate, Count, JudgedColumn, Scorer
from hexapla.runs.settings import settings
from hexapla.text import languages as codes
from hexapla.text.scripts import letters_of, other_letters, scripts_of

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_WORD = re.compile(r"\w+")
_LETTERS = regex.compile(r"\p{L}")
# Labels that are not the language's tag, or that hold for another script than CLDR's likely one.
_LABELS = {
    "nob_Latn": "no",
    "nno_Latn": "nn",
    "zho_Hant": "zh",
    "kor_Hang": "ko",
    "crh_Latn": "crh",
}


@settings
class Script:
    """Letters in a script that the language is not written in, except in words of the source."""

    most: Amount = 0.3
    """Maximum share of the letters (0 to 1) in other scripts."""
    least_letters: Count = 10
    """Minimum number of letters in other scripts for a cell to be rejected."""

    def scorer(self, column: JudgedColumn) -> Scorer:
        """Return the scorer for a column, with the scripts of its language."""
        others = other_letters(column.language)

        def score(candidate: Candidate) -> float | None:
            runs = others.findall(candidate.text)
            return share_of_others(candidate, runs, self.least_letters) if runs else 0.0

        return score

    def accept(self, score: float) -> bool:
        """Accept at most `most`."""
        return score <= self.most


def share_of_others(candidate: Candidate, runs: Iterable[str], min_letters: int = 0) -> float:
    """Return the share of letters in other scripts among the letters that the source does not have.

    Args:
        candidate: The cell.
        runs: Its runs of letters in other scripts.
        min_letters: With fewer letters in other scripts than this, the share is 0.
    """
    source = candidate.source.casefold()
    n_foreign = n_of_source = 0
    for run in runs:
        if run.casefold() in source:
            n_of_source += len(run)
        else:
            n_foreign += len(run)
    if n_foreign < min_letters:
        return 0.0
    n_letters = len(_LETTERS.findall(candidate.text)) - n_of_source
    return n_foreign / n_letters if n_letters else 0.0


@lru_cache(maxsize=16_384)
def source_words(source: str) -> frozenset[str]:
    """Return the case-folded words of a source, cached for the other languages of the same rows."""
    return frozenset(_WORD.findall(source.casefold()))


@settings
class LanguageIdentity:
    """A cell in another language of the corpus, identified by py3langid.

    Only languages that share a script with the column's are candidates.
    """

    margin: Amount = 0.8
    """Maximum probability (0 to 1) by which another language may exceed the column's own."""
    least_letters: Count = 20
    """Minimum number of letters, without words of the source, for a cell to be identified. Three
    fifths of it in Han, where a character says more."""

    def scorer(self, column: JudgedColumn) -> Scorer | None:
        """Return the scorer, or None if the script suffices or py3langid lacks the language."""
        own = identifier_label(column.language)
        if own is None:
            column.notes.append(
                f"{column.language}: the identifier lacks it; only its script is checked"
            )
            return None
        labels = _labels_in_script(column) | {own}
        if len(labels) < 2:
            return None
        identifier = _identifier(frozenset(labels))
        strip = _stripper(column)
        min_letters = self.least_letters * (3 if "Han" in scripts_of(column.language) else 5) // 5

        def score(candidate: Candidate) -> float | None:
            text = strip(candidate)
            if sum(map(str.isalpha, text)) < min_letters:
                return None
            if identifier.classify(text)[0] == own:
                return 0.0
            ranked = identifier.rank(text)
            return float(ranked[0][1] - dict(ranked)[own])

        return score

    def accept(self, score: float) -> bool:
        """Accept at most `margin`."""
        return score <= self.margin


def _labels_in_script(column: JudgedColumn) -> set[str]:
    """Return py3langid's labels of the corpus's languages that share a script with a column."""
    scripts = set(scripts_of(column.language))
    labels = {identifier_label(code) for code in column.pool if scripts & set(scripts_of(code))}
    return {label for label in labels if label is not None}


def _stripper(column: JudgedColumn) -> Callable[[Candidate], str]:
    """Return a function that removes words of the source that a translation may rightly keep."""
    if set(scripts_of(column.pivot)) & set(scripts_of(column.language)):

        def strip(candidate: Candidate) -> str:
            known = source_words(candidate.source)
            return " ".join(
                word for word in _WORD.findall(candidate.text) if word.casefold() not in known
            )

        return strip
    of_pivot = letters_of(column.pivot)
    return lambda candidate: of_pivot.sub(" ", candidate.text)


def identifier_label(language: str) -> str | None:
    """Return py3langid's label of a language, or None if it has none.

    A language in a script that it is seldom written in has none: py3langid knows Serbian in
    Cyrillic, and takes it for Bosnian or Croatian in Latin.

    >>> [identifier_label(code) for code in ("deu_Latn", "zho_Hant", "nob_Latn", "lus_Latn")]
    ['de', 'zh', 'no', None]
    """
    if special := _LABELS.get(language):
        return special if special in _labels() else None
    for label in (codes.to_bcp47(language).split("-")[0], language[:3]):
        if label in _labels():
            return label if _likely_script(label) == codes.script(language) else None
    return None


def _likely_script(label: str) -> str | None:
    """Return the ISO 15924 code of the script that a language is usually in, by CLDR."""
    import langcodes

    return langcodes.Language.get(label).maximize().script


@lru_cache(maxsize=1)
def _model() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=1)
def _labels() -> frozenset[str]:
    return frozenset(_model().labels)


@lru_cache(maxsize=64)
def _identifier(labels: frozenset[str]) -> LanguageIdentifier:
    identifier = copy.copy(_model())
    identifier.set_languages(sorted(labels))
    return identifier
