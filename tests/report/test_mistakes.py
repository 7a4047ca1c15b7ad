"""A user's mistake in `compare` or `report` is answered before a heavy library is loaded."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.report import page, report
from hexapla.report.config import CompareConfig, ReportConfig
from tests.fixtures.light_process import Answer, answers
from tests.fixtures.score_folders import base_and_aligned

MISTAKES = (
    "compare {base} {base}",
    "compare {base} {aligned} --baseline multi-way",
    "compare {base} {aligned} --out {base}",
    "report {base} {aligned}",
    "report {base} {aligned} --out out --baseline multi-way",
    "report {base} {aligned} --out {base}",
    "report {base} {aligned} --out out --card {base}",
)


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("mistakes")
    base, aligned = base_and_aligned(folder)
    commands = {line: shlex.split(line.format(base=base, aligned=aligned)) for line in MISTAKES}
    return answers(commands, folder)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_before_a_heavy_library_is_loaded(
    light: dict[str, Answer], mistake: str
) -> None:
    answer = light[mistake]
    assert (answer.status, answer.err.count("\n"), answer.heavy) == (2, 1, [])
    assert "out" not in answer.left


def test_a_missing_library_is_named_with_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = CompareConfig(scores=base_and_aligned(tmp_path), out=tmp_path / "out")
    monkeypatch.setattr(page, "find_spec", {"altair": "there"}.get)
    with pytest.raises(InputError, match=r"library jinja2; .*pip install 'hexapla\[report\]'"):
        report(ReportConfig(compare=compared))
    assert not (tmp_path / "out").exists()


def test_a_report_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder for the report; give one \(--out\)"):
        ReportConfig(compare=CompareConfig(scores=base_and_aligned(tmp_path)))
