"""Which filters judge a cell, in which order and how strictly: a TOML file -> settings, checked key by key.

A file has a section per filter, whose keys are the filter's own; what it leaves out has its
default. `name = false` above the sections switches a filter off.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hexapla.errors import InputError, did_you_mean
from hexapla.filters.candidate import Filter
from hexapla.filters.content import LogProb, Numbers, Punctuation
from hexapla.filters.copies import Collapsed, Copy
from hexapla.filters.cosine import Cosine
from hexapla.filters.form import LengthRatio, Marks, Problem, Repetition
from hexapla.filters.language import LanguageIdentity, Script

DEFAULT, NONE = "default", "none"


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """The filters in the order in which they judge; None is off. The first that rejects a cell is the reason."""

    marks: Marks | None = field(default_factory=Marks)
    problem: Problem | None = field(default_factory=Problem)
    length_ratio: LengthRatio | None = field(default_factory=LengthRatio)
    repetition: Repetition | None = field(default_factory=Repetition)
    copy: Copy | None = field(default_factory=Copy)
    script: Script | None = field(default_factory=Script)
    language: LanguageIdentity | None = field(default_factory=LanguageIdentity)
    numbers: Numbers | None = field(default_factory=Numbers)
    punctuation: Punctuation | None = field(default_factory=Punctuation)
    log_prob: LogProb | None = field(default_factory=LogProb)
    collapsed: Collapsed | None = field(default_factory=Collapsed)
    cosine: Cosine | None = None

    def active(self) -> Iterator[tuple[str, Filter]]:
        """Yield the name and settings of each filter on characters that is on, in order; the cosine comes after."""
        for name in names():
            if (chosen := getattr(self, name)) is not None and not isinstance(chosen, Cosine):
                yield name, chosen

    def to_json(self) -> dict[str, Any]:
        """Return the settings of each filter, False for one that is off, as a manifest or run.json keeps them."""
        return {
            name: dataclasses.asdict(chosen)
            if (chosen := getattr(self, name)) is not None
            else False
            for name in names()
        }


def names() -> list[str]:
    """Return the names of all filters in order."""
    return [item.name for item in dataclasses.fields(FilterSettings)]


def read_filters(name: str | Path) -> FilterSettings:
    """Read the settings of the filters.

    Args:
        name: "default", "none" for no filter at all, or a TOML file.

    Raises:
        InputError: No such file, not TOML, an unknown filter or key (the nearest is named), a value
            of another type.
    """
    if str(name) == DEFAULT:
        return FilterSettings()
    if str(name) == NONE:
        return FilterSettings(**dict.fromkeys(names()))
    path = Path(name)
    if not path.is_file():
        hint = did_you_mean(str(name), [DEFAULT, NONE])
        raise InputError(
            f'{name}: no such file of filters; give a TOML file, "{DEFAULT}" or "{NONE}"{hint}'
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    chosen: dict[str, Any] = {}
    for key, value in content.items():
        if key not in names():
            allowed = ", ".join(names())
            raise InputError(
                f'{path}: unknown filter "{key}"; there are {allowed}{did_you_mean(key, names())}'
            )
        chosen[key] = _read_filter(path, key, value)
    return FilterSettings(**chosen)


_KINDS = {
    "marks": Marks,
    "problem": Problem,
    "length_ratio": LengthRatio,
    "repetition": Repetition,
    "copy": Copy,
    "script": Script,
    "language": LanguageIdentity,
    "numbers": Numbers,
    "punctuation": Punctuation,
    "log_prob": LogProb,
    "collapsed": Collapsed,
    "cosine": Cosine,
}


def _read_filter(path: Path, name: str, value: object) -> Filter | Cosine | None:
    """Make one filter of its section, or of false or true in its place."""
    if value is False:
        return None
    section = {} if value is True else value
    if not isinstance(section, dict):
        raise InputError(
            f"{path}: {name} is {value!r}; write {name} = false, or [{name}] and its keys beneath it"
        )
    fields = {item.name: item for item in dataclasses.fields(_KINDS[name])}
    for key, given in section.items():
        if key not in fields:
            allowed = f"; it may have {', '.join(fields)}" if fields else "; it has none"
            raise InputError(
                f'{path}: unknown key "{key}" in [{name}]{did_you_mean(key, fields)}{allowed}'
            )
        kind = str(fields[key].type)
        if not _fits(given, kind):
            allowed = {
                "int": "a whole number, 0 or more",
                "float": "a number, 0 or more",
                "str": "a text",
            }[kind]
            raise InputError(f"{path}: {key} in [{name}] is {given!r}; it must be {allowed}")
    for key, item in fields.items():
        if key not in section and item.default is dataclasses.MISSING:
            raise InputError(f"{path}: [{name}] has no {key}; it needs one")
    chosen: Filter | Cosine = _KINDS[name](**section)
    return chosen


def _fits(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return False
    if kind == "str":
        return isinstance(value, str)
    return isinstance(value, int if kind == "int" else int | float) and 0 <= value < float("inf")
