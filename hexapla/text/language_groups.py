"""Groups of languages under one name: the table `data/language_groups.tsv`, and scripts.

A group is a list of canonical codes in a fixed order. `script:Deva` is every language of FLORES-200
in that script. `docs/languages.md` has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes

SCRIPT = "script:"
"""Prefix of a group that is named by an ISO 15924 script."""


class LanguageGroup(NamedTuple):
    """A row of the table of groups.

    Attributes:
        name: What a user writes.
        about: What its languages have in common.
        languages: Canonical codes.
    """

    name: str
    about: str
    languages: tuple[str, ...]


@lru_cache(maxsize=1)
def language_groups() -> dict[str, LanguageGroup]:
    """Return the table of groups by name; it is read at first use."""
    from importlib import resources

    path = resources.files("hexapla").joinpath("data", "language_groups.tsv")
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return {name: LanguageGroup(name, about, tuple(of.split())) for name, about, of in rows}


def is_group(text: str) -> bool:
    """Return whether a text names a group and no language.

    >>> is_group("europe"), is_group("script:Latn"), is_group("deu_Latn")
    (True, True, False)
    """
    return text in language_groups() or text.startswith(SCRIPT)


def languages_of_group(name: str) -> tuple[str, ...]:
    """Return the codes of a group.

    >>> languages_of_group("script:Grek")
    ('ell_Grek',)

    Raises:
        InputError: No language of FLORES-200 has the script.
    """
    if name in language_groups():
        return language_groups()[name].languages
    by_script = _languages_by_script()
    script = name.removeprefix(SCRIPT)
    if script not in by_script:
        raise InputError(
            f'group "{name}" has no language; the scripts are {", ".join(sorted(by_script))}'
            f"{did_you_mean(script, by_script)}"
        )
    return by_script[script]


def parse_targets(given: Sequence[str]) -> tuple[str, ...]:
    """Return the canonical code of each language, and each group's name, in order.

    >>> parse_targets(["de", "paper-diverse"])
    ('deu_Latn', 'paper-diverse')

    Raises:
        InputError: A language is ambiguous, unknown or named twice, or a group is unknown.
    """
    items = [item.strip() for item in given]
    groups = dict.fromkeys(item for item in items if is_group(item))
    for group in groups:
        languages_of_group(group)
    single = [item for item in items if item not in groups]
    try:
        parsed = codes.parse_list(single, minimum=0 if groups else 1)
    except InputError as error:
        raise InputError(f"{error}{_group_hint(single)}") from None
    code_of = dict(zip(single, parsed, strict=True))
    return tuple(dict.fromkeys(code_of.get(item, item) for item in items))


def list_groups() -> str:
    """Return the names of all groups, for an error."""
    return f"{', '.join(language_groups())} or a script such as {SCRIPT}Latn"


def _group_hint(items: Sequence[str]) -> str:
    """Return a hint to groups where an item is neither a language nor a spelling of several."""
    distinct = dict.fromkeys(items)
    unknown = next((item for item in distinct if item and not codes.codes_of(item)), None)
    if unknown is None:
        return ""
    return f"{did_you_mean(unknown, language_groups())}; groups of languages: {list_groups()}"


@lru_cache(maxsize=1)
def _languages_by_script() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for code, language in codes.LANGUAGES.items():
        if language.in_flores:
            found.setdefault(language.script, []).append(code)
    return {script: tuple(of) for script, of in found.items()}
