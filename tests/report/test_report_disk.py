"""A disk that is full while a comparison is written leaves nothing of it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from hexapla.errors import InputError
from hexapla.report import stage
from hexapla.report.comparison import Comparison
from hexapla.report.config import CompareConfig
from hexapla.report.stage import hold_comparison, write_comparison


def test_half_of_a_comparison_is_not_left_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stage, "write_json", full)
    monkeypatch.setattr(stage, "comparison_to_markdown", lambda _: "a table")
    scores = (tmp_path / "one", tmp_path / "two")
    config = CompareConfig(scores=scores, out=tmp_path / "out")
    comparison = MagicMock(spec=Comparison)
    files = {"charts/gains.svg": "<svg/>", "summary.md": "one"}
    with (
        pytest.raises(InputError, match=r"out: No space left .*, then run the command again"),
        hold_comparison(config),
    ):
        write_comparison(comparison, config, files)
    assert list(tmp_path.iterdir()) == []
