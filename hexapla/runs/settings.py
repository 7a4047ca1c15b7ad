"""Settings said once: a class whose fields are the flags, the recipe keys and the reference page.

A stage's settings are a pydantic dataclass made by `settings`. A field has its type, its range and
its default where Python expects them, and its help as the text beneath it. Everything else reads
them from there: `hexapla.cli.from_settings` makes the flags, `hexapla.runs.recipe` checks recipes,
`docs/settings.md` is printed from them, and `explain` turns a mistake into one line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import annotated_types
import pydantic
from pydantic import BeforeValidator, ConfigDict, Field, Strict
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes

T = TypeVar("T")

_MAX_SHOWN = 200  # characters of a value in an error
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """How a field is shown and whether results depend on it; stands in the field's `Annotated`.

    Attributes:
        group: Heading of the flag in `--help`.
        positional: The field is an argument without a flag.
        repeated: The flag is given once for each value, instead of once with commas.
        metavar: What stands for the value in `--help`; made from the type if not given.
        hidden: The field has no flag; it is set from Python only.
        identity: Whether two runs that differ in this field alone are different runs.
    """

    group: str | None = None
    positional: bool = False
    repeated: bool = False
    metavar: str | None = None
    hidden: bool = False
    identity: bool = True


DATA = Flag(group="Data")
LOSS = Flag(group="Loss")
BUDGET = Flag(group="Budget")
SIZE = Flag(group="Size")
SAFETY = Flag(group="Safety", identity=False)

Name = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)
]
"""A name or path, kept as text: a corpus, an encoder; a `Path` is accepted."""

FilePath = Annotated[Path, Strict(False)]
"""A path; text is accepted and converted."""


def parse_languages(value: Any) -> Any:
    """Return canonical codes of languages; what cannot be a list of them is for pydantic to refuse.

    Raises:
        InputError: See `hexapla.text.languages.parse_list`.
    """
    if isinstance(value, list | tuple):
        value = tuple(value)
    is_list = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return codes.parse_list(value) if is_list or isinstance(value, str) else value


Languages = Annotated[tuple[str, ...], BeforeValidator(parse_languages), Flag(metavar="LANG,...")]
"""Language codes in any common spelling; one text with commas is accepted."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def settings(cls: type[T]) -> type[T]:
    """Make a class one of settings: frozen, keyword-only, every value checked by its type.

    Types are strict, so that a recipe's `"5"` is no number; an integer may stand for a float. What
    types cannot say goes into `__post_init__`, which raises `InputError`.

    >>> @settings
    ... class Walk:
    ...     steps: Annotated[int, Field(ge=1)] = 1
    ...     "Steps to take."
    >>> Walk(steps=2)
    Walk(steps=2)
    >>> Walk(steps=0)
    Traceback (most recent call last):
    hexapla.errors.InputError: steps is 0; it must be a whole number of 1 or more
    >>> Walk(stesp=1)
    Traceback (most recent call last):
    hexapla.errors.InputError: unknown setting "stesp"; did you mean "steps"?
    """
    config = ConfigDict(
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )
    made: type[T] = pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls)  # type: ignore[assignment]
    check: Any = made.__init__

    def __init__(self: T, *args: Any, **given: Any) -> None:
        try:
            check(self, *args, **given)
        except pydantic.ValidationError as error:
            raise InputError(explain(made, error)) from error

    __init__.__wrapped__ = check  # type: ignore[attr-defined]
    made.__init__ = __init__  # type: ignore[assignment, method-assign]
    return made


def identity(config: Any) -> dict[str, Any]:
    """Return the settings that results depend on, defaults written out."""
    own = {setting.name for setting in read_settings(type(config)) if setting.flag.identity}
    return {key: value for key, value in dataclasses.asdict(config).items() if key in own}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A field of a settings class, as help, errors and documentation show it.

    `kind` is its type without `None` and `Annotated`; `nested` the settings class that it holds.
    """

    name: str
    kind: Any
    optional: bool
    required: bool
    default: Any
    help: str
    flag: Flag
    constraints: tuple[Any, ...]
    nested: type[Any] | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that are allowed, of a literal or an enumeration; else none."""
        return _choices(self.kind)

    @property
    def is_list(self) -> bool:
        """Whether it holds several values."""
        return get_origin(self.kind) is tuple

    @property
    def allowed(self) -> str:
        """What it may be, to end "it must be" with."""
        if self.choices:
            *others, last = self.choices
            return f"{', '.join(others)} or {last}" if others else last
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        return f"{kind.get(self.kind, 'a path' if self.kind is Path else 'a list')}{_range(self)}"


def read_settings(config_class: type[Any]) -> list[Setting]:
    """Return the fields of a settings class, its own before inherited ones."""
    return list(_read_once(config_class))  # type: ignore[arg-type]  # a class is hashable


@cache
def _read_once(config_class: type[Any]) -> tuple[Setting, ...]:
    fields: dict[str, FieldInfo] = config_class.__pydantic_fields__
    bases: tuple[Any, ...] = config_class.__mro__
    # The class that declares a field; pydantic forgets the help of an inherited one.
    home = {
        name: next(base for base in bases if name in inspect.get_annotations(base))
        for name in fields
    }
    return tuple(
        _read_setting(name, fields[name], home[name].__pydantic_fields__[name].description)
        for name in sorted(fields, key=lambda name: bases.index(home[name]))
    )


def walk_settings(config_class: type[Any]) -> Iterator[Setting]:
    """Yield the fields of a settings class, and in place of a nested class that one's fields."""
    for setting in read_settings(config_class):
        if setting.nested is None:
            yield setting
        else:
            yield from walk_settings(setting.nested)


def make(config_class: type[T], given: Mapping[str, Any]) -> T:
    """Make settings from flat values: those of a nested class stand beside the others.

    Raises:
        InputError: A value is not allowed, a key is unknown, or a setting is missing.
    """
    known = {setting.name for setting in walk_settings(config_class)}
    for key in given:
        if key not in known:
            raise InputError(f'unknown setting "{key}"{did_you_mean(key, known)}')
    return _make(config_class, given)


def _make(config_class: type[T], given: Mapping[str, Any]) -> T:
    values = {}
    for setting in read_settings(config_class):
        if setting.nested is not None:
            values[setting.name] = _make(setting.nested, given)
        elif setting.name in given:
            values[setting.name] = given[setting.name]
    return config_class(**values)


def check_values(config_class: type[Any], given: Mapping[str, Any]) -> None:
    """Refuse flat values that settings cannot have, whatever the others are; some may be missing.

    Raises:
        InputError: A value is not allowed. A key that is unknown is ignored.
    """
    own = {}
    for setting in read_settings(config_class):
        if setting.nested is not None:
            check_values(setting.nested, given)
        elif setting.name in given:
            own[setting.name] = given[setting.name]
    try:
        config_class(**own)
    except InputError as error:
        if not isinstance(error.__cause__, pydantic.ValidationError):
            raise
        for complaint in error.__cause__.errors(include_url=False):
            if complaint["loc"] and complaint["loc"][0] in own:
                raise InputError(_explain_one(config_class, complaint)) from error


def parse_text(setting: Setting, text: str) -> Any:
    """Return the number that a command-line text stands for, or the text for the class to check."""
    # Python would also read digits of other scripts and "1_000".
    if setting.kind in (int, float) and _NUMBER.fullmatch(text.strip()):
        with contextlib.suppress(ValueError):  # 3.5 is no whole number, nor are 5,000 digits one
            number = setting.kind(text)
            if math.isfinite(number):
                return number
    return text


def explain(config_class: type[Any], error: pydantic.ValidationError) -> str:
    """Return pydantic's first complaint in one line: what was given, and what is allowed."""
    return _explain_one(config_class, error.errors(include_url=False)[0])


def _explain_one(config_class: type[Any], first: Any) -> str:
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return str(cause)
    known = {setting.name: setting for setting in read_settings(config_class)}
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "unexpected_keyword_argument":
        return f'unknown setting "{name}"{did_you_mean(name, known)}'
    if first["type"].startswith("missing"):
        setting = known[name]
        way = "" if setting.flag.positional else f" (--{name.replace('_', '-')})"
        return f"no {name.replace('_', ' ')}; give one{way}: {setting.help}"
    if cause is not None:
        return f"{name}: {cause}" if name else str(cause)
    if name not in known:
        return str(first["msg"])
    value, setting = first["input"], known[name]
    hint = did_you_mean(str(value), setting.choices) if setting.choices else ""
    inside = len(first["loc"]) > 1 and first["type"] == "string_type"
    allowed = "a text" if inside else setting.allowed
    return f"{'.'.join(map(str, first['loc']))} is {_shorten(value)}; it must be {allowed}{hint}"


def _shorten(value: object) -> str:
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"


def _read_setting(name: str, info: FieldInfo, description: str | None) -> Setting:
    kind, metadata, optional = _unwrap(info.annotation)
    metadata = (*info.metadata, *metadata)
    constraints = [
        item
        for part in metadata
        for item in (part.metadata if isinstance(part, FieldInfo) else [part])
        if isinstance(item, annotated_types.BaseMetadata)
    ]
    return Setting(
        name=name,
        kind=kind,
        optional=optional,
        required=info.is_required(),
        default=None if info.is_required() else info.get_default(call_default_factory=True),
        help=" ".join((description or "").split()),
        flag=_merged([item for item in metadata if isinstance(item, Flag)]),
        constraints=tuple(constraints),
        nested=_nested(kind),
    )


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Return a type without `Annotated` and `None`, the metadata in it, and whether `None` was."""
    metadata: tuple[Any, ...] = ()
    optional = False
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            metadata = (*metadata, *more)
        elif get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
            rest = [part for part in get_args(hint) if part is not type(None)]
            if len(rest) > 1:
                return Union[tuple(rest)], metadata, True  # noqa: UP007
            hint, optional = rest[0], True
        else:
            return hint, metadata, optional


def _merged(flags: list[Flag]) -> Flag:
    """Return one flag of several: what any of them says counts, the first before the others."""
    plain = Flag()
    chosen: dict[str, Any] = {}
    for flag in flags:
        for field in dataclasses.fields(Flag):
            value = getattr(flag, field.name)
            if value != getattr(plain, field.name):
                chosen.setdefault(field.name, value)
    return Flag(**chosen)


def _nested(kind: Any) -> type[Any] | None:
    candidates = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    found = [part for part in candidates if hasattr(part, "__pydantic_validator__")]
    return found[0] if found else None


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(str(choice) for choice in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return ()


def _range(setting: Setting) -> str:
    """Return the range of a number in words, such as " above 0 and at most 1"."""
    bounds: dict[Any, Any] = {type(item): item for item in setting.constraints}
    if length := bounds.get(annotated_types.MaxLen):
        return f" of at most {length.max_length:,} characters"
    least, above = bounds.get(annotated_types.Ge), bounds.get(annotated_types.Gt)
    most, below = bounds.get(annotated_types.Le), bounds.get(annotated_types.Lt)
    if least and most:
        return f" from {_shown(least.ge)} to {_shown(most.le)}"
    lower = (
        f"of {_shown(least.ge)} or more" if least else f"above {_shown(above.gt)}" if above else ""
    )
    upper = f"at most {_shown(most.le)}" if most else f"below {_shown(below.lt)}" if below else ""
    words = " and ".join(filter(None, [lower, upper]))
    return f" {words}" if words else ""


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.10g}"
