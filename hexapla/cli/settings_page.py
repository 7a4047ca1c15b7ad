"""The page `docs/settings.md`, printed from the settings classes by `make docs`."""

from __future__ import annotations

import importlib
import sys
from typing import Any, get_type_hints

from hexapla.cli.app import COMMANDS
from hexapla.cli.from_settings import format_default
from hexapla.runs.settings import Setting, walk_settings

_HEAD = """# Settings of all commands

Made by `make docs` from the settings classes; do not edit. A setting has one name: the flag
`--rows-per-step`, the recipe key `rows_per_step` and the field of the class are the same. A flag
that is on or off has a form that switches it off, `--no-resume`. Every command also takes
`--quiet` and `--debug`.
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
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _row(setting: Setting) -> str:
    flag = "--" + setting.name.replace("_", "-")
    name = f"`{setting.name.upper()}`" if setting.flag.positional else f"`{flag}`"
    default = f"`{format_default(setting)}`" if format_default(setting) else ""
    cells = (name, _allowed(setting), "required" if setting.required else default, setting.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _allowed(setting: Setting) -> Any:
    if setting.kind is bool:
        return "on or off"
    return setting.flag.metavar or setting.allowed


if __name__ == "__main__":
    sys.stdout.write(settings_page())
