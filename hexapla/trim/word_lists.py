"""The most frequent words of a language, and how they may stand in a text.

The lists of wordfreq (Speer 2022) have 42 languages, from subtitles, Wikipedia, news, books
and the web until 2021. They come with the library, which needs no network.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib.util import find_spec

from hexapla.text import languages as codes

# Lists whose name is not the language's BCP-47 tag. That of Serbo-Croatian is in Latin script.
_NAMES = {
    "zho_Hans": "zh",
    "tgl_Latn": "fil",
    "bos_Latn": "sh",
    "hrv_Latn": "sh",
    "srp_Latn": "sh",
}
_WITHOUT_SPACES = ("zho_Hans", "jpn_Jpan")
_PER_TEXT = 200  # words; tokenizers take far longer for many short texts than for one
INSTALL = "pip install 'hexapla[trim]'"


def are_installed() -> bool:
    """Return whether there are word lists."""
    return find_spec("wordfreq") is not None


def has_words(language: str) -> bool:
    """Return whether there is a list of a language's words; none is installed by default."""
    if not are_installed():
        return False
    import wordfreq

    return _name_of(language) in wordfreq.available_languages("best")


def word_texts(language: str, n_words: int) -> Iterator[str]:
    """Yield texts that have the most frequent words of a language, in all their forms.

    A word is written as it is listed, in lower case; with a capital; and in capitals; each after a
    space and after a hyphen, since many tokenizers have other pieces for a word after a space.
    Words of languages without spaces stand mostly inside a text.

    Args:
        language: One that `has_words`.
        n_words: How many words; fewer if the list has no more.
    """
    import wordfreq

    words = list(itertools.islice(wordfreq.iter_wordlist(_name_of(language), "best"), n_words))
    if language == "deu_Latn":
        # The list has "ss" for every "ß", which case folding makes of it.
        words += [word.replace("ss", "ß") for word in words if "ss" in word]
    for place in range(0, len(words), _PER_TEXT):
        some = words[place : place + _PER_TEXT]
        forms = [some]
        if language not in _WITHOUT_SPACES:
            forms += [
                [word[:1].upper() + word[1:] for word in some],
                [word.upper() for word in some],
            ]
        for form in forms:
            yield " ".join(form)
            yield " ".join(f"-{word}" for word in form)


def _name_of(language: str) -> str:
    return _NAMES.get(language, codes.to_bcp47(language))
