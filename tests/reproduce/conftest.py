"""Toy data of a matrix, a matrix that is done, and the cells of others done in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hexapla.reproduce import reproduce
from tests.fixtures.matrix import do_here, one_thread, toy_config, toy_data, toy_recipe


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy corpora and encoders, not to be written to."""
    return toy_data(tmp_path_factory.mktemp("matrix") / "data")


@pytest.fixture(scope="session")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result folder of the toy recipe, not to be written to."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch, one_thread():
        labels = do_here(patch)
        outcome = reproduce(toy_config(toy_recipe(folder / "toy.toml"), data, folder / "out"))
    assert (outcome.n_cells, outcome.n_done, outcome.failures, outcome.lacking) == (3, 3, {}, {})
    assert labels == [
        *("one, base", "one, toy, en-x, rows, seed 0", "one, toy, multiway, rows, seed 0")
    ]
    return folder / "out"


@pytest.fixture
def out(done: Path, tmp_path: Path) -> Path:
    """A copy of the result folder of the toy recipe."""
    return shutil.copytree(done, tmp_path / "out")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return do_here(monkeypatch)
