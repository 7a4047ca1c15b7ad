"""A function that takes settings -> a command whose flags are the fields of the settings class.

A command is a function such as `align(config: AlignConfig) -> None`. Each field of the class, and
of classes nested in it, becomes a flag of the same name with the field's help, default and choices.
Values stay text until the class checks them, so a recipe and the command line obey the same rules.
Further parameters of the function are flags that Typer reads as usual.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer
from rich.markup import escape

from hexapla.cli.options import Debug, Quiet
from hexapla.cli.path_names import check_path_names, check_texts
from hexapla.runs.settings import SAFETY, Setting, make, parse_text, walk_settings

_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def from_settings(
    function: Callable[..., None], *, recipe: str | None = None
) -> Callable[..., None]:
    """Return a function for Typer with a flag for each setting.

    Args:
        function: Its parameter `config` is annotated with a settings class.
        recipe: The table of a recipe from which settings may come; the command gets --recipe.

    Returns:
        A function that makes the settings from what was given, the command line over the recipe
        over the defaults, and calls `function` with them.
    """
    hints = get_type_hints(function, include_extras=True)
    config_class = hints.pop("config")
    hints.pop("return", None)
    settings = {setting.name: setting for setting in walk_settings(config_class)}
    shown = [setting for setting in settings.values() if not setting.flag.hidden]

    def command(**values: Any) -> None:
        del values["debug"], values["quiet"]
        named = values.pop("recipe", None) if recipe else None
        more = {name: values.pop(name) for name in hints}
        switched_off = {name for name in settings if values.pop(_off(name), False)}
        given = {
            name: _value(settings[name], value)
            for name, value in values.items()
            if value is not None and value != []
        } | dict.fromkeys(switched_off, False)
        check_texts({**given, "recipe": named})
        if recipe and named:
            from hexapla.runs.recipe import read_recipe

            given = {**read_recipe(named, recipe, config_class), **given}
        config = make(config_class, given)
        check_path_names(config)
        function(config, **more)

    parameters = [
        *(_parameter(setting) for setting in _ordered(shown)),
        *(_off_switch(setting) for setting in shown if setting.default is False),
        *(
            parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(function).parameters.items()
            if name != "config"
        ),
        _keyword("debug", Debug, default=False),
        _keyword("quiet", Quiet, default=False),
    ]
    if recipe:
        text = (
            "TOML file, or a recipe of the package: paper or hexapla. Flags given here override it."
        )
        parameters.append(_keyword("recipe", Annotated[str | None, typer.Option(help=text)]))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__doc__ = function.__doc__
    return command


def _ordered(settings: list[Setting]) -> list[Setting]:
    """Return settings as help shows them: arguments, ungrouped flags, groups, safety last."""
    groups = dict.fromkeys(setting.flag.group for setting in settings)
    rank = {group: place for place, group in enumerate(groups)} | {SAFETY.group: len(groups)}
    return sorted(
        settings,
        key=lambda each: (
            not each.flag.positional,
            each.flag.group is not None,
            rank[each.flag.group],
        ),
    )


def _parameter(setting: Setting) -> inspect.Parameter:
    several = setting.is_list and (setting.flag.positional or setting.flag.repeated)
    kind: Any = bool if setting.kind is bool else list[str] if several else str
    text = escape(setting.help.replace("`", "")) + _default(setting)
    if setting.flag.positional:
        metavar = setting.flag.metavar or setting.name.upper()
        argument = typer.Argument(help=text, metavar=metavar, show_default=False)
        return inspect.Parameter(
            setting.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, argument]
        )
    name = "--" + setting.name.replace("_", "-")
    flags = (f"{name}/--no-{name[2:]}",) if setting.default is True else (name,)
    option = typer.Option(
        *flags,
        help=text,
        metavar=None if setting.kind is bool else _metavar(setting),
        rich_help_panel=setting.flag.group,
        show_default=False,
    )
    return _keyword(setting.name, Annotated[kind | None, option])


def _off_switch(setting: Setting) -> inspect.Parameter:
    """Return the hidden flag that undoes a recipe's `true`."""
    flag = f"--no-{setting.name.replace('_', '-')}"
    return _keyword(_off(setting.name), Annotated[bool, typer.Option(flag, hidden=True)], False)


def _off(name: str) -> str:
    return f"no_{name}"


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


def _metavar(setting: Setting) -> str:
    if setting.flag.metavar:
        return setting.flag.metavar
    return "|".join(setting.choices) or _METAVARS.get(setting.kind, "PATH")


def _default(setting: Setting) -> str:
    if setting.required:
        return "" if setting.flag.positional else " [red dim]\\[required][/]"
    shown = [f"default: {format_default(setting)}"] if format_default(setting) else []
    if setting.kind in (int, float):
        shown.insert(0, setting.allowed.split(" number ", 1)[-1].removeprefix("of "))
    return f" [dim]\\[{escape('; '.join(shown))}][/dim]" if shown else ""


def format_default(setting: Setting) -> str:
    """Return a default as help shows it, or nothing where the help describes the default."""
    if setting.default is None or setting.default is False or setting.default == ():
        return ""
    if setting.default is True:
        return "yes"
    return f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)


def _value(setting: Setting, given: Any) -> Any:
    if isinstance(given, bool):
        return given
    return tuple(given) if isinstance(given, list) else parse_text(setting, given)
