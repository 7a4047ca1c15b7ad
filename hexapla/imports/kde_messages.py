"""Messages of KDE 3, whose contexts and plural forms stand within the texts -> plain messages."""

from __future__ import annotations

import re

_CONTEXT = re.compile(r"_:[^\n]*\n")
_PLURAL = re.compile(r"_n:[ \n]*")


def kde_message(original: str, translation: str) -> tuple[list[str], list[str]]:
    r"""Return the forms of the original and those of its translation, without KDE's prefixes.

    `_: context` and a line end begin a text that has a context; `_n: ` begins a singular and a
    plural, one a line. Both prefixes are for the program and are never shown. Any other message has
    one form on either side.

    >>> kde_message("_: a verb\nOpen", "Öffnen")
    (['Open'], ['Öffnen'])
    >>> kde_message("_n: 1 file\n%n files", "1 Datei\n%n Dateien")
    (['1 file', '%n files'], ['1 Datei', '%n Dateien'])
    """
    original = _without(_CONTEXT, original)
    translation = _without(_CONTEXT, translation)
    if not _PLURAL.match(original):
        return [original], [translation]
    forms = _without(_PLURAL, original).split("\n", 1)
    return forms, _without(_PLURAL, translation).split("\n")


def _without(prefix: re.Pattern[str], text: str) -> str:
    found = prefix.match(text)
    return text[found.end() :] if found else text
