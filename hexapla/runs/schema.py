"""JSON files that commands leave -> their content, checked by a schema when they are opened.

A schema is a subclass of `Stored`. A file may have keys that its schema lacks, since another
version may have written them; those of the schema have the types and ranges that readers rely on,
and may be missing where the schema has a default. What is wrong becomes one line that names the
file, the key and the value.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, ConfigDict, Field

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes

MAX_MIB = 64
"""Size of the largest JSON or TOML file that is read; that of 300,000 shards has less."""
MAX_DEPTH = 64
"""Lists and objects within one another in such a file; what commands write has fewer than 10."""

_MAX_SHOWN = 60  # characters of a value in an error
_MAX_BITS = 64
_MAX_FOREIGN_BITS = 128  # transformers writes 10^30 for a tokenizer without a limit of length
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"


class Stored(pydantic.BaseModel):
    """What an object in a file must be: exact types, finite numbers, further keys allowed."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, defer_build=True)


OPTIONAL: Any = None
"""Default of a key that may be missing. Where it stands, it is null only if its type has `None`."""

Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]


def _check_file_name(name: str) -> str:
    parts = PurePosixPath(name).parts, PureWindowsPath(name).parts
    if parts != ((name,), (name,)) or name in (".", "..") or "\0" in name:
        raise ValueError("a file name without a folder")
    return name


def _check_relative(path: str) -> str:
    for parts in (PurePosixPath(path), PureWindowsPath(path)):
        if not parts.parts or parts.anchor or ".." in parts.parts or "\0" in path:
            raise ValueError("a path inside the folder")
    return path


def _check_language(code: str) -> str:
    if not codes.is_language(code):
        hint = did_you_mean(code, codes.LANGUAGES)
        raise ValueError(f"a language that this version knows, such as deu_Latn{hint}")
    return code


FileName = Annotated[str, AfterValidator(_check_file_name)]
"""Name of a file that lies beside the one that names it."""

RelativePath = Annotated[str, AfterValidator(_check_relative)]
"""Path of a file in the folder of the one that names it."""

LanguageCode = Annotated[str, AfterValidator(_check_language)]
"""Canonical code of a language."""


def read_object(path: Path, schema: type[Stored], advice: str = "") -> dict[str, Any]:
    """Read a file that holds one JSON object, and check it.

    Args:
        path: The file.
        schema: What the object must be; `Stored` itself for any object.
        advice: What to do about a damaged file, to end the error with.

    Raises:
        InputError: The file cannot be read, is larger than `MAX_MIB`, is not JSON, or does not fit.
    """
    text = read_text(path)
    try:
        return check_object(parse_json(text), schema)
    except ValueError as error:
        raise InputError(damage_message(path, error, advice)) from error


def read_foreign(path: Path) -> Any:
    """Read a JSON file that another program wrote.

    It may repeat a key, or hold numbers that are not finite and integers of up to 128 bits, as far
    as that program reads it.

    Raises:
        InputError: The file cannot be read, is larger than `MAX_MIB`, or is not JSON.
    """
    text = read_text(path)
    try:
        content = _loads(text, max_bits=_MAX_FOREIGN_BITS)
        return check_content(content, finite=False, max_bits=_MAX_FOREIGN_BITS)
    except ValueError as error:
        raise InputError(damage_message(path, error)) from error


def damage_message(path: Path | str, reason: object, advice: str = "") -> str:
    """Return the message for a file that cannot be used as it is."""
    return f"{path} is damaged: {reason}{advice and f'; {advice}'}"


def read_text(path: Path) -> str:
    """Read a small text file: UTF-8, with or without a byte order mark.

    Raises:
        InputError: The file is missing, is no regular file, cannot be read, is larger than
            `MAX_MIB`, or is not UTF-8.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path} is missing or is no file")
        if (size := path.stat().st_size) > MAX_MIB * 2**20:
            raise InputError(
                f"{path} has {size / 2**20:,.0f} MiB; such a file has at most {MAX_MIB} MiB"
            )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(damage_message(path, f"it is not UTF-8 ({error})")) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def parse_json(text: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        ValueError: It is not JSON, it repeats a key, or its content cannot be; see `check_content`.
    """
    return check_content(_loads(text, object_pairs_hook=unique_keys))


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, of whose equal keys all values but the last would be lost.

    Raises:
        ValueError: Two keys are equal.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {shown(keys.most_common(1)[0][0])} occurs twice")
    return found


def check_content(content: Any, *, finite: bool = True, max_bits: int = _MAX_BITS) -> Any:
    """Return what was parsed from JSON or TOML, if all of it can be copied, counted and written.

    Args:
        content: Lists and objects, within one another.
        finite: Refuse NaN and infinite numbers.
        max_bits: Bits of the largest integer.

    Raises:
        ValueError: It is nested deeper than `MAX_DEPTH`, has a larger integer, or a text with half
            a surrogate pair.
    """
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value
                below += value.values()
            elif isinstance(value, list):
                below += value
            else:
                _check_value(value, finite=finite, max_bits=max_bits)
        level = below
        if not level:
            return content
    raise ValueError(_TOO_DEEP)


def check_object(content: Any, schema: type[Stored]) -> dict[str, Any]:
    """Return parsed JSON if it is an object of a schema, as it is.

    Raises:
        ValueError: It is not, in words that say which key, what it is and what it must be.
    """
    if not isinstance(content, dict):
        raise ValueError(f"it is {shown(content)}; it must be an object, {{...}}")
    try:
        schema.model_validate(content)
    except pydantic.ValidationError as error:
        raise ValueError(_explain(error)) from error
    return content


def shown(value: object) -> str:
    """Return a value as an error shows it: as JSON, shortened.

    >>> shown(None), shown("x" * 100)[-5:]
    ('null', 'xxxx…')
    """
    text = json.dumps(value, default=str)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _explain(error: pydantic.ValidationError) -> str:
    """Return pydantic's first complaint in one line."""
    first = error.errors(include_url=False)[0]
    place = _key_path(first["loc"])
    if first["type"] == "missing":
        *outer, key = first["loc"]
        return f"{_key_path(outer) or 'it'} has no {key}"
    return f"{place or 'it'} is {shown(first['input'])}; it must be {_allowed(first)}"


def _key_path(keys: Iterable[int | str]) -> str:
    """Return where a value stands.

    >>> _key_path(["shards", 0, "file"])
    'shards[0].file'
    """
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return path.removeprefix(".")


_KINDS = {
    "dict_type": "an object, {...}",
    "model_type": "an object, {...}",
    "list_type": "a list, [...]",
    "string_type": "a text",
    "string_unicode": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "none_required": "null",
}
_RANGES = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "at most {}"),
    "less_than": ("lt", "below {}"),
    "literal_error": ("expected", "{}"),
    "string_too_short": ("min_length", "a text of {} characters or more"),
    "too_short": ("min_length", "a list of {} or more"),
}


def _allowed(complaint: Any) -> str:
    kind, context = complaint["type"], complaint.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in _RANGES:
        key, words = _RANGES[kind]
        return words.format(context[key])
    if kind == "string_pattern_mismatch":
        return "64 hexadecimal digits" if "{64}" in context["pattern"] else context["pattern"]
    return str(context.get("error", complaint["msg"]))


def _loads(text: str, *, max_bits: int = _MAX_BITS, **hooks: Any) -> Any:
    try:
        return json.loads(text, **hooks)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from error
    except ValueError as error:
        reason = _too_long(max_bits) if "digits" in str(error) else str(error)
        raise ValueError(reason) from error


def _too_long(max_bits: int) -> str:
    return f"it holds an integer of more than {max_bits} bits"


def _check_value(value: Any, *, finite: bool, max_bits: int) -> None:
    if isinstance(value, str):
        if not value.isascii():
            _check_letters(value)
    elif isinstance(value, int):
        if value.bit_length() > max_bits:
            raise ValueError(_too_long(max_bits))
    elif isinstance(value, float) and finite and not math.isfinite(value):
        raise ValueError(f"it holds {json.dumps(value)}, which is not a finite number")


def _check_letters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{shown(text)} is no text: it has half a surrogate pair") from error
