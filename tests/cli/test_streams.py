"""Standard output and error that are closed, full, unread or of another encoding; names that would move the cursor."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.cli.streams import PrintableFormatter, standard_streams
from hexapla.errors import InputError
from tests.fixtures.hostile_texts import HOSTILE, harmful
from tests.fixtures.score_folders import base_and_aligned

COMMANDS = (["inspect", "sample"], ["--help"], ["align", "--help"], ["--version"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_away_ends_the_command_quietly(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(command) == 141
        assert sys.stdout is stream
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("buffering", [1, -1])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_behind_standard_output_is_named(
    command: list[str],
    buffering: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with open("/dev/full", "w", buffering=buffering) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(command) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("hexapla: standard output cannot be written: No space left on device")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_an_encoding_lacks_is_shown_as_an_escape(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="ascii"))
    assert main(command) == 0
    assert content.getvalue().isascii() and content.getvalue()


def test_closed_streams_get_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["inspect", "sample"]) == 0
    assert main(["inspect", "nowhere"]) == 2
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


def test_an_error_in_a_file_is_not_taken_for_one_of_standard_output() -> None:
    with pytest.raises(OSError, match="No space left"), standard_streams():
        raise OSError(28, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "status"), [(">&-", 0), ("<&- >&- 2>&-", 0), ("2>&-", 0), (">/dev/full", 2)]
)
def test_a_process_with_closed_streams_ends_in_order(redirection: str, status: int) -> None:
    command = f"{sys.executable} -m hexapla inspect sample {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr.count("\n") == (status == 2)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_name_in_an_error_moves_the_cursor(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "\0" in text or "\ud800" in text:
        pytest.skip("no argument of a process holds it")
    assert main(["inspect", f"no/{text}"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert len(printed.err) < 4000 and not harmful(printed.err.rstrip("\n"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_name_in_the_log_moves_the_cursor_or_begins_a_line(text: str) -> None:
    record = logging.LogRecord("hexapla.x", logging.INFO, "", 0, "read %s", (text,), None)
    line = PrintableFormatter("%(message)s").format(record)
    assert not harmful(line)
    try:
        raise InputError(text)
    except InputError:
        record.exc_info = sys.exc_info()
    shown = PrintableFormatter("%(message)s").format(record)
    assert not harmful(shown.replace("\n", "")) and "Traceback" in shown


def test_a_traceback_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "inspect", "no/\x1b[2J"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown and "\\x1b[2J" in shown and not harmful(shown.replace("\n", ""))


def test_what_a_path_ends_in_is_printed_without_its_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--quiet", "filter", "sample", "--filters", "none", "--out", f"{tmp_path}/a\x1b[2J"])
        == 0
    )
    printed = capsys.readouterr().out
    assert "a\\x1b[2J: 319 rows" in printed.replace("\n", "") and "\x1b" not in printed


def test_a_broken_pipe_of_a_stage_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("hexapla.corpus.inspect.inspect_corpus", broken)
    assert main(["inspect", "sample"]) == 1
    assert "BrokenPipeError" in capsys.readouterr().err


def test_a_comparison_into_a_closed_pipe_leaves_it_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    runs = [str(path) for path in base_and_aligned(tmp_path)]
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["compare", *runs, "--out", str(tmp_path / "out")]) == 141
    assert (tmp_path / "out" / "comparison.json").is_file()
