"""Names that no file could have are refused in one line, before a command does anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hexapla.cli.app import main
from tests.fixtures.score_folders import base_and_aligned

NAMED_BY_ENDING = ("mine", "score", "align-documents")
BYTES = os.fsdecode(b"x\xff")


@pytest.mark.parametrize(
    "command",
    [
        ["filter", "sample", "--out"],
        ["import", "nowhere.tsv", "--out"],
        ["align", "sample", "--encoder", "tiny", "--out"],
        ["evaluate", "tiny", "--suite", "bitext", "--data", "sample", "--out"],
        ["compare", "nowhere", "elsewhere", "--out"],
        ["report", "nowhere", "elsewhere", "--out"],
        ["reproduce", "mini", "--out"],
        ["mine", "a.txt", "b.txt", "--encoder", "tiny", "--out"],
        ["score", "a.tsv", "--encoder", "tiny", "--out"],
        ["align-documents", "a.txt", "b.txt", "--encoder", "tiny", "--out"],
        ["merge", "tiny", "nowhere", "--corpus", "sample", "--out"],
        ["trim", "tiny", "--languages", "en", "--corpus", "sample", "--out"],
        ["build", "a.txt", "--to", "de", "--translator", "nowhere", "--out"],
        ["fetch-data", "--suite", "quick", "--out"],
        ["fetch-encoder", "small", "--out"],
        ["demo", "--out"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (BYTES, "which is not UTF-8"),
        ("a\0b", "has a NUL character"),
        ("n" * 300, "a name of 300 bytes"),
        ("n" * 240, "a name of 240 bytes"),
        (f"{'ü' * 128}/out", "a name of 256 bytes"),
        (".", "does not end in a name"),
        ("..", "does not end in a name"),
        ("a/..", "does not end in a name"),
        ("/", "does not end in a name"),
        ("", "does not end in a name"),
    ],
)
def test_an_output_that_no_file_could_be_is_refused(
    command: list[str],
    name: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if command[0] in NAMED_BY_ENDING and len(name) > 4:
        name += ".tsv"
        told = told.replace("300", "304").replace("240", "244")
    assert main([*command, name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    # Others are refused for their ending, or may be this folder itself.
    if not (told.startswith("does not end") and command[0] in (*NAMED_BY_ENDING, "reproduce")):
        assert told in line
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("name", [BYTES, "n" * 300, "d/" * 3000], ids=["bytes", "name", "path"])
@pytest.mark.parametrize(
    "command",
    [
        ["inspect", "{}"],
        ["filter", "{}", "--out", "out"],
        ["import", "{}", "--out", "out"],
        ["align", "sample", "--encoder", "{}", "--out", "out"],
        ["compare", "{}", "other"],
    ],
    ids=lambda command: command[0],
)
def test_an_input_that_no_file_could_be_is_refused(
    command: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([part.replace("{}", name) for part in command]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_link_to_nothing_is_made_where_it_points(
    tmp_path: Path,
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "place")
    runs = [str(path) for path in base_and_aligned(tmp_path)]
    assert main(["compare", *runs, "--out", str(tmp_path / "link")]) == 0
    assert (tmp_path / "place" / "comparison.json").is_file()
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    "command",
    [
        ["filter", "sample", "--out", "loop"],
        ["score", "loop", "--encoder", "tiny", "--out", "out.tsv"],
        ["evaluate", "tiny", "--suite", "bitext", "--data", "loop", "--out", "out"],
    ],
    ids=lambda command: command[0],
)
def test_a_link_that_leads_back_to_itself_is_refused(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a link leads back to itself; give a file or folder" in line
    assert os.listdir(tmp_path) == ["loop"]
