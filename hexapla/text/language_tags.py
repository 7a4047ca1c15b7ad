"""A file's tags for its languages -> canonical codes.

A tag that fits no language, or several, stops the import, unless the user asked for languages:
these decide which Chinese a bare `zh` is, and texts in other languages are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.text import languages as codes
from hexapla.text.lines import COMPRESSIONS

_SCRIPT_MODIFIERS = {"latin": "Latn", "cyrillic": "Cyrl", "devanagari": "Deva", "arabic": "Arab"}


class TagMeaning(NamedTuple):
    """What a tag means.

    Attributes:
        code: The canonical code; the tag itself if it is none of the languages asked for.
        rank: Which of several variants of one language is preferred, the lowest first: 0 is the
            region that was asked for, 1 a tag without region, 2 the language's default region, 3
            another region, 4 another orthography (`ca@valencia`, `be@tarask`).
    """

    code: str
    rank: int = 1


class LanguageTags:
    """Maps the tags of one import to codes.

    Attributes:
        pivot: The import's pivot.
        asked: The languages to keep, the pivot among them; None keeps all of the files.
    """

    def __init__(self, pivot: str, asked: Sequence[str] | None) -> None:
        """Keep what was asked for; `pt-PT` among `asked` also prefers that region."""
        self.pivot = pivot
        codes_asked = None if asked is None else codes.parse_list(asked)
        self.asked = (
            codes_asked if codes_asked is None or pivot in codes_asked else (pivot, *codes_asked)
        )
        self._known: dict[str, str] = {}

    def resolve(self, tag: str, place: str) -> TagMeaning:
        """Return the language of a tag and the rank of its variant; see `code`."""
        return TagMeaning(self.code(tag, place))

    def code(self, tag: str, place: str) -> str:
        """Return the language of a tag, asked for or not.

        Args:
            tag: A BCP-47 tag, or a locale like `pt_BR` and `sr@latin`; never a pair of languages.
            place: Where the tag stands, to begin an error with.

        Returns:
            The canonical code; the tag itself if it has no code and languages were asked for.

        Raises:
            InputError: The tag is unknown or ambiguous, and no languages were asked for.
        """
        if tag not in self._known:
            try:
                self._known[tag] = codes.parse(_tidy(tag))
            except InputError as error:
                if self.asked is None:
                    raise InputError(
                        f"{place}: {error}; or name all languages to keep with --languages"
                    ) from None
                self._known[tag] = self._by_primary_subtag(tag)
        return self._known[tag]

    def _by_primary_subtag(self, tag: str) -> str:
        """Return the only language asked for with the tag's primary subtag, or else the tag."""
        primary = re.split("[-_@]", tag.casefold())[0]
        alike = [code for code in self.asked or () if primary in _primary_subtags(code)]
        return alike[0] if len(alike) == 1 else tag

    def of_file(self, path: Path) -> str | None:
        """Return the language of a file that does not say it.

        It is read from the name or folder (`de.po`, `app.de.po.gz`, `de/LC_MESSAGES/app.po`), or
        else is the only one asked for. None if there is neither.
        """
        plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
        folder = path.parent.parent.name if path.parent.name == "LC_MESSAGES" else ""
        for tag in (folder, plain.stem.rsplit(".", 1)[-1]):
            try:
                return codes.parse(_tidy(tag))
            except InputError:
                continue  # most names are no language; the caller refuses a file without any
        others = [code for code in self.asked or () if code != self.pivot]
        return others[0] if len(others) == 1 else None


def _primary_subtags(code: str) -> set[str]:
    return {code[:3], *(tag.split("-")[0] for tag in (codes.to_bcp47(code), *codes.to_mteb(code)))}


def _tidy(tag: str) -> str:
    """Write a tag as `parse` expects it.

    Regions become capitals, a POSIX script modifier becomes a script, and an encoding is dropped.

    >>> _tidy("PT-BR"), _tidy("de_de.UTF-8"), _tidy("uz@cyrillic"), _tidy("ca@valencia")
    ('pt-BR', 'de-DE', 'uz-Cyrl', 'ca')
    >>> _tidy("zh-hant")
    'zh-Hant'
    """
    locale, _, modifier = tag.strip().partition("@")
    primary, *others = re.split("[-_]", locale.split(".")[0])
    if not re.fullmatch("[A-Za-z]{2,3}", primary):
        return tag
    shaped = [part.upper() if len(part) == 2 else part.title() for part in others]
    if modifier.casefold() in _SCRIPT_MODIFIERS:
        shaped = [_SCRIPT_MODIFIERS[modifier.casefold()]]
    return "-".join([primary.lower(), *shaped])
