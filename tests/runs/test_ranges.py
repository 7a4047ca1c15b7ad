"""Numbers as text: which are read, and ranges that several settings share."""

from __future__ import annotations

import os
from typing import Annotated

import pytest
from pydantic import Field

from hexapla.errors import InputError
from hexapla.runs.config import MAX_WORKERS_PER_CORE, ClusterSettings
from hexapla.runs.ranges import MAX_SEED, Seed
from hexapla.runs.settings import make, parse_text, settings, walk_settings


@settings
class Numbers:
    seed: Seed = 0
    """A seed."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """A number."""
    note: Annotated[str, Field(max_length=5)] = ""
    """A text."""


def read(name: str, text: str) -> object:
    setting = next(each for each in walk_settings(Numbers) if each.name == name)
    return getattr(make(Numbers, {name: parse_text(setting, text)}), name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", " 7 ", 7),
        ("seed", "+7", 7),
        ("seed", "-0", 0),
        ("seed", str(MAX_SEED), 2**32 - 1),
        ("share", "1e-3", 0.001),
        ("share", ".5", 0.5),
        ("share", "1.", 1.0),
        ("share", "-0.0", 0.0),
    ],
)
def test_numbers_are_read(name, text, value):
    assert read(name, text) == value


@pytest.mark.parametrize(
    "text", ["", " ", "1_0", "１２", "٣", "½", "0x1", "1e", "1,5", "nan", "inf", "-inf", "1e400"]
)
@pytest.mark.parametrize("name", ["seed", "share"])
def test_what_only_python_or_nobody_takes_for_a_number_is_refused(name, text):
    with pytest.raises(InputError, match=f"{name} is .*; it must be a (whole )?number from 0 to"):
        read(name, text)


@pytest.mark.parametrize("text", ["-1", "4294967296", "9" * 5000, "-" + "9" * 5000, "1.5", "2.0"])
def test_a_seed_that_a_library_would_refuse_is_refused(text):
    with pytest.raises(
        InputError, match="it must be a whole number from 0 to 4,294,967,295"
    ) as refused:
        read("seed", text)
    assert len(str(refused.value)) < 400


def test_a_text_that_is_too_long_is_refused_with_its_limit():
    with pytest.raises(InputError, match='note is "xxxxxx"; it must be a text of at most 5 char'):
        Numbers(note="x" * 6)


def test_more_processes_than_a_machine_can_run_are_refused():
    n_cores = os.cpu_count() or 1
    most = MAX_WORKERS_PER_CORE * n_cores
    assert ClusterSettings(workers=most).workers == most
    with pytest.raises(InputError, match=f"workers is {most + 1:,} on a machine of {n_cores} core"):
        ClusterSettings(workers=most + 1)
    assert ClusterSettings(workers=most + 1, executor="ray").workers == most + 1
