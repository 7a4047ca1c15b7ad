"""The codes by which a program or a Python function knows languages: `deu_Latn=de`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.printable import printable

_MAX_CODES = 1000  # more than there are languages
_MAX_CODE = 100  # characters


def parse_codes(value: Any) -> Any:
    """Return entries such as `deu_Latn=de`; a value of another type comes back as it is.

    A table of a recipe, a list, and one text with commas are accepted.

    >>> parse_codes("German=de, zh-TW=zh_tw")
    ('deu_Latn=de', 'zho_Hant=zh_tw')
    >>> parse_codes({"deu_Latn": "deu"})
    ('deu_Latn=deu',)

    Raises:
        InputError: An entry has no language or no code, or two name the same language.
    """
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",")] if value.strip() else []
    elif isinstance(value, Mapping) and all(isinstance(code, str) for code in value.values()):
        value = [f"{language}={code}" for language, code in value.items()]
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        return value
    if len(value) > _MAX_CODES:
        raise InputError(f"codes has {len(value):,} entries; at most {_MAX_CODES:,} are allowed")
    codes: dict[str, str] = {}
    for item in value:
        spelled, _, code = (part.strip() for part in item.partition("="))
        if not spelled or not code or len(code) > _MAX_CODE or not code.isprintable():
            raise InputError(
                f'codes has "{printable(item[:_MAX_CODE])}"; write each entry like deu_Latn=de, '
                f"with a code of at most {_MAX_CODE} characters"
            )
        language = languages.parse(spelled)
        if language in codes:
            raise InputError(f"codes names {language} twice; name each language once")
        codes[language] = code
    return tuple(f"{language}={code}" for language, code in codes.items())


@dataclass(frozen=True)
class LanguageCodes:
    """The codes that a translator takes.

    Attributes:
        by_language: Code by canonical code; empty where it takes BCP 47 tags.
    """

    by_language: dict[str, str]

    @classmethod
    def read(cls, entries: Sequence[str]) -> LanguageCodes:
        """Return the codes that entries of `parse_codes` state."""
        pairs = (entry.partition("=") for entry in entries)
        return cls({language: code for language, _, code in pairs})

    def code(self, language: str) -> str:
        """Return the code of a language.

        Raises:
            InputError: The codes do not have it.
        """
        if not self.by_language:
            return languages.to_bcp47(language)
        if language not in self.by_language:
            raise InputError(
                f"codes has no {language} ({languages.name(language)}), only "
                f"{', '.join(list(self.by_language)[:20])}; add {language}=CODE to --codes"
            )
        return self.by_language[language]

    def check(self, targets: Sequence[str]) -> None:
        """Refuse targets without a code, and two with the same.

        Raises:
            InputError: As above.
        """
        first: dict[str, str] = {}
        for target in targets:
            code = self.code(target)
            if code in first:
                raise InputError(
                    f'codes has "{code}" for {first[code]} and for {target}, so both would get '
                    "the same translations; give each its own code"
                )
            first[code] = target

    def facts(self) -> dict[str, str] | str:
        """Return the codes as the record of a corpus states them."""
        return dict(self.by_language) or "BCP 47"
