"""Names given on the command line -> a refusal of those that no file of a command could have."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hexapla.errors import InputError

# File systems allow a name of 255 bytes; a command writes beside its output under a longer name.
_MAX_BYTES = 255
_MAX_BYTES_OUT = 190


def check_path_names(config: Any) -> None:
    """Refuse names that are too long, and an output without a name.

    Raises:
        InputError: The setting is named, with what it may be.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            check_path_names(value)
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Path):
                _check_lengths(field.name, one, _MAX_BYTES)
        if field.name == "out" and isinstance(value, Path):
            _check_out(value)


def check_texts(given: Mapping[str, Any]) -> None:
    """Refuse values of flags that are not UTF-8 or have a NUL character.

    Records, cards and manifests could not name the first, and no file has the second in its name.

    Raises:
        InputError: The flag is named.
    """
    for setting, value in given.items():
        for text in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(text, str):
                continue
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InputError(
                    f"{setting} is {text}, which is not UTF-8; rename the file or folder, or run "
                    "with the locale that its name is written in"
                )
            if "\0" in text:
                raise InputError(
                    f"{setting} is {text!r}, which has a NUL character; no name and no text may "
                    "have one"
                )


def _check_lengths(setting: str, path: Path, most: int) -> None:
    for part in path.parts:
        if (length := len(os.fsencode(part))) > most:
            raise InputError(
                f"{setting} has a name of {length} bytes, {part[:40]}…; at most {most} are allowed"
            )


def _check_out(out: Path) -> None:
    if out.name in ("", ".."):
        raise InputError(
            f'out is "{out}", which does not end in a name; give the output a name, such as '
            f"{out / 'result'}"
        )
    _check_lengths("out", Path(out.name), _MAX_BYTES_OUT)
