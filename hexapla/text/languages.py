"""Language codes: any common spelling in, the canonical `deu_Latn` inside, each library's own out.

The canonical code is ISO 639-3 + `_` + ISO 15924, as NLLB and FLORES-200 write it.

A spelling that fits several rows of the table is an error that lists them, never a guess. Where
standards disagree, this means:

- A bare code or name of a language that FLORES-200 has means its row there: `sr` is `srp_Cyrl`,
  `uz` is `uzn_Latn`. The rows that the table has beside FLORES-200 in other scripts need their
  script (`sr-Latn`, `uz-Cyrl`), or a region or code that implies it (`sr-ME`, `sh`).
- A bare code of a language that FLORES-200 has in several scripts is ambiguous: `zh`, `ks`, `min`,
  `arb`, `ku` (Kurmanji is in Latin script, Sorani in Arabic).
- A macrolanguage code that M2M100 or MTEB uses for one variety means that one: `ar`, `ara` are
  `arb_Arab` (the dialects have their own codes), `fa`, `fas` are `pes_Arab` (Dari is `prs` or
  `fa-AF`), `no`, `nor` are `nob_Latn` (Nynorsk is `nn`), `az` is `azj_Latn`. `ak` is Akan and `tw`
  is Twi, as in ISO 639-1. `tl` and `fil` are both `tgl_Latn`. Withdrawn codes keep their meaning:
  `iw`, `in`, `ji`, `jw`, `mo`.
- No spelling changes the script that it states or implies by its region: `zh-Cyrl` is unknown, and
  `pa-PK` is `pnb_Arab`, as CLDR's likely subtags say. MTEB's `mon-Mong` and `orm-Ethi` (NTREX),
  whose texts are in another script than they name, are unknown. The one exception is Santali: what
  NLLB labels `sat_Beng` is text in Ol Chiki, MTEB's `sat-Olck`.
- Any other region (`pt-BR`) is dropped, and so is an orthography (`be@tarask`). A part of a tag
  that is not understood makes it unknown (`sr@nowhere`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hexapla.errors import InputError
from hexapla.text.language_table import Language, language_table
from hexapla.text.locale_tags import LocaleTag, implied_script, read_locale_tag
from hexapla.text.spellings import (
    codes_by_spelling,
    fold_spelling,
    list_languages,
    nearest_languages,
)

LANGUAGES: dict[str, Language]
"""The table by canonical code, in the order of the codes; read at first use."""


def __getattr__(attribute: str) -> dict[str, Language]:
    if attribute == "LANGUAGES":
        return language_table()
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")


def parse(text: str) -> str:
    """Return the canonical code for any spelling of a language.

    Accepted, in any case and with `-` or `_`: canonical codes, ISO 639-1/2/3, BCP-47 tags with
    script or region, M2M100 and MTEB codes, English names with or without their accents.

    >>> parse("de"), parse("ger"), parse("German"), parse("DEU-Latn")
    ('deu_Latn', 'deu_Latn', 'deu_Latn', 'deu_Latn')
    >>> parse("zh-TW"), parse("pt_BR")
    ('zho_Hant', 'por_Latn')

    Raises:
        InputError: The text fits several languages (all are listed) or none (the nearest are
            named).
    """
    codes = codes_of(text)
    if len(codes) != 1:
        raise InputError(describe_refusal(text, codes))
    if is_pair(text) and fold_spelling(text) not in codes_by_spelling():
        raise InputError(
            f'language "{text}" reads as a pair; write one language like {codes[0]}, '
            f"or the region in capitals, {read_locale_tag(text)}"
        )
    return codes[0]


def codes_of(text: str) -> tuple[str, ...]:
    """Return every code that a spelling may mean, none if it is unknown; a region is dropped.

    >>> codes_of("zh"), codes_of("fr-ca"), codes_of("xx")
    (('zho_Hans', 'zho_Hant'), ('fra_Latn',), ())
    """
    spelled = codes_by_spelling().get(fold_spelling(text), ())
    tag = None if spelled else read_locale_tag(text)
    return codes_of_tag(tag) if tag else spelled


def describe_refusal(text: str, codes: Sequence[str]) -> str:
    """Return the error for a spelling that means several codes or none."""
    if codes:
        return f'language "{text}" is ambiguous; write one of: {list_languages(codes)}'
    hint = nearest_languages(text)
    return f'language "{text}" is unknown; give a code like deu_Latn or an English name{hint}'


def is_pair(text: str) -> bool:
    """Return whether a text is rather two languages than a language of a region.

    That is so if a hyphen joins two short codes in one letter case, and the second is a language of
    FLORES-200 other than the first.

    >>> is_pair("en-de"), is_pair("en-DE"), is_pair("en_de"), is_pair("pt-br")
    (True, False, False, False)
    """
    pair = re.fullmatch("([a-z]{2,3})-([a-z]{2})", text.strip().casefold())
    if not pair or (text.strip()[0].islower() and text.strip()[-2:].isupper()):
        return False
    first, second = (set(codes_by_spelling().get(code, ())) for code in pair.groups())
    return any(code not in first and language_table()[code].in_flores for code in second)


def codes_of_tag(tag: LocaleTag) -> tuple[str, ...]:
    """Return the codes that a tag may mean, none if the table lacks its language or script.

    A script that is stated, or that the region implies, is the script of every code returned.
    """
    known = codes_by_spelling()
    codes = known.get(tag.primary, ())
    if tag.region:
        in_region = known.get(f"{tag.primary}-{tag.region}".lower(), ())
        if in_region and all(tag.script in ("", script(code)) for code in in_region):
            return in_region
    if tag.script:
        return known.get(f"{tag.primary}-{tag.script}".lower(), ())
    # What no region settles (zh-US) is ambiguous with it too.
    if tag.region and len(codes) == 1 and (there := implied_script(tag.primary, tag.region)):
        return known.get(f"{tag.primary}-{there}".lower(), ())
    return codes


def parse_list(text: str | Sequence[str], *, minimum: int = 1) -> tuple[str, ...]:
    """Parse languages, given as a sequence or as one text with commas; the order is kept.

    >>> parse_list("en, de,Swahili")
    ('eng_Latn', 'deu_Latn', 'swh_Latn')

    Raises:
        InputError: One is ambiguous, unknown or empty, two mean the same language, or there are
            fewer than `minimum`.
    """
    given = [item.strip() for item in (text.split(",") if isinstance(text, str) else text)]
    if given == [""]:
        given = []
    if "" in given:
        raise InputError(
            f'languages "{",".join(given)}": item {given.index("") + 1} is empty; drop the comma'
        )
    first: dict[str, str] = {}
    for item in given:
        code = parse(item)
        if code in first:
            raise InputError(
                f'languages "{first[code]}" and "{item}" are both {code}; name each language once'
            )
        first[code] = item
    if len(first) < minimum:
        raise InputError(
            f'languages "{",".join(given)}": {len(first)} given; name at least {minimum}'
        )
    return tuple(first)


def is_language(text: str) -> bool:
    """Return whether a text is exactly a canonical code, in its letter case.

    >>> is_language("ind_Latn"), is_language("id")
    (True, False)
    """
    return text in language_table()


def script(code: str) -> str:
    """Return the ISO 15924 script of a canonical code.

    >>> script("srp_Cyrl")
    'Cyrl'
    """
    return _language(code).script


def name(code: str) -> str:
    """Return the English name of a canonical code.

    >>> name("zho_Hant")
    'Chinese (Traditional)'
    """
    return _language(code).name


def family(code: str) -> str:
    """Return the language family of a canonical code, within Indo-European the branch.

    >>> family("rus_Cyrl"), family("swh_Latn")
    ('Slavic', 'Atlantic-Congo')
    """
    return _language(code).family


def to_bcp47(code: str) -> str:
    """Return the BCP-47 tag of a canonical code; it has the script where a bare tag is unclear.

    >>> to_bcp47("deu_Latn"), to_bcp47("zho_Hans")
    ('de', 'zh-Hans')
    """
    return _language(code).bcp47


def to_nllb(code: str) -> str:
    """Return the NLLB token of a canonical code, which is the code.

    >>> to_nllb("srp_Cyrl")
    'srp_Cyrl'

    Raises:
        InputError: NLLB has no such language, or has it in another script.
    """
    language = _language(code)
    if not language.in_nllb:
        same = [row.code for row in language_table().values() if row.in_nllb]
        same = [other for other in same if other[:3] == code[:3]]
        instead = f"it has {list_languages(same)}" if same else "leave it out"
        raise InputError(f"NLLB cannot translate {code}, {language.name}; {instead}")
    return code


def to_m2m100(code: str) -> str:
    """Return the M2M100 token of a canonical code.

    >>> to_m2m100("nso_Latn")
    'ns'

    Raises:
        InputError: M2M100 has no such language.
    """
    language = _language(code)
    if language.m2m100 is None:
        instead = "leave it out" + (" or use an NLLB translator" if language.in_nllb else "")
        raise InputError(f"M2M100 cannot translate {code}, {language.name}; {instead}")
    return language.m2m100


def to_mteb(code: str) -> tuple[str, ...]:
    """Return every code under which MTEB's tasks file a language; they differ from task to task.

    >>> to_mteb("pes_Arab")
    ('pes-Arab', 'fas-Arab')
    """
    return _language(code).mteb


def pair(a: str, b: str) -> str:
    """Join two canonical codes.

    >>> pair("eng_Latn", "deu_Latn")
    'eng_Latn-deu_Latn'
    """
    return f"{_language(a).code}-{_language(b).code}"


def split_pair(text: str) -> tuple[str, str]:
    """Undo `pair`.

    >>> split_pair("eng_Latn-deu_Latn")
    ('eng_Latn', 'deu_Latn')

    Raises:
        InputError: The text is not two canonical codes joined by a hyphen.
    """
    codes = text.split("-")
    if len(codes) != 2:
        raise InputError(
            f'pair "{text}" is not two codes joined by a hyphen; write it like eng_Latn-deu_Latn'
        )
    return _language(codes[0]).code, _language(codes[1]).code


def _language(code: str) -> Language:
    if code not in language_table():
        hint = nearest_languages(code)
        raise InputError(f'"{code}" is not a language code; write it like deu_Latn{hint}')
    return language_table()[code]
