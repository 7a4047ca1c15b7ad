"""The page `docs/settings.md`, printed from the settings classes by `make docs`."""

from __future__ import annotations

import importlib
import sys
from typing import Any, get_args, get_type_hints

from hexapla.cli.app import COMMANDS
from hexapla.cli.from_settings import format_default
from hexapla.filters.filter_settings import FilterSettings
from hexapla.runs.settings import Setting, read_settings, walk_settings

_HEAD = """# Settings of all commands

Made by `make docs` from the settings classes; do not edit. A setting has one name: the flag
`--rows-per-step`, the recipe key `rows_per_step` and the field of the class are the same. A flag
that is on or off has a form that switches it off, `--no-resume`. Every command also takes
`--quiet` and `--debug`.
"""

_FILTERS = """## Filters

A file for `--filters` has a table for each filter to change, such as `[numbers]`; `numbers = false`
switches it off. The filters judge a cell in this order. All are on but `cosine`.
"""


def settings_page() -> str:
    """Return the page: for each command its summary, its class, and a table of its settings."""
    parts = [_HEAD]
    for name, about in COMMANDS.items():
        module = importlib.import_module(f"hexapla.cli.{about.module}")
        config_class = get_type_hints(getattr(module, about.function))["config"]
        shown = [each for each in walk_settings(config_class) if not each.flag.hidden]
        unique = {each.name: each for each in shown}.values()
        parts += [
            f"## hexapla {name}",
            f"{about.summary} Class `{config_class.__module__}.{config_class.__name__}`.",
            "| setting | value | default | |\n|---|---|---|---|\n"
            + "\n".join(_row(setting) for setting in unique),
            f"```\n{about.example}\n```",
        ]
    parts += _filters()
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _filters() -> list[str]:
    """Return the section of the filters, whose settings are the tables of a TOML file."""
    lines = []
    for name, kind in get_type_hints(FilterSettings).items():
        (chosen,) = (each for each in get_args(kind) if each is not type(None))
        about = chosen.__doc__.strip().splitlines()[0]
        lines.append(f"| `[{name}]` | | {_escape(about)} |")
        for setting in read_settings(chosen):
            default = f"`{format_default(setting)}`" if format_default(setting) else ""
            default = "required" if setting.required else default
            lines.append(f"| `{setting.name}` | {default} | {_escape(setting.help)} |")
    return [_FILTERS, "| filter or setting | default | |\n|---|---|---|\n" + "\n".join(lines)]


def _row(setting: Setting) -> str:
    flag = "--" + setting.name.replace("_", "-")
    name = f"`{setting.name.upper()}`" if setting.flag.positional else f"`{flag}`"
    default = f"`{format_default(setting)}`" if format_default(setting) else ""
    cells = (name, _allowed(setting), "required" if setting.required else default, setting.help)
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|")


def _allowed(setting: Setting) -> Any:
    if setting.kind is bool:
        return "on or off"
    return setting.flag.metavar or setting.allowed


if __name__ == "__main__":
    sys.stdout.write(settings_page())
