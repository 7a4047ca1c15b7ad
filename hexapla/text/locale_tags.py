"""BCP-47 tags and POSIX locales -> language, script, region and orthography.

`sr-Latn-RS`, `sr_RS.UTF-8@latin` and `sr-ME` all say Serbian in Latin script. Nothing of a tag is
dropped that may change which text it stands for: a tag with an unknown modifier or variant
(`de@dialect`, `en-x-pirate`) has no meaning at all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# What stands after the @ of a locale, or as a variant in a BCP-47 tag, and implies a script. These
# are the names in use in glibc, gettext, KDE, GNOME and the IANA registry of variants.
_SCRIPT_NAMES = {
    "arabic": "Arab",
    "armenian": "Armn",
    "bengali": "Beng",
    "cyrillic": "Cyrl",
    "devanagari": "Deva",
    "ethiopic": "Ethi",
    "georgian": "Geor",
    "greek": "Grek",
    "gurmukhi": "Guru",
    "hebrew": "Hebr",
    "latin": "Latn",
    "mongolian": "Mong",
    "shaw": "Shaw",
    "shavian": "Shaw",
    "tifinagh": "Tfng",
    "alalc97": "Latn",
    "hepburn": "Latn",
    "heploc": "Latn",
    "iqtelif": "Latn",
    "jyutping": "Latn",
    "pehoeji": "Latn",
    "pinyin": "Latn",
    "tailo": "Latn",
    "tongyong": "Latn",
    "wadegile": "Latn",
}
# The same for names that say an orthography or a dialect too.
_SCRIPTS_OF_VARIANTS = {"ijekavian": "Cyrl", "ijekavianlatin": "Latn"}
_VARIANTS = frozenset({"ao90", "formal", "informal", "tarask", "valencia"})
# These say nothing of the text: a currency, a sort order, the shape of quotation marks.
_NEUTRAL = frozenset({"abegede", "boldquot", "euro", "phonebook", "quot", "radical", "stroke"})
_LANGUAGES = {("no", "bokmal"): "nb", ("no", "nynorsk"): "nn", ("aa", "saaho"): "ssy"}
# Phonetic notation is no text in a language.
_PHONETIC = frozenset({"fonipa", "fonkirsh", "fonnapa", "fonupa", "fonxsamp"})
_SCRIPTS_OF_CHINESE = {"chs": "Hans", "cht": "Hant"}  # Windows writes zh-CHS and zh-CHT
_WITH_EXTENDED = frozenset({"ar", "kok", "lv", "ms", "sgn", "sw", "uz", "zh"})


class LocaleTag(NamedTuple):
    """What a tag says of its language.

    Attributes:
        primary: The primary subtag, two or three small letters.
        script: The script that is stated, as in ISO 15924; empty if none is.
        region: The region, two capitals or three digits; empty if none is stated.
        is_variant: Whether it is in an orthography or dialect beside the usual one.
    """

    primary: str
    script: str = ""
    region: str = ""
    is_variant: bool = False

    def __str__(self) -> str:
        """Return the tag as BCP-47 writes it, without its variant."""
        return "-".join(filter(None, (self.primary, self.script, self.region)))


@lru_cache(maxsize=4096)
def read_locale_tag(text: str) -> LocaleTag | None:
    """Read a BCP-47 tag or a POSIX locale, in any letter case, with `-` or `_`.

    >>> read_locale_tag("SR_latn_rs")
    LocaleTag(primary='sr', script='Latn', region='RS', is_variant=False)
    >>> read_locale_tag("ca_ES.UTF-8@valencia")
    LocaleTag(primary='ca', script='', region='ES', is_variant=True)
    >>> str(read_locale_tag("uz@Cyrl")), read_locale_tag("de@dialect"), read_locale_tag("German")
    ('uz-Cyrl', None, None)

    Returns:
        None for a text that is no tag, or is one with a part that is not understood.
    """
    locale, _, modifier = text.strip().partition("@")
    primary, *parts = re.split("[-_]", locale.split(".")[0].lower())
    if not re.fullmatch("[a-z]{2,3}", primary):
        return None
    script = ""
    if primary == "zh" and parts and parts[0] in _SCRIPTS_OF_CHINESE:
        script = _SCRIPTS_OF_CHINESE[parts.pop(0)]
    elif primary in _WITH_EXTENDED and parts and re.fullmatch("[a-z]{3}", parts[0]):
        primary = parts.pop(0)
    tag: LocaleTag | None = LocaleTag(primary, script)
    for part in parts:
        if part in ("t", "u"):
            break  # extensions: sorting, or what a text was translated from
        tag = tag and _with_part(tag, part)
    if tag and modifier:
        tag = _with_modifier(tag, modifier.split(".")[0].lower())
    return tag


def _with_part(tag: LocaleTag, part: str) -> LocaleTag | None:
    part = part.removeprefix("#")  # Java writes sr_RS_#Latn
    if re.fullmatch("[a-z]{4}", part) and not tag.script:
        return tag._replace(script=part.title())
    if re.fullmatch("[a-z]{2}|[0-9]{3}", part) and not tag.region:
        return tag._replace(region="" if part == "xx" else part.upper())
    if re.fullmatch("[a-z0-9]{5,8}|[0-9][a-z0-9]{3}", part) or part in _VARIANTS:
        return _with_modifier(tag, part)
    return None


def _with_modifier(tag: LocaleTag, modifier: str) -> LocaleTag | None:
    """Add a modifier or variant, None if it is unknown or contradicts the script of the tag."""
    if modifier in _NEUTRAL:
        return tag
    if language := _LANGUAGES.get((tag.primary, modifier)):
        return tag._replace(primary=language)
    is_script = re.fullmatch("[a-z]{4}", modifier) and modifier not in _VARIANTS
    of_variant = _SCRIPTS_OF_VARIANTS.get(modifier)
    script = modifier.title() if is_script else _SCRIPT_NAMES.get(modifier) or of_variant
    if script:
        if tag.script not in ("", script):
            return None
        return tag._replace(script=script, is_variant=tag.is_variant or bool(of_variant))
    if modifier in _VARIANTS or _is_registered(modifier):
        return tag._replace(is_variant=True)
    return None


def _is_registered(variant: str) -> bool:
    """Return whether the IANA registry of language subtags has a variant for written text."""
    import langcodes

    return variant not in _PHONETIC and langcodes.Language.make("en", variants=[variant]).is_valid()


@lru_cache(maxsize=4096)
def implied_script(primary: str, region: str) -> str:
    """Return the script of a language in a region, by CLDR's likely subtags.

    >>> implied_script("pa", "PK"), implied_script("sr", "ME"), implied_script("de", "AT")
    ('Arab', 'Latn', '')

    Returns:
        Empty if it is the usual script of the language.
    """
    import langcodes

    usual = langcodes.Language.get(primary).maximize().script
    there = langcodes.Language.get(f"{primary}-{region}").maximize().script
    return there if there and there != usual else ""


@lru_cache(maxsize=4096)
def default_region(bcp47: str) -> str:
    """Return the region that a tag without one most likely means, by CLDR's likely subtags.

    >>> default_region("pt"), default_region("zh-Hant")
    ('BR', 'TW')
    """
    import langcodes

    return langcodes.Language.get(bcp47).maximize().territory or ""


@lru_cache(maxsize=4096)
def macrolanguage(primary: str) -> str:
    """Return the macrolanguage that a language belongs to, or the language itself.

    >>> macrolanguage("arz"), macrolanguage("nn"), macrolanguage("de")
    ('ar', 'no', 'de')
    """
    import langcodes

    tag = langcodes.standardize_tag(primary)
    return langcodes.data_dicts.MACROLANGUAGES.get(tag, tag)
