"""Language codes: any common spelling in, the canonical `deu_Latn` inside, each library's own spelling out.

The canonical code is ISO 639-3 + `_` + ISO 15924, as NLLB and FLORES-200 write it. The table,
`data/languages.tsv`, has the 204 rows of FLORES-200: the 202 codes of NLLB, `arb_Latn` and
`min_Arab`.

A spelling that fits several rows is an error that lists them, never a guess. What that means where
lists disagree:

- A bare code of a language that the table has in several scripts is ambiguous: `zh`, `ks`, `min`,
  `arb`, `ku` (Kurmanji is in Latin script, Sorani in Arabic).
- A macrolanguage code that M2M100 or MTEB uses for one variety means that one: `ar`, `ara` are
  `arb_Arab` (the dialects have their own codes), `fa`, `fas` are `pes_Arab` (Dari is `prs` or
  `fa-AF`), `no`, `nor` are `nob_Latn` (Nynorsk is `nn`), `az` is `azj_Latn`. `ak` is Akan and `tw`
  is Twi, as in ISO 639-1. `tl` and `fil` are both `tgl_Latn`.
- No spelling changes the script: `sr-Latn` and `uz-Cyrl` are unknown, not Serbian and Uzbek in
  another script. MTEB's `mon-Mong` and `orm-Ethi` (NTREX), which name the wrong script, are
  therefore not taken for `khk_Cyrl` and `gaz_Latn`. The one exception is Santali: what NLLB labels
  `sat_Beng` is text in Ol Chiki, MTEB's `sat-Olck`.
- A region (`pt-BR`, `zh_TW`) is dropped, unless it tells which row is meant or implies a script
  that the table lacks.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hexapla.errors import InputError

# Tags whose region usually means another script than the table's, by CLDR's likely subtags: Punjabi
# in Pakistan is in Arabic script, Serbian in Montenegro in Latin.
_OTHER_SCRIPT = frozenset(
    {
        "az-iq",
        "az-ir",
        "az-ru",
        "ha-cm",
        "ha-sd",
        "kk-af",
        "kk-cn",
        "kk-ir",
        "kk-mn",
        "ky-cn",
        "ky-tr",
        "mn-cn",
    }
    | {
        "ms-cc",
        "pa-pk",
        "sr-me",
        "sr-ro",
        "sr-ru",
        "sr-tr",
        "tg-pk",
        "ug-kz",
        "ug-mn",
        "uz-af",
        "uz-cn",
        "yue-cn",
    }
)


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table.

    Attributes:
        code: The canonical code, `deu_Latn`; also the column name in a corpus and the NLLB token.
        name: The English name that FLORES-200 gives it; no two are equal.
        family: Its language family as Glottolog has it, "Turkic", but of Indo-European the branch,
            "Slavic". A creole is with the language that most of its words are from.
        bcp47: The tag for `lang=` attributes and dataset cards; no two are equal.
        m2m100: The M2M100 token. None where M2M100 has no such language or cannot be told the
            script (`zho_Hant`).
        mteb: Every code under which MTEB's tasks file it, `deu-Latn` first.
        aliases: Further spellings that `parse` takes: ISO 639-2/B, withdrawn codes, other English
            names.
    """

    code: str
    name: str
    family: str
    bcp47: str
    m2m100: str | None
    mteb: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """The ISO 15924 code that the canonical code ends with."""
        return self.code[-4:]


LANGUAGES: dict[str, Language]
"""The table, by canonical code, in the order of the codes. Read at first use, which keeps this import under 20 ms."""


def __getattr__(attribute: str) -> dict[str, Language]:
    if attribute == "LANGUAGES":
        return _languages()
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")


@lru_cache(maxsize=1)
def _languages() -> dict[str, Language]:
    from importlib import resources

    table = resources.files("hexapla").joinpath("data", "languages.tsv").read_text(encoding="utf-8")
    languages = (_read_row(line) for line in table.splitlines()[1:])
    return {language.code: language for language in languages}


def _read_row(line: str) -> Language:
    code, name, family, bcp47, m2m100, mteb, aliases = (
        "" if cell == "-" else cell for cell in line.split("\t")
    )
    return Language(
        code=code,
        name=name,
        family=family,
        bcp47=bcp47,
        m2m100=m2m100 or None,
        mteb=(code.replace("_", "-"), *filter(None, mteb.split(","))),
        aliases=tuple(filter(None, aliases.split(","))),
    )


def parse(text: str) -> str:
    """Find the canonical code for any spelling of a language.

    Taken, in any case and with `-` or `_`: canonical codes, ISO 639-1/2/3, BCP-47 tags with script
    or region, M2M100 and MTEB codes, English names with or without their accents.

    >>> parse("de"), parse("ger"), parse("German"), parse("DEU-Latn"), parse("zh-TW"), parse("pt_BR")
    ('deu_Latn', 'deu_Latn', 'deu_Latn', 'deu_Latn', 'zho_Hant', 'por_Latn')

    Raises:
        InputError: The text fits several languages (all are listed) or none (the nearest are
            named).
    """
    key = _key(text)
    codes = _aliases().get(key) or _by_region(text.strip(), key)
    if len(codes) > 1:
        raise InputError(f'language "{text}" is ambiguous; write one of: {_describe(codes)}')
    if not codes:
        raise InputError(
            f'language "{text}" is unknown; give a code like deu_Latn or an English name{_suggest(key)}'
        )
    return codes[0]


def _by_region(text: str, key: str) -> tuple[str, ...]:
    """Look a tag up without its region; refuse `pa-PK` (likely another script) and `en-de` (likely a pair)."""
    tag = re.fullmatch(r"([a-z]{2,3}(?:-[a-z]{4})?)-([a-z]{2}|[0-9]{3})", key)
    codes = _aliases().get(tag[1], ()) if tag else ()
    if not tag or not codes:
        return ()
    if f"{to_bcp47(codes[0])}-{tag[2]}" in _OTHER_SCRIPT and "-" not in tag[1]:
        raise InputError(
            f'language "{text}" is usually in another script; write {codes[0]} if yours is in {script(codes[0])}'
        )
    names_another = not set(_aliases().get(tag[2], ())) <= set(codes)
    if names_another and not (text[0].islower() and text[-2:].isupper()):
        raise InputError(
            f'language "{text}" reads as a pair; write one language like {codes[0]}, '
            f"or the region in capitals, {tag[1]}-{tag[2].upper()}"
        )
    return codes


def parse_list(text: str | Sequence[str], *, least: int = 1) -> tuple[str, ...]:
    """Parse a comma-separated text, or a sequence, of languages; the order is kept.

    >>> parse_list("en, de,Swahili")
    ('eng_Latn', 'deu_Latn', 'swh_Latn')

    Raises:
        InputError: One is ambiguous, unknown or empty, two mean the same language, or there are
            fewer than `least`.
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
    if len(first) < least:
        raise InputError(
            f'languages "{",".join(given)}": {len(first)} given; name at least {least}'
        )
    return tuple(first)


def is_language(text: str) -> bool:
    """Tell whether the text is exactly a canonical code, letter case included.

    >>> is_language("ind_Latn"), is_language("id")
    (True, False)
    """
    return text in _languages()


def script(code: str) -> str:
    """Give the ISO 15924 script of a canonical code.

    >>> script("srp_Cyrl")
    'Cyrl'
    """
    return _language(code).script


def name(code: str) -> str:
    """Give the English name of a canonical code.

    >>> name("zho_Hant")
    'Chinese (Traditional)'
    """
    return _language(code).name


def family(code: str) -> str:
    """Give the language family of a canonical code, within Indo-European the branch.

    >>> family("rus_Cyrl"), family("swh_Latn")
    ('Slavic', 'Atlantic-Congo')
    """
    return _language(code).family


def to_bcp47(code: str) -> str:
    """Give the BCP-47 tag of a canonical code; the script is in it where the bare tag would not say it.

    >>> to_bcp47("deu_Latn"), to_bcp47("zho_Hans")
    ('de', 'zh-Hans')
    """
    return _language(code).bcp47


def to_m2m100(code: str) -> str:
    """Give the M2M100 token of a canonical code.

    >>> to_m2m100("nso_Latn")
    'ns'

    Raises:
        InputError: M2M100 has no such language.
    """
    language = _language(code)
    if language.m2m100 is None:
        raise InputError(
            f"M2M100 cannot translate {code}, {language.name}; leave it out or take an NLLB translator"
        )
    return language.m2m100


def to_mteb(code: str) -> tuple[str, ...]:
    """Give every code under which MTEB's tasks file a language: they differ from task to task.

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
    if code not in _languages():
        raise InputError(
            f'"{code}" is not a language code; write it like deu_Latn{_suggest(_key(code))}'
        )
    return _languages()[code]


def _key(text: str) -> str:
    """Fold case, accents, apostrophes and brackets away, and every run of spaces and `_` into one `-`."""
    letters = unicodedata.normalize("NFKD", text.strip()).casefold()
    kept = "".join(
        letter
        for letter in letters
        if not unicodedata.combining(letter) and letter not in "'\u2019()"
    )
    return re.sub(r"[\s_]+", "-", kept)


@lru_cache(maxsize=1)
def _aliases() -> dict[str, tuple[str, ...]]:
    """Map the key of every spelling to the codes it may mean, in the table's order."""
    codes: dict[str, dict[str, None]] = {}
    for language in _languages().values():
        for spelling in _spellings(language):
            codes.setdefault(_key(spelling), {})[language.code] = None
    return {key: tuple(found) for key, found in codes.items()}


def _spellings(language: Language) -> Iterator[str]:
    """Yield every spelling of a language, and each of its short codes both bare and with its script."""
    tags = (language.bcp47, *language.mteb)
    yield from (language.name, *tags, *language.aliases)
    short = {tag.split("-")[0] for tag in tags}
    short |= {alias for alias in language.aliases if re.fullmatch("[a-z]{2,3}", alias)}
    if language.m2m100:
        short.add(language.m2m100)
    yield from short
    # MTEB writes Korean as Hang and Kore and Japanese as Jpan and Hira.
    for script_code in {tag[-4:] for tag in language.mteb}:
        yield from (f"{code}-{script_code}" for code in short)


def _describe(codes: Iterable[str]) -> str:
    return ", ".join(f"{code} = {name(code)}" for code in codes)


def _suggest(key: str) -> str:
    """Name the rows of the same short code, else the nearest spellings, to end an error with; empty if none is near."""
    subtag = key.split("-")[0]
    keys = [subtag] if subtag in _aliases() else difflib.get_close_matches(key, _aliases(), n=3)
    codes = dict.fromkeys(code for near in keys for code in _aliases()[near])
    return f"; nearest: {_describe(codes)}" if codes else ""
