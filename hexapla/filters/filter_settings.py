"""Which filters judge a cell, in which order and how strictly, read from a TOML file.

The file has a section for each filter. Its keys are the fields of the filter's settings class, and
a key that is left out has its default. `name = false` above the sections switches a filter off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hexapla.encoder.check_encoder import check_encoder
from hexapla.errors import InputError, did_you_mean
from hexapla.filters.candidate import Filter
from hexapla.filters.content import LogProb, Numbers, Punctuation
from hexapla.filters.copies import Collapsed, Copy
from hexapla.filters.cosine import Cosine
from hexapla.filters.form import LengthRatio, Marks, Problem, Repetition
from hexapla.filters.han_variant import HanVariant
from hexapla.filters.language import LanguageIdentity, Script
from hexapla.runs.recipe import read_toml
from hexapla.runs.settings import read_settings, settings
from hexapla.text.special_files import refuse_special

DEFAULT, NONE = "default", "none"
_LIBRARIES = {"copy": "rapidfuzz", "language": "py3langid"}  # of filters that need one


@settings
class FilterSettings:
    """The filters in the order in which they judge a cell; None means off.

    The first filter that rejects a cell is the reason.
    """

    marks: Marks | None = Marks()
    problem: Problem | None = Problem()
    length_ratio: LengthRatio | None = LengthRatio()
    repetition: Repetition | None = Repetition()
    copy: Copy | None = Copy()
    script: Script | None = Script()
    han_variant: HanVariant | None = HanVariant()
    language: LanguageIdentity | None = LanguageIdentity()
    numbers: Numbers | None = Numbers()
    punctuation: Punctuation | None = Punctuation()
    log_prob: LogProb | None = LogProb()
    collapsed: Collapsed | None = Collapsed()
    cosine: Cosine | None = None

    def active(self) -> Iterator[tuple[str, Filter]]:
        """Yield name and settings of each filter that is on, in order.

        The cosine is left out: it judges whole batches, after the others.
        """
        for name in filter_names():
            if (chosen := getattr(self, name)) is not None and not isinstance(chosen, Cosine):
                yield name, chosen

    def check_available(self) -> None:
        """Refuse filters whose library or encoder is not there, before any cell is judged.

        Raises:
            InputError: A library is not installed (the command that installs it is named), or the
                encoder of the cosine cannot be used.
        """
        for name, library in _LIBRARIES.items():
            if getattr(self, name) is not None and not _is_installed(library):
                raise InputError(
                    f"the filter {name} needs the library {library}; install it with: "
                    "pip install 'hexapla[translate]', or switch the filter off with "
                    f"{name} = false in a file of filters"
                )
        if self.cosine is not None:
            check_encoder(self.cosine.encoder, has_pooling=self.cosine.pooling is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the settings of each filter, False if it is off, as corpora record them."""
        return {
            name: dataclasses.asdict(chosen)
            if (chosen := getattr(self, name)) is not None
            else False
            for name in filter_names()
        }


def filter_names() -> list[str]:
    """Return the names of all filters in order."""
    return [item.name for item in dataclasses.fields(FilterSettings)]


def read_filters(name: str | Path) -> FilterSettings:
    """Read the settings of the filters.

    Args:
        name: "default", "none" for no filter, or a TOML file.

    Raises:
        InputError: There is no such file, it is not TOML, a filter or key is unknown (the nearest
            is named), or a value is not allowed.
    """
    if str(name) == DEFAULT:
        return FilterSettings()
    if str(name) == NONE:
        return FilterSettings(**dict.fromkeys(filter_names()))
    path = Path(name)
    refuse_special(path)
    if not path.is_file():
        hint = did_you_mean(str(name), [DEFAULT, NONE])
        raise InputError(
            f'{name}: no such file of filters; give a TOML file, "{DEFAULT}" or "{NONE}"{hint}'
        )
    content = read_toml(path)
    chosen: dict[str, Any] = {key: _read_filter(path, key, content[key]) for key in content}
    return FilterSettings(**chosen)


def _read_filter(path: Path, name: str, value: object) -> Filter | Cosine | None:
    """Return one filter, given its section, or true or false in place of one."""
    kinds = {each.name: each.kind for each in read_settings(FilterSettings)}
    if name not in kinds:
        raise InputError(
            f'{path}: unknown filter "{name}"; there are {", ".join(kinds)}'
            f"{did_you_mean(name, kinds)}"
        )
    if value is False:
        return None
    section = {} if value is True else value
    if not isinstance(section, dict):
        raise InputError(
            f"{path}: {name} is {value!r}; write {name} = false, or [{name}] and its keys below it"
        )
    keys = {each.name: each.required for each in read_settings(kinds[name])}
    for key in section:
        if key not in keys:
            allowed = f"it may have {', '.join(keys)}" if keys else "it has none"
            raise InputError(
                f'{path}: unknown key "{key}" in [{name}]{did_you_mean(key, keys)}; {allowed}'
            )
    for key, is_required in keys.items():
        if is_required and key not in section:
            raise InputError(f"{path}: [{name}] has no {key}; it needs one")
    try:
        chosen: Filter | Cosine = kinds[name](**section)
    except InputError as error:
        raise InputError(f"{path}: [{name}] {error}") from error
    return chosen


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ValueError:  # a module without a spec, as when an import of it was blocked
        return False
