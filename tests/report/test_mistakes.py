"""A user's mistake in `compare` or `report` is answered before a heavy library is loaded."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.report import page, report
from hexapla.report.config import CompareConfig, ReportConfig
from tests.fixtures.score_folders import base_and_aligned

HEAVY = {"torch", "transformers", "altair", "vl_convert", "scipy", "sklearn"}


@pytest.mark.parametrize(
    "mistake",
    [
        "compare {base}",
        "compare {base} {base}",
        "compare {base} {aligned} --baseline multi-way",
        "compare {base} {aligned} --out {base}",
        "report {base} {aligned}",
        "report {base} {aligned} --out {out} --baseline multi-way",
        "report {base} {aligned} --out {base}",
        "report {base} {aligned} --out {out} --card {base}",
    ],
)
def test_a_mistake_is_reported_before_a_heavy_library_is_loaded(
    mistake: str, tmp_path: Path
) -> None:
    base, aligned = base_and_aligned(tmp_path)
    arguments = shlex.split(mistake.format(base=base, aligned=aligned, out=tmp_path / "out"))
    code = (
        "import json, sys\nfrom hexapla.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(json.dumps([status, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    status, modules = json.loads(done.stdout)
    assert status == 2 and done.stderr.count("\n") == 1
    assert HEAVY & set(modules) == set()
    assert not (tmp_path / "out").exists()


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
