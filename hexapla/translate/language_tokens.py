"""How each family of checkpoints names a language, and which of our languages its tokens stand for.

In goes a tokenizer's vocabulary, or a name such as `opus-mt-en-de`; out come canonical codes. A
token that stands for no row of the language table is left out, so the languages of a checkpoint are
those that can be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.text import languages


class Layout(NamedTuple):
    """How a family names a target language, and where: before the source text, or at the start of the output."""

    family: str
    pattern: str
    example: str
    in_source: bool


_NLLB = Layout("nllb", r"([a-z]{3}_[A-Z][a-z]{3})", "deu_Latn", in_source=False)
_M2M100 = Layout("m2m100", r"__([a-z]{2,3})__", "__de__", in_source=False)
_MADLAD = Layout("madlad", r"<2([A-Za-z_]+)>", "<2de>", in_source=True)
_MARIAN = Layout("marian", r">>([A-Za-z_]+)<<", ">>deu<<", in_source=True)
LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "m2m_100": (_NLLB, _M2M100),
    "nllb-moe": (_NLLB,),
    "t5": (_MADLAD,),
    "mt5": (_MADLAD,),
    "umt5": (_MADLAD,),
    "marian": (_MARIAN,),
}
"""The layouts that a model type of transformers may follow."""

ONE_PAIR = ("marian", "t5", "mt5", "umt5", "bart", "fsmt")
"""Model types that may be trained for one pair, and then have no language token."""

_LIKELY = {
    "zh": "zho_Hans",
    "zho": "zho_Hans",
    "cmn": "zho_Hans",
    "ku": "kmr_Latn",
    "ks": "kas_Arab",
    "kas": "kas_Arab",
    "ace": "ace_Latn",
    "bjn": "bjn_Latn",
    "min": "min_Latn",
    "kr": "knc_Latn",
    "knc": "knc_Latn",
    "taq": "taq_Latn",
}
"""What a bare token that fits two scripts is written in: the likely script of CLDR."""


def find_tokens(layout: Layout, vocabulary: Iterable[str]) -> dict[str, str]:
    """Map each canonical code to the token of a vocabulary that stands for it.

    Of several (`>>pt<<`, `>>pt_BR<<`) the canonical code itself wins, then the shortest.

    >>> find_tokens(LAYOUTS["marian"][0], [">>pt_BR<<", ">>pt<<", ">>zho<<", ">>tlh<<", "the"])
    {'por_Latn': '>>pt<<', 'zho_Hans': '>>zho<<'}
    """
    found: dict[str, list[str]] = {}
    for token in vocabulary:
        code = _code(layout, token)
        if code:
            found.setdefault(code, []).append(token)
    return {
        code: min(found[code], key=lambda token: (code not in token, len(token), token))
        for code in sorted(found)
    }


def spoken(text: str) -> tuple[str, ...]:
    """List the codes that a spelling may mean; none for the name of a group, such as `ROMANCE` or `mul`.

    >>> spoken("zh"), spoken("de"), spoken("ROMANCE")
    (('zho_Hans', 'zho_Hant'), ('deu_Latn',), ())
    """
    try:
        return (languages.parse(text),)
    except InputError:
        likely = _LIKELY.get(text.lower())
        return tuple(code for code in languages.LANGUAGES if likely and code[:3] == likely[:3])


def pair_in_name(name: str) -> tuple[str, str] | None:
    """Read the two sides of a name as OPUS-MT gives it; they may be groups.

    >>> pair_in_name("Helsinki-NLP/opus-mt-tc-big-en-pt"), pair_in_name("opus-mt-en-ROMANCE"), pair_in_name("my-model")
    (('en', 'pt'), ('en', 'ROMANCE'), None)
    """
    found = re.search(
        r"opus-mt-(?:tc-(?:big|base)-)?([A-Za-z_+]{2,})-([A-Za-z_+]{2,})(?=$|[-/])", name
    )
    return (found[1], found[2]) if found else None


def _code(layout: Layout, token: str) -> str | None:
    found = re.fullmatch(layout.pattern, token)
    if not found:
        return None
    if layout is _NLLB:
        return token if languages.is_language(token) else None
    if layout is _M2M100:
        return _m2m100().get(found[1])
    if found[1].lower() in _LIKELY:
        return _LIKELY[found[1].lower()]
    codes = spoken(found[1])
    return codes[0] if codes else None


@lru_cache(maxsize=1)
def _m2m100() -> Mapping[str, str]:
    return {
        language.m2m100: code for code, language in languages.LANGUAGES.items() if language.m2m100
    }
