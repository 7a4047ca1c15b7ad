"""How each family of checkpoints names a language, and which canonical code a token stands for.

In goes a tokenizer's vocabulary, or a name such as `opus-mt-en-de`; out come canonical codes. A
token of a language that is not in the language table is left out, so every language of a checkpoint
can be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.locale_tags import read_locale_tag


class Layout(NamedTuple):
    """How a family of checkpoints names a target language, and where.

    Attributes:
        family: Name of the family.
        pattern: Regular expression of a language token.
        form: A language token, with {} for its code.
        example: The token of German.
        in_source: Whether the token stands before the source text, and not at the start of the
            output.
    """

    family: str
    pattern: str
    form: str
    example: str
    in_source: bool


_NLLB = Layout("nllb", r"([a-z]{3}_[A-Z][a-z]{3})", "{}", "deu_Latn", in_source=False)
_M2M100 = Layout("m2m100", r"__([a-z]{2,3})__", "__{}__", "__de__", in_source=False)
_MADLAD = Layout("madlad", r"<2([A-Za-z_]+)>", "<2{}>", "<2de>", in_source=True)
_MARIAN = Layout("marian", r">>([A-Za-z_]+)<<", ">>{}<<", ">>deu<<", in_source=True)
LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "m2m_100": (_NLLB, _M2M100),
    "nllb-moe": (_NLLB,),
    "t5": (_MADLAD,),
    "mt5": (_MADLAD,),
    "umt5": (_MADLAD,),
    "marian": (_MARIAN,),
}
"""The layouts that a model type of transformers may follow."""

ARCHITECTURES = {
    "m2m_100": "M2M100ForConditionalGeneration",
    "nllb-moe": "NllbMoeForConditionalGeneration",
    "t5": "T5ForConditionalGeneration",
    "mt5": "MT5ForConditionalGeneration",
    "umt5": "UMT5ForConditionalGeneration",
    "marian": "MarianMTModel",
    "bart": "BartForConditionalGeneration",
    "fsmt": "FSMTForConditionalGeneration",
}
"""The translating model of each model type that is known here."""

ONE_PAIR = ("marian", "t5", "mt5", "umt5", "bart", "fsmt")
"""Model types that may be trained for one language pair, and then have no language tokens."""

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
"""The code that a token means when its language has two scripts: CLDR's likely script."""


_REGIONAL = {"pob": "por_Latn"}
"""Codes of OPUS-MT for the language of one region, here Brazil, that no standard has."""


def find_tokens(layout: Layout, vocabulary: Iterable[str]) -> dict[str, list[str]]:
    """Map each canonical code to its tokens in a vocabulary, the best first.

    If a code has several tokens, one that states its script is better than one that does not
    (`>>cmn_Hans<<`, `>>cmn<<`), and one without a region is better than one with it (`>>pt<<`,
    `>>pt_BR<<`). Of others the shorter is taken.

    >>> find_tokens(LAYOUTS["marian"][0], [">>pt_BR<<", ">>pt<<", ">>zho<<", ">>tlh<<", "the"])
    {'por_Latn': ['>>pt<<', '>>pt_BR<<'], 'zho_Hans': ['>>zho<<']}
    """
    spellings: dict[str, list[str]] = {}
    for token in vocabulary:
        code = _code(layout, token)
        if code:
            spellings.setdefault(code, []).append(token)
    return {
        code: sorted(spellings[code], key=lambda token: _rank(layout, code, token))
        for code in sorted(spellings)
    }


def _rank(layout: Layout, code: str, token: str) -> tuple[bool, bool, bool, int, str]:
    match = re.fullmatch(layout.pattern, token)
    spelled = match[1] if match else token
    tag = read_locale_tag(spelled)
    is_regional = spelled in _REGIONAL or (tag is not None and bool(tag.region))
    states_script = spelled.endswith(f"_{languages.script(code)}")
    return code not in token, not states_script, is_regional, len(token), token


def possible_codes(text: str) -> tuple[str, ...]:
    """List the codes that a spelling may mean; none for a group, such as `ROMANCE` or `mul`.

    >>> possible_codes("zh"), possible_codes("de"), possible_codes("ROMANCE")
    (('zho_Hans', 'zho_Hant'), ('deu_Latn',), ())
    """
    try:
        return (languages.parse(text),)
    except InputError:
        likely = _LIKELY.get(text.lower())
        found = languages.codes_of(text)
        return tuple(code for code in found if likely and code[:3] == likely[:3])


def codes_of_side(text: str) -> tuple[str, ...]:
    """List the codes that a side of a pair may mean, which may name several; none for a group.

    >>> codes_of_side("zh_Hant"), codes_of_side("deu_eng_fra"), codes_of_side("ROMANCE")
    (('zho_Hant',), ('deu_Latn', 'eng_Latn', 'fra_Latn'), ())
    """
    if codes := possible_codes(text):
        return codes
    parts = [possible_codes(part) for part in re.split("[_+]", text)]
    return tuple(dict.fromkeys(code for part in parts for code in part)) if all(parts) else ()


def pair_in_name(name: str) -> tuple[str, str] | None:
    """Read source and target from a name in the style of OPUS-MT; either may be a group.

    >>> pair_in_name("Helsinki-NLP/opus-mt-tc-big-en-pt")
    ('en', 'pt')
    >>> pair_in_name("opus-mt-en-ROMANCE"), pair_in_name("my-model")
    (('en', 'ROMANCE'), None)
    """
    match = re.search(
        r"opus-mt-(?:tc-(?:bible-)?(?:big|base)-)?([A-Za-z_+]{2,})-([A-Za-z_+]{2,})(?=$|[-/])", name
    )
    return (match[1], match[2]) if match else None


def _code(layout: Layout, token: str) -> str | None:
    match = re.fullmatch(layout.pattern, token)
    if not match:
        return None
    if layout is _NLLB:
        return token if languages.is_language(token) else None
    if layout is _M2M100:
        return _m2m100_codes().get(match[1])
    if match[1] in _REGIONAL:
        return _REGIONAL[match[1]]
    if match[1].lower() in _LIKELY:
        return _LIKELY[match[1].lower()]
    codes = possible_codes(match[1])
    return codes[0] if codes else None


@lru_cache(maxsize=1)
def _m2m100_codes() -> Mapping[str, str]:
    return {
        language.m2m100: code for code, language in languages.LANGUAGES.items() if language.m2m100
    }


def m2m100_tokens() -> list[str]:
    """Return the language tokens of M2M100, which its tokenizer knows even if no file has them."""
    return [f"__{code}__" for code in _m2m100_codes()]
