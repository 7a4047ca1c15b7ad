"""Which parts of a file's path name a language, and which of two tags for one file says more.

Short words look like codes (`my`, `no`, `to`), so that not every part of a path counts:

- The folder above `LC_MESSAGES` counts if it is any language.
- Of the file's name, the whole without its ending or what follows its last dot counts if it is a
  tag with a script, region or modifier, or a bare code of two letters: `de.po`, `app.sr_Latn.po`.
- What follows a hyphen or `_` in the name (`shop-pt_BR.po`, `shop_sr@latin.po`) and the file's own
  folder count if they have a script, region or modifier.
- Bare codes of three letters and there also of two count only if they are of the language that the
  header names, and so do regions in small letters after a hyphen (`to-do`).
- The whole name of a file without a header, or what follows its last dot, may be any of these, or
  an English name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from hexapla.text import languages as codes
from hexapla.text.language_table import language_table
from hexapla.text.lines import COMPRESSIONS
from hexapla.text.locale_tags import LocaleTag, implied_script, macrolanguage, read_locale_tag
from hexapla.text.spellings import codes_by_spelling, fold_spelling

_MESSAGES = "LC_MESSAGES"  # the folder of gettext's files, in a folder named by language
_TAIL = re.compile(r"[-_]([a-z]{2,3}(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}|[0-9]{3})){0,2}(?:@\w+)?)$")
_LOWER_REGION = re.compile("[a-z]+-[a-z]+")


def names_of_file(path: Path, header: str) -> Iterator[str]:
    """Yield the parts of a path that name its language, the most reliable first.

    Args:
        path: The file, plain or compressed.
        header: What the file itself says; empty if it says nothing.

    >>> list(names_of_file(Path("sr_Latn/LC_MESSAGES/app.po"), "sr"))
    ['sr_Latn']
    >>> list(names_of_file(Path("app-pt_BR.po"), "")), list(names_of_file(Path("no/x.po"), ""))
    (['pt_BR'], [])
    """
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    folder = path.parent.name
    if folder == _MESSAGES and is_language_tag(path.parent.parent.name):
        yield path.parent.parent.name
    last = plain.stem.rsplit(".", 1)[-1]
    tail = _TAIL.search(last)
    for name in dict.fromkeys((plain.stem, last)):
        if _is_named(name, header, is_file=True):
            yield name
            break
    else:
        if tail and _is_named(tail[1], header, is_file=False):
            yield tail[1]
    if folder != _MESSAGES and _is_named(folder, header, is_file=False):
        yield folder


def _is_named(name: str, header: str, *, is_file: bool) -> bool:
    """Return whether a part of a path names a language; see above."""
    tag = read_locale_tag(name)
    if not is_language_tag(name) or (tag and tag.script and tag.script not in _scripts()):
        return False
    if tag is None:
        return "@" in name or (is_file and not header)
    if header and more_precise(header, name) is not None:
        return True
    if tag.script or tag.is_variant:
        return True
    if tag.region:
        return not _LOWER_REGION.fullmatch(name) or (is_file and not header)
    return is_file and (len(name) == 2 or not header)


def is_language_tag(text: str) -> bool:
    """Return whether a text is a tag or name of a language of the table, in any script.

    >>> is_language_tag("zh-Latn"), is_language_tag("url"), is_language_tag("sr@unheard")
    (True, False, True)
    """
    tag = read_locale_tag(text)
    primary = tag.primary if tag else text.partition("@")[0].casefold() if "@" in text else ""
    return primary in codes_by_spelling() or fold_spelling(text) in codes_by_spelling()


def more_precise(first: str, second: str) -> str | None:
    """Return the tag that says more of one language, None if the two contradict each other.

    >>> more_precise("sr", "sr_Latn"), more_precise("sr_RS", "sr"), more_precise("ku", "ckb")
    ('sr_Latn', 'sr_RS', 'ckb')
    >>> more_precise("sr_Cyrl", "sr_Latn"), more_precise("de", "fr")
    (None, None)
    """
    one, other = _stated_tag(first), _stated_tag(second)
    if other is None:
        return second  # a modifier that nobody knows, which must not be dropped
    if one is None:
        return None
    if _is_same_language(one, other):
        scripts = script_of_tag(one), script_of_tag(other)
        if all(scripts) and scripts[0] != scripts[1]:
            return None
        says_more = (not scripts[0] and scripts[1]) or (other.is_variant and not one.is_variant)
        return second if says_more or one == LocaleTag(one.primary) else first
    macro = macrolanguage(one.primary)
    if macro != macrolanguage(other.primary):
        return None
    return second if macro == one.primary else first if macro == other.primary else None


def script_of_tag(tag: LocaleTag) -> str:
    """Return the script that a tag states or its region implies, empty for the usual one.

    >>> script_of_tag(LocaleTag("zh", region="TW")), script_of_tag(LocaleTag("sr", region="RS"))
    ('Hant', '')
    """
    if tag.script or not tag.region:
        return tag.script
    known = codes_by_spelling().get(f"{tag.primary}-{tag.region}".lower(), ())
    return codes.script(known[0]) if len(known) == 1 else implied_script(tag.primary, tag.region)


def _stated_tag(text: str) -> LocaleTag | None:
    """Return what a text says as a tag; an English name says a language, seldom a script."""
    if tag := read_locale_tag(text):
        return tag
    found = codes_by_spelling().get(fold_spelling(text), ())
    if not found:
        return None
    is_bare = codes_by_spelling().get(found[0][:3]) == found
    return LocaleTag(found[0][:3], "" if is_bare or len(found) > 1 else codes.script(found[0]))


def _is_same_language(first: LocaleTag, second: LocaleTag) -> bool:
    known = codes_by_spelling()
    return first.primary == second.primary or (
        known.get(first.primary, first) == known.get(second.primary, second)
    )


@lru_cache(maxsize=1)
def _scripts() -> frozenset[str]:
    return frozenset(language.script for language in language_table().values()) | {"Hang", "Kore"}
