"""The tables of a recipe in TOML: their keys and names checked, and a mistake told by its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hexapla.errors import InputError, did_you_mean
from hexapla.runs.schema import shown
from hexapla.runs.settings import check_values, walk_settings

DATA = "DATA/"
"""Start of a path in the folder of data that the caller names."""
_T = TypeVar("_T")


def place_data(value: Any, data: Path | None) -> Any:
    """Replace `DATA/` by the folder of data wherever a text begins with it.

    Raises:
        InputError: It occurs and no folder is given.
    """
    if isinstance(value, dict):
        return {key: place_data(each, data) for key, each in value.items()}
    if isinstance(value, list):
        return [place_data(each, data) for each in value]
    if isinstance(value, str) and (value.startswith(DATA) or value == DATA.rstrip("/")):
        if data is None:
            raise InputError(
                f'"{value}" lies in a folder of data that is not given; say where it is (--data)'
            )
        return str(data / value.removeprefix(DATA.rstrip("/")).lstrip("/"))
    return value


def named_tables(content: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the tables of a kind, such as "corpora", by their names.

    Raises:
        InputError: There is none, one is no table, or a name cannot be part of a folder's.
    """
    tables = as_table(kind, content.get(kind, {}))
    if not tables:
        raise InputError(f"no [{kind}.NAME]; a recipe has one or more")
    for name in tables:
        if not name or any(not (each.isalnum() or each in "-_+") for each in name):
            raise InputError(
                f'{kind}."{name}": a name consists of letters, digits and - _ +, since folders are '
                "named after it"
            )
    return {name: as_table(f"{kind}.{name}", table) for name, table in tables.items()}


def as_table(place: str, value: object) -> dict[str, Any]:
    """Return a value of a recipe that must be a table.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, dict):
        raise InputError(f"{place} is {shown(value)}; it must be a table, [{place}]")
    return value


def check_keys(place: str, table: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Refuse an unknown key.

    Raises:
        InputError: A key is unknown. The nearest known one is named.
    """
    known = list(allowed)
    for key in table:
        if key not in known:
            raise InputError(
                f'{place} has the unknown key "{key}"{did_you_mean(key, known)}; '
                f"it may have {', '.join(known)}"
            )


def check_settings(
    place: str, table: Mapping[str, Any], config_class: type[Any], allowed: Iterable[str]
) -> None:
    """Refuse an unknown key, and a value that its setting cannot have.

    Raises:
        InputError: See above. Settings are not checked against each other, as some may be missing.
    """
    check_keys(place, table, allowed)
    at(place, lambda: check_values(config_class, table))


def keys_of(config_class: type[Any], *, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the keys that a settings class has, those of nested classes beside the others."""
    left_out = set(without)
    names = (setting.name for setting in walk_settings(config_class))
    return tuple(dict.fromkeys(name for name in names if name not in left_out))


def at(place: str, make: Callable[[], _T]) -> _T:
    """Call a function, and put the place in the recipe before its complaint.

    Raises:
        InputError: The function raised one.
    """
    try:
        return make()
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
