"""Ctrl-C, SIGTERM and SIGHUP: one line, a status of their own, and nothing left half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hexapla.cli import app
from hexapla.cli.app import main
from hexapla.cli.signals import interruptible
from hexapla.imports.join import RowJoin

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def in_fork(function: Callable[[], None]) -> int:
    """Call a function in a fork of this process, and return how it ended."""
    child = os.fork()
    if child == 0:
        try:
            function()
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("number", "status"), STATUSES.items())
def test_a_signal_cleans_up_and_is_told_in_one_line(
    number: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.tsv").write_text("eng_Latn\tdeu_Latn\none\teins\n")
    before = signal.getsignal(number)
    monkeypatch.setattr(RowJoin, "add", lambda *_: send(number))
    assert main(["import", str(tmp_path / "a.tsv"), "--out", str(tmp_path / "out")]) == status
    (line,) = capsys.readouterr().err.splitlines()
    how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
    assert line.startswith(f"hexapla: {how}; --resume continues align")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("makes_of_it", [SystemExit(0), ValueError("odd"), None])
def test_an_interruption_that_a_library_makes_something_else_of_is_still_told(
    makes_of_it: BaseException | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def swallowing(**_: object) -> int:
        try:
            send(signal.SIGTERM)
        except KeyboardInterrupt:
            if makes_of_it is not None:
                raise makes_of_it from None
        return 0

    monkeypatch.setattr(app, "app", swallowing)
    assert main([]) == 143
    assert capsys.readouterr().err.splitlines()[-1].startswith("hexapla: stopped by SIGTERM")


def test_only_a_second_ctrl_c_ends_the_cleanup() -> None:
    def cleaning() -> None:
        with interruptible():
            try:
                send(signal.SIGHUP)
            finally:
                send(signal.SIGHUP)
                send(signal.SIGTERM)
                send(signal.SIGINT)

    assert in_fork(cleaning) == 130


def test_an_ignored_signal_stays_ignored() -> None:
    def ignoring() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with interruptible() as interruption:
            send(signal.SIGHUP)
        os._exit(0 if interruption.number is None else 1)

    assert in_fork(ignoring) == 0


def test_an_interrupted_process_ends_after_what_libraries_do_at_exit() -> None:
    script = """
import atexit, os, sys
from hexapla import __main__
from hexapla.cli import app
class Slow:
    def __del__(self, write=os.write): write(1, b"unloaded")
def main():
    atexit.register(print, "cleaned up")
    sys.slow = Slow()
    return int(sys.argv[1])
app.main = main
__main__.entry()
"""
    for status, printed in ((143, "cleaned up\n"), (2, "cleaned up\nunloaded")):
        done = subprocess.run(
            [sys.executable, "-c", script, str(status)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (status, printed)


def test_ctrl_c_before_the_command_line_is_loaded_is_told_in_one_line() -> None:
    script = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from hexapla import __main__
__main__.entry()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "hexapla: interrupted\n")
