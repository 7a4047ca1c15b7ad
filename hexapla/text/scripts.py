"""The scripts that a language is written in, and patterns of letters in them and outside them."""

from __future__ import annotations

from functools import lru_cache

import regex

from hexapla.text import languages as codes

# ISO 15924 codes that stand for several Unicode scripts. Every other code is a script's own name.
_SCRIPTS = {
    "Jpan": ("Han", "Hiragana", "Katakana"),
    "Kore": ("Hangul", "Han"),
    "Hang": ("Hangul", "Han"),
    "Hans": ("Han", "Bopomofo"),
    "Hant": ("Han", "Bopomofo"),
}


@lru_cache(maxsize=256)
def scripts_of(language: str) -> tuple[str, ...]:
    """Return the Unicode scripts of a language, by their names in regular expressions.

    >>> scripts_of("jpn_Jpan"), scripts_of("deu_Latn")
    (('Han', 'Hiragana', 'Katakana'), ('Latn',))
    """
    if language == "sat_Beng":
        return ("Beng", "Olck")  # NLLB writes this language in Ol Chiki despite the code
    return _SCRIPTS.get(codes.script(language), (codes.script(language),))


@lru_cache(maxsize=256)
def letters_of(language: str) -> regex.Pattern[str]:
    """Return the pattern of runs of letters in a language's scripts."""
    return regex.compile(f"[{_character_class(language)}]+", regex.V1)


@lru_cache(maxsize=256)
def other_letters(language: str) -> regex.Pattern[str]:
    """Return the pattern of runs of letters in scripts other than a language's."""
    own = rf"{_character_class(language)}\p{{Script=Common}}\p{{Script=Inherited}}"
    return regex.compile(rf"[\p{{L}}--[{own}]]+", regex.V1)


def _character_class(language: str) -> str:
    return "".join(rf"\p{{Script={script}}}" for script in scripts_of(language))
