"""A recipe: the settings of a command as TOML, in a file or in one of the package's own.

A recipe overrides the defaults, and the command line overrides the recipe.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from hexapla.errors import InputError, did_you_mean
from hexapla.runs.schema import check_content, read_text
from hexapla.runs.settings import check_values, walk_settings
from hexapla.text.special_files import refuse_special

Kind = Literal["recipes", "experiments"]


def carried_recipes(kind: Kind = "recipes") -> dict[str, Path]:
    """Return the package's recipes by name: those of commands, or those of whole experiments."""
    folder = Path(str(resources.files("hexapla") / "data" / kind))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find_recipe(name: str | Path, kind: Kind = "recipes") -> Path:
    """Return the file of a recipe.

    Raises:
        InputError: There is none; the nearest name is suggested.
    """
    carried = carried_recipes(kind)
    path = carried.get(str(name), Path(name))
    refuse_special(path)
    if not path.is_file():
        allowed, hint = ", ".join(carried), did_you_mean(str(name), carried)
        raise InputError(f"{name}: no such recipe; give a TOML file, or one of {allowed}{hint}")
    return path


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        InputError: The file cannot be read, is not TOML, is nested too deep, or holds an integer of
            more than 64 bits.
    """
    text = read_text(path)
    try:
        content: dict[str, Any] = check_content(tomllib.loads(text), finite=False)
    except RecursionError as error:
        raise InputError(f"{path}: not a TOML file: it is nested too deep") from error
    except ValueError as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    return content


def read_recipe(name: str | Path, stage: str, config_class: type[Any]) -> dict[str, Any]:
    """Read the settings of one command from a recipe.

    Args:
        name: Name of one of the package's recipes, or a TOML file.
        stage: The table of the recipe, such as "align".
        config_class: The settings class whose settings the keys must be.

    Returns:
        The keys and values of the table. The settings class checks the values against each other.

    Raises:
        InputError: There is no such recipe, it is not TOML, or it has an unknown table or key (the
            nearest known one is suggested), or a value that is not allowed.
    """
    path = find_recipe(name)
    content = read_toml(path)
    for table in content:
        if table != stage:
            hint = did_you_mean(table, [stage])
            raise InputError(f"{path}: unknown table [{table}]; a recipe has [{stage}]{hint}")
    settings = content.get(stage, {})
    if not isinstance(settings, dict):
        raise InputError(
            f"{path}: {stage} is not a table; write [{stage}] and the settings beneath it"
        )
    allowed_keys = [
        setting.name for setting in walk_settings(config_class) if not setting.flag.hidden
    ]
    for key in settings:
        if key not in allowed_keys:
            raise InputError(
                f'{path}: unknown key "{key}" in [{stage}]{did_you_mean(key, allowed_keys)}; '
                f"it may have {', '.join(allowed_keys)}"
            )
    try:
        check_values(config_class, settings)
    except InputError as error:
        raise InputError(f"{path}: [{stage}] {error}") from error
    return dict(settings)
