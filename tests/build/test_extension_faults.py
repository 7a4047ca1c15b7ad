"""kill -9 at every step that touches the disk, while a corpus is extended in place: it is always the old one or the new one, and in the end the new one to the byte."""

from __future__ import annotations

import logging
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from hexapla.build import build
from hexapla.corpus.reader import open_corpus
from hexapla.runs import atomic
from tests.build.test_extension import extension_of, origin_in
from tests.fixtures.builds import tree
from tests.fixtures.disk_steps import count_steps
from tests.fixtures.forks import exit_code_of


def _extend(folder: Path, mode: dict[str, Any], kill_at: int | None, can_exchange: bool) -> None:
    """Do what a user does after a kill: go on with what is there, else start."""
    logging.disable()
    n_steps = count_steps(kill_at)
    if not can_exchange:
        atomic.exchange = lambda *_: False  # type: ignore[assignment]
    work = folder / "corpus.building"
    is_begun = work.is_dir() and any(not path.name.startswith(".") for path in work.iterdir())
    is_done = not is_begun and "extensions" in open_corpus(folder / "corpus").manifest
    how = {"resume": is_begun or is_done, "overwrite": not (is_begun or is_done)}
    build(extension_of(folder, out=folder / "corpus", rows_per_shard=40, **mode, **how), quiet=True)
    (folder.parent / f"{folder.name}.steps").write_text(str(n_steps()))


def _run(folder: Path, *given: Any) -> int:
    return exit_code_of(_extend, folder, *given)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    origin_in(folder)
    return folder


def _is_whole(folder: Path) -> bool:
    replaced = folder / "corpus.building" / "corpus.replaced"
    corpus = folder / "corpus" if (folder / "corpus").exists() else replaced
    open_corpus(corpus, verify=True)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("stride", [24, pytest.param(1, marks=pytest.mark.fuzz)])
@pytest.mark.parametrize(
    ("mode", "can_exchange"), [({"add": ("spa_Latn",)}, True), ({"top_up": True}, False)]
)
def test_a_kill_at_any_step_of_an_extension_in_place_loses_nothing(
    tmp_path: Path, mode: dict[str, Any], can_exchange: bool, stride: int
) -> None:
    assert _run(_fresh(tmp_path / "count"), mode, None, can_exchange) == 0
    whole = tree(tmp_path / "count")
    n_steps = int((tmp_path / "count.steps").read_text())
    assert n_steps > 50
    for step in range(n_steps - 1, -1, -stride):
        folder = _fresh(tmp_path / "killed")
        assert _run(folder, mode, step, can_exchange) == -signal.SIGKILL
        assert _is_whole(folder), f"step {step}"
        assert _run(folder, mode, None, can_exchange) == 0, f"step {step}"
        assert tree(folder) == whole, f"step {step}"
