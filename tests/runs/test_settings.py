"""Settings: strict types, one line for every mistake, and one place where a setting is stated."""

from __future__ import annotations

import importlib
import re
import typing
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, Strict

from hexapla.cli.app import COMMANDS
from hexapla.errors import InputError
from hexapla.runs.ranges import Share
from hexapla.runs.settings import (
    FilePath,
    Flag,
    Languages,
    Name,
    identity,
    make,
    read_settings,
    settings,
    walk_settings,
)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@settings
class Base:
    out: Annotated[FilePath, Flag(identity=False)]
    """Folder to write."""


@settings
class Toy(Base):
    """Settings of a toy."""

    corpus: Name
    """A corpus."""
    temperature: Annotated[float, Field(gt=0)] = 0.05
    """Divisor of cosines."""
    colour: Annotated[Colour, Strict(False)] = Colour.RED
    """A colour."""
    budget: Literal["rows", "encodings"] | None = None
    """A budget."""
    languages: Languages | None = None
    """Columns."""
    n_rows: Annotated[Annotated[int, Field(ge=1)] | None, Flag(group="Data")] = None
    """Rows."""
    held_out: Share = 0.0
    """Share of rows."""
    files: Annotated[tuple[str, ...], Strict(False)] = ()
    """Files."""
    resume: bool = False
    """Continue."""

    def __post_init__(self) -> None:
        """Refuse a number that brings bad luck."""
        if self.n_rows == 13:
            raise InputError("n_rows is 13; choose another")


@settings
class Outer:
    toy: Toy
    size: int = 1
    """A size."""


def toy(**values: Any) -> Toy:
    return Toy(**{"out": "out", "corpus": "sample", **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0}, "temperature is 0; it must be a number above 0"),
        ({"temperature": "1"}, 'temperature is "1"; it must be a number above 0'),
        ({"temperature": float("nan")}, "temperature is nan; it must be a number above 0"),
        ({"temperature": float("inf")}, "temperature is inf; it must be a number above 0"),
        ({"n_rows": 0}, "n_rows is 0; it must be a whole number of 1 or more"),
        ({"n_rows": 1.5}, "n_rows is 1.5; it must be a whole number of 1 or more"),
        ({"n_rows": True}, "n_rows is True; it must be a whole number of 1 or more"),
        ({"held_out": 1}, "held_out is 1; it must be a number of 0 or more and below 1"),
        ({"budget": "row"}, 'budget is "row"; it must be rows or encodings; did you mean "rows"?'),
        ({"colour": "gren"}, 'colour is "gren"; it must be red or green; did you mean "green"?'),
        ({"resume": "yes"}, 'resume is "yes"; it must be true or false'),
        ({"files": "a.txt"}, 'files is "a.txt"; it must be a list'),
        ({"out": 5}, "out is 5; it must be a path"),
        ({"corpus": 5}, "corpus is 5; it must be a text"),
        ({"languages": "en,zh"}, 'language "zh" is ambiguous'),
        ({"n_rows": 13}, "n_rows is 13; choose another"),
        ({"temprature": 1}, 'unknown setting "temprature"; did you mean "temperature"?'),
    ],
)
def test_every_mistake_is_one_line_that_says_what_is_allowed(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        toy(**values)


def test_a_missing_setting_is_asked_for_with_its_flag_and_its_help():
    with pytest.raises(InputError, match=re.escape("no corpus; give one (--corpus): A corpus.")):
        Toy(out=Path("out"))  # type: ignore[call-arg]


def test_values_are_brought_into_their_canonical_form():
    made = toy(languages=["en", "deu_Latn"], colour="green", temperature=1, files=["a"])
    assert made.languages == ("eng_Latn", "deu_Latn")
    assert made.colour is Colour.GREEN and made.files == ("a",)
    assert isinstance(made.temperature, float) and made.out == Path("out")
    assert toy(corpus=Path("a/b")).corpus == "a/b"


def test_a_changed_copy_is_checked_again():
    assert replace(toy(), temperature=2.0).temperature == 2
    with pytest.raises(InputError, match="n_rows is 13"):
        replace(toy(), n_rows=13)


def test_identity_leaves_out_what_results_do_not_depend_on():
    assert "out" not in identity(toy()) and identity(toy())["temperature"] == 0.05
    assert identity(toy()) == identity(toy(out="elsewhere")) != identity(toy(n_rows=3))


def test_a_field_is_read_with_its_help_wherever_it_is_declared():
    found = {setting.name: setting for setting in read_settings(Toy)}
    assert list(found)[-1] == "out"  # inherited fields come last
    assert found["out"].help == "Folder to write." and found["out"].required
    assert found["temperature"].default == 0.05
    assert found["temperature"].allowed == "a number above 0"
    assert found["n_rows"].optional and found["n_rows"].flag.group == "Data"
    assert found["colour"].choices == ("red", "green")


def test_nested_settings_stand_beside_the_others():
    assert [each.name for each in walk_settings(Outer)][-1] == "size"
    made = make(Outer, {"corpus": "sample", "out": "x", "size": 3, "temperature": 2.0})
    assert (made.size, made.toy.temperature, made.toy.out) == (3, 2.0, Path("x"))
    with pytest.raises(InputError, match='unknown setting "sise"; did you mean "size"'):
        make(Outer, {"corpus": "sample", "out": "x", "sise": 3})


def _config_class(command: str) -> type[Any]:
    about = COMMANDS[command]
    module = importlib.import_module(f"hexapla.cli.{about.module}")
    return typing.get_type_hints(getattr(module, about.function))["config"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_of_a_command_has_help(command):
    for setting in walk_settings(_config_class(command)):
        assert re.match(r'[A-Z"a-z].*[.)]$', setting.help), f"{setting.name}: {setting.help}"
