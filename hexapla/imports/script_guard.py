"""Texts of an import -> an error if a source's column is in another script than its code says.

A text is in another script if more than half of its letters are, without words that its pivot text
has too (names, code, untranslated strings). In Chinese it is so as well if it has more characters
of the other variant (Simplified, Traditional) than of its own. A column is refused if more than a
share of the texts that show a script are in another one and these are enough evidence: at least
`MIN_TEXTS` texts with `MIN_LETTERS` letters. Sources too small for that are judged together. Of a
column of a source, the first `N_CHECKED_ALL` texts are checked and then one in `CHECK_EVERY`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.text import languages as codes
from hexapla.text.han_variants import OTHER_VARIANT, count_variant_characters, only_in
from hexapla.text.scripts import letters_of, other_letters

MIN_TEXTS = 3
"""Texts in another script from which a column can be refused; fewer may be quotations."""
MIN_LETTERS = 10
"""Letters of all these texts; fewer may be formulas or units."""
N_CHECKED_ALL = 1000
"""Number of texts of each column of each source that are checked without sampling."""
CHECK_EVERY = 10
"""Of the texts after these, one in so many is checked, which is enough to find what most are in."""
_N_EXAMPLES = 3
_MAX_SHOWN = 60  # characters of an example
_ASCII_LETTER = re.compile("[A-Za-z]")
_VARIANT_NAMES = {"Hans": "Simplified Chinese", "Hant": "Traditional Chinese"}
# First words of Unicode's character names that are not the name of the script.
_SCRIPT_NAMES = {
    "Cjk": "Han",
    "Fullwidth": "Latin",
    "Halfwidth": "Kana",
    "Hiragana": "Kana",
    "Katakana": "Kana",
    "Meetei": "Meetei Mayek",
    "Ol": "Ol Chiki",
}


class _Foreign(NamedTuple):
    """The script that a text is in instead of its own, and the number of letters that show it."""

    script: str
    n_letters: int


@dataclass
class _Tally:
    """What the texts of a column are in."""

    n_seen: int = 0
    n_own: int = 0
    n_letters: int = 0  # of the texts in other scripts
    found: Counter[str] = field(default_factory=Counter)  # texts in each other script
    examples: list[str] = field(default_factory=list)

    def add(self, foreign: _Foreign, text: str) -> None:
        """Count a text in another script."""
        self.found[foreign.script] += 1
        self.n_letters += foreign.n_letters
        if len(self.examples) < _N_EXAMPLES:
            self.examples.append(text)

    def is_above(self, max_share: float) -> bool:
        """Return whether more than a share of the texts are in other scripts, on evidence."""
        n_other = self.found.total()
        is_enough = n_other >= MIN_TEXTS and self.n_letters >= MIN_LETTERS
        return is_enough and n_other > max_share * (self.n_own + n_other)


class ScriptGuard:
    """Counts, for each source and language, the texts that are in another script."""

    def __init__(self, max_share: float = 0.5) -> None:
        """Start without a text.

        Args:
            max_share: The share, from 0 to 1, of a column's texts that may be in other scripts.
        """
        self._max_share = max_share
        self._tallies: dict[str, dict[str, _Tally]] = {}
        self._pivot = ""

    def add(self, source_name: str, cells: Mapping[str, str], pivot: str) -> None:
        """Count the cells of one used unit.

        Args:
            source_name: The file or dataset that the unit is from.
            cells: Clean texts by canonical code.
            pivot: Canonical code of the pivot, which is among the cells.
        """
        self._pivot = pivot
        tallies = self._tallies.setdefault(source_name, {})
        for code, text in cells.items():
            tally = tallies.get(code)
            if tally is None:
                tally = tallies[code] = _Tally()
            tally.n_seen += 1
            if tally.n_seen > N_CHECKED_ALL and tally.n_seen % CHECK_EVERY:
                continue
            if code[-4:] == "Latn" and text.isascii():
                tally.n_own += _ASCII_LETTER.search(text) is not None
                continue
            found = _judge(text, code, "" if code == pivot else cells[pivot])
            if isinstance(found, _Foreign):
                tally.add(found, text)
            else:
                tally.n_own += found

    def check(self) -> None:
        """Refuse an import if too much of a column of a source is in another script.

        Raises:
            InputError: Names the source, the column, the counts and examples, and what to do.
        """
        for source_name, tallies in self._tallies.items():
            self._check_columns(source_name, tallies)
        together: dict[str, _Tally] = {}
        for tallies in self._tallies.values():
            for code, tally in tallies.items():
                together[code] = _join(together.get(code, _Tally()), tally)
        self._check_columns(f"{len(self._tallies)} sources together", together)

    def _check_columns(self, name: str, tallies: Mapping[str, _Tally]) -> None:
        for code, tally in tallies.items():
            if tally.is_above(self._max_share):
                raise InputError(_complaint(name, code, tally, is_pivot=code == self._pivot))


def _judge(text: str, code: str, source: str) -> _Foreign | bool:
    """Return what a text is in: another script, its own (True) or neither (False)."""
    runs = other_letters(code).findall(text)
    if runs:
        source = source.casefold()
        runs = [run for run in runs if run.casefold() not in source]
    n_foreign = sum(map(len, runs))
    if n_foreign > sum(map(len, letters_of(code).findall(text) if n_foreign else ())):
        return _Foreign(_most_frequent_script(runs), n_foreign)
    if code[-4:] in OTHER_VARIANT:
        return _judge_variant(text, code[-4:])
    return letters_of(code).search(text) is not None


def _judge_variant(text: str, script: str) -> _Foreign | bool:
    """Return which variant of Chinese a text is in; see `_judge`."""
    if not only_in()[OTHER_VARIANT[script]].search(text):
        return only_in()[script].search(text) is not None
    n_own, n_other = count_variant_characters(text, script)
    if n_other > n_own:
        return _Foreign(_VARIANT_NAMES[OTHER_VARIANT[script]], sum(map(str.isalpha, text)))
    return n_own > n_other


def _most_frequent_script(runs: Iterable[str]) -> str:
    """Return the name of the script that most letters are in."""
    scripts = Counter(_name_script(letter) for run in runs for letter in run)
    return scripts.most_common(1)[0][0]


@lru_cache(maxsize=4096)
def _name_script(letter: str) -> str:
    """Return the name of a letter's script, for people.

    >>> _name_script("д"), _name_script("国")
    ('Cyrillic', 'Han')
    """
    first = unicodedata.name(letter, "unknown").split()[0].title()
    return _SCRIPT_NAMES.get(first, first)


def _join(*tallies: _Tally) -> _Tally:
    """Return the tally of a language in several sources."""
    return _Tally(
        sum(tally.n_seen for tally in tallies),
        sum(tally.n_own for tally in tallies),
        sum(tally.n_letters for tally in tallies),
        sum((tally.found for tally in tallies), Counter()),
        [text for tally in tallies for text in tally.examples][:_N_EXAMPLES],
    )


def _complaint(source_name: str, code: str, tally: _Tally, is_pivot: bool) -> str:
    n_other = tally.found.total()
    scripts = tally.found.most_common()
    found = " or ".join(
        f"{script} ({n:,})" if len(scripts) > 1 else script for script, n in scripts
    )
    shown = ", ".join(f'"{_shorten(text)}"' for text in tally.examples)
    alike = _same_language(code, tally.examples[0])
    tag = f"use the tag {codes.to_bcp47(alike)} ({alike})" if alike else "correct the language tag"
    leave = "the file" if is_pivot else "the language"
    return (
        f"{source_name}: of {tally.n_own + n_other:,} texts checked in {code}, {n_other:,} are in "
        f"{found}, not in its script: {shown}; {tag}, leave {leave} out, "
        "or raise max_other_script (--max-other-script)"
    )


def _same_language(code: str, text: str) -> str | None:
    """Return the code of the same language in the script of a text, if the table has one."""
    for other in codes.LANGUAGES:
        if other[:3] == code[:3] and other != code and _judge(text, other, "") is True:
            return other
    return None


def _shorten(text: str) -> str:
    """Return a text in one line, cut to `_MAX_SHOWN` characters."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}…"
