"""A recipe: the settings of a stage as TOML, by name for those the package carries; checked key by key.

Settings come in this order, later over earlier: the defaults, the recipe, what was said on the
command line.
"""

from __future__ import annotations

import dataclasses
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from hexapla.errors import InputError, did_you_mean

Kind = Literal["recipes", "experiments"]


def carried_recipes(kind: Kind = "recipes") -> dict[str, Path]:
    """Return the recipes that the package carries, by name: of a stage, or of whole experiments."""
    folder = Path(str(resources.files("hexapla") / "data" / kind))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find_recipe(name: str | Path, kind: Kind = "recipes") -> Path:
    """Return the file of a recipe.

    Raises:
        InputError: There is none; the nearest name is told.
    """
    carried = carried_recipes(kind)
    path = carried.get(str(name), Path(name))
    if not path.is_file():
        allowed = ", ".join(carried)
        raise InputError(
            f"{name}: no such recipe; give a TOML file, or one of {allowed}{did_you_mean(str(name), carried)}"
        )
    return path


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises:
        InputError: It is none.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error


def read_recipe(name: str | Path, stage: str, config_class: type[Any]) -> dict[str, Any]:
    """Read the settings of one stage from a recipe.

    Args:
        name: the name of a recipe that the package carries, or a TOML file.
        stage: the table of the recipe, such as "align".
        config_class: the dataclass whose fields the keys must be.

    Returns:
        The keys of that table and their values; types are checked by the config class.

    Raises:
        InputError: no such recipe, not TOML, a table or key that nothing reads (the nearest is
            named).
    """
    path = find_recipe(name)
    content = read_toml(path)
    for table in content:
        if table != stage:
            raise InputError(
                f"{path}: unknown table [{table}]; a recipe has [{stage}]{did_you_mean(table, [stage])}"
            )
    settings = content.get(stage, {})
    if not isinstance(settings, dict):
        raise InputError(
            f"{path}: {stage} is no table; write [{stage}] and the settings beneath it"
        )
    allowed_keys = [field.name for field in dataclasses.fields(config_class)]
    for key in settings:
        if key not in allowed_keys:
            raise InputError(
                f'{path}: unknown key "{key}" in [{stage}]{did_you_mean(key, allowed_keys)}; '
                f"it may have {', '.join(allowed_keys)}"
            )
    return dict(settings)
