"""Hostile values for every setting of every command: the work begins, or one line says why not."""

from __future__ import annotations

import io
import shutil
import sys
import time
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest

from hexapla.cli.app import COMMANDS, main
from tests.fixtures.hostile_settings import (
    Inputs,
    arguments,
    draw_cases,
    draw_pairs,
    every_case,
    make_inputs,
    replace_work,
    settings_of,
)

MAX_LINE = 1000  # characters
MAX_SECONDS = 5.0  # of CPU, for a value of a million entries; most take milliseconds


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def try_command(inputs, monkeypatch, capsys, tmp_path):
    """Return a function that runs a command with hostile settings and says what is wrong with it."""
    replace_work(monkeypatch)
    here = tmp_path / "a" / "b"  # outputs such as ".." and "nowhere" stay below tmp_path
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))

    def run(command: str, changed: Mapping[str, str]) -> str | None:
        # pytest's own standard input is no file, and a source may be "-".
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        started = time.process_time()
        status = main(arguments(inputs, command, changed))
        seconds = time.process_time() - started
        error = capsys.readouterr().err
        for folder in (inputs.outputs, here):
            empty(folder)
        return complaint(status, error, seconds)

    return run


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def complaint(status: int, error: str, seconds: float) -> str | None:
    """Return what is wrong with the end of a command, or None."""
    lines = error.splitlines()
    if status not in (0, 2):
        return f"exit {status}: {error[-300:]}"
    if "Traceback" in error:
        return "a traceback"
    if status == 2 and not lines:
        return "no line"
    if status == 2 and (len(lines) > 1 or len(lines[0]) > MAX_LINE):
        return f"{len(lines)} lines of {len(error)} characters: {error[:300]}"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in "".join(lines)):
        return f"not printable: {error[:300]!r}"
    return f"{seconds:.1f} s" if seconds > MAX_SECONDS else None


def failures(try_command, cases) -> list[str]:
    return [
        f"{command} { ({name: value[:60] for name, value in changed.items()}) }: {wrong}"
        for command, changed in cases
        if (wrong := try_command(command, changed)) is not None
    ]


def test_the_commands_reach_their_work_with_the_inputs_of_these_tests(
    inputs, monkeypatch, capsys, tmp_path
):
    replace_work(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        status = main(arguments(inputs, command, {}))
        error = capsys.readouterr().err
        assert (status == 0) or error == "hexapla: the work begins\n", (command, error)
        empty(inputs.outputs)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_a_command_has_a_range(command):
    for setting in settings_of(command).values():
        if setting.kind in (int, float):
            bounds = {type(item).__name__ for item in setting.constraints}
            assert bounds & {"Ge", "Gt"} and bounds & {"Le", "Lt"}, setting.name


@pytest.mark.slow
def test_a_hostile_value_of_each_setting_is_refused_in_one_line_or_works(try_command):
    assert failures(try_command, draw_cases(seed=0, n_values=2)) == []


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_hostile_value_of_every_setting_is_refused_in_one_line_or_works(try_command, command):
    assert failures(try_command, every_case(command)) == []


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_hostile_values_of_two_settings_are_refused_in_one_line_or_work(try_command, seed):
    assert failures(try_command, draw_pairs(seed=seed, n_pairs=200)) == []
