"""A file's tags for its languages -> canonical codes: the one place that all readers ask.

A tag that fits no language, or several, stops the import, unless the user asked for languages:
these decide which Chinese a bare `zh` is, and texts in other languages are left out. A script that
a tag states or implies is never changed: `sr-Latn-RS` is no Serbian in Cyrillic.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.text import languages as codes
from hexapla.text.file_languages import is_language_tag, more_precise, names_of_file, script_of_tag
from hexapla.text.lines import COMPRESSIONS
from hexapla.text.locale_tags import LocaleTag, default_region, read_locale_tag

_PLACEHOLDERS = frozenset({"", "ll", "ll_cc", "language"})  # what templates of PO have


class TagMeaning(NamedTuple):
    """What a tag means.

    Attributes:
        code: The canonical code; the tag itself if it has none.
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
        self._regions = {}
        for code, spelling in zip(codes_asked or (), asked or (), strict=True):
            tag = read_locale_tag(spelling)
            self._regions[code] = tag.region if tag else ""
        self._known: dict[str, TagMeaning] = {}

    def resolve(self, tag: str, place: str) -> TagMeaning:
        """Return the language of a tag and the rank of its variant.

        Args:
            tag: A BCP-47 tag, or a locale like `pt_BR` and `sr@latin`; never a pair of languages.
            place: Where the tag stands, to begin an error with.

        Returns:
            The meaning, asked for or not. Its code is the tag itself if it fits no language and
            languages were asked for.

        Raises:
            InputError: The tag is unknown or ambiguous, and no languages were asked for.
        """
        if tag not in self._known:
            self._known[tag] = self._meaning(tag, place)
        return self._known[tag]

    def code(self, tag: str, place: str) -> str:
        """Return the code of a tag; see `resolve`."""
        return self.resolve(tag, place).code

    def of_header(self, tag: str, path: Path, place: str) -> TagMeaning | None:
        """Return the language of a file that is in one language.

        A header that says less than the file's name or folder is made precise by them: `sr` in
        `sr_Latn/app.po` is Serbian in Latin script. `names_of_file` says which names count.

        Args:
            tag: What the header says; empty if it says nothing.
            path: The file.
            place: Where the tag stands, to begin an error with.

        Returns:
            The meaning; the only language asked for if nothing says it; None if there is not even
            that.

        Raises:
            InputError: The header and the name are of different languages or scripts; or as for
                `resolve`.
        """
        said = "" if tag.strip().casefold() in _PLACEHOLDERS else tag.strip()
        found = said
        for name in names_of_file(path, said):
            found = self._more_precise(found, name, place) if found else name
        if found:
            return self.resolve(found, place if said else str(path))
        others = [code for code in self.asked or () if code != self.pivot]
        return TagMeaning(others[0]) if len(others) == 1 else None

    def of_ending(self, path: Path) -> tuple[Path, TagMeaning] | None:
        """Split the name of a Moses file at the language that it ends with.

        >>> LanguageTags("eng_Latn", None).of_ending(Path("books.de-en.de.gz"))
        (PosixPath('books.de-en'), TagMeaning(code='deu_Latn', rank=1))

        Returns:
            The path without the language, and the meaning; None if the ending is no language.

        Raises:
            InputError: As for `resolve`.
        """
        plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
        ending = plain.suffix.removeprefix(".")
        if codes.is_pair(ending) or not is_language_tag(ending):
            return None
        return plain.with_suffix(""), self.resolve(ending, str(path))

    def _meaning(self, text: str, place: str) -> TagMeaning:
        tag, found = read_locale_tag(text), codes.codes_of(text)
        if tag and not tag.script:
            found = self._settled(tag, found)
        if len(found) == 1:
            return TagMeaning(found[0], self._rank(tag, found[0]))
        if self.asked is not None:
            return TagMeaning(text)
        what = "name the one to keep" if found else "name others to keep, without it,"
        raise InputError(
            f"{place}: {codes.describe_refusal(text, found)}; or {what} with --languages"
        )

    def _settled(self, tag: LocaleTag, found: tuple[str, ...]) -> tuple[str, ...]:
        """Return what a tag that states no script means, given the languages asked for."""
        asked = self.asked or ()
        if len(found) == 1 and found[0] in asked:
            return found
        script = script_of_tag(tag)
        alike = [
            code
            for code in asked
            if (code in found or tag.primary in _primary_subtags(code))
            and script in ("", codes.script(code))
        ]
        return (alike[0],) if len(alike) == 1 else found

    def _rank(self, tag: LocaleTag | None, code: str) -> int:
        if tag and tag.is_variant:
            return 4
        if not tag or not tag.region:
            return 1
        if tag.region == self._regions.get(code):
            return 0
        return 2 if tag.region == default_region(codes.to_bcp47(code)) else 3

    def _more_precise(self, found: str, name: str, place: str) -> str:
        """Return which of two tags for one file says more.

        Raises:
            InputError: They contradict each other, and a language to keep is concerned.
        """
        if (precise := more_precise(found, name)) is not None:
            return precise
        meanings = [self._code_or_tag(text) for text in (found, name)]
        if meanings[0] == meanings[1] or not {*meanings} & {*(self.asked or meanings)}:
            return found
        raise InputError(
            f'{place}: its language is said to be "{found}" ({meanings[0]}), but its name or '
            f'folder says "{name}" ({meanings[1]}); correct the one that is wrong'
        )

    def _code_or_tag(self, text: str) -> str:
        found = codes.codes_of(text)
        return found[0] if len(found) == 1 else text


def _primary_subtags(code: str) -> set[str]:
    return {code[:3], *(tag.split("-")[0] for tag in (codes.to_bcp47(code), *codes.to_mteb(code)))}
