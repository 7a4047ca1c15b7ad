"""Toy data of a matrix, and its cells done in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.matrix import do_here, toy_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_data(tmp_path_factory.mktemp("matrix") / "data")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return do_here(monkeypatch)
