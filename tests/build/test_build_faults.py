"""kill -9 at every step that touches the disk, and at random moments: what a resumed build leaves is the same to the byte.

Builds run in processes forked from one that has imported everything, so that a kill costs a tenth
of a second. A step is a flush, a rename or a removal; the process is killed before it or right
after it.
"""

from __future__ import annotations

import logging
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fixtures.builds import start_or_resume, toy_config, tree, write_text
from tests.fixtures.disk_steps import count_steps
from tests.fixtures.forks import exit_code_of, forks
from tests.fixtures.toy_translator import SlowTranslator

N_ROWS = 40  # two shards of 32 and 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tree of a build that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    write_text(folder, N_ROWS)
    _go_on(folder)
    return tree(folder)


def _go_on(folder: Path, **changes: Any) -> None:
    # Without the identity of languages, whose model takes longer to load than all the rest.
    filters = folder.parent / "filters.toml"
    filters.write_text("language = false\n")
    start_or_resume(toy_config(folder, filters=str(filters), **changes))


def _build(folder: Path, kill_at: int | None, changes: dict[str, Any]) -> None:
    """Build; die by SIGKILL at step `kill_at`, counted from 0, or write how many steps there were."""
    logging.disable()
    n_steps = count_steps(kill_at)
    _go_on(folder, **changes)
    (folder.parent / f"{folder.name}.steps").write_text(str(n_steps()))


def _run(folder: Path, kill_at: int | None = None, **changes: Any) -> int:
    return exit_code_of(_build, folder, kill_at, changes)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_text(folder, N_ROWS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stride", [16, pytest.param(1, marks=pytest.mark.fuzz)])
def test_a_kill_at_any_step_changes_nothing_in_the_end(
    tmp_path: Path, whole: dict[str, str], stride: int
) -> None:
    assert _run(_fresh(tmp_path / "count")) == 0
    assert tree(tmp_path / "count") == whole
    n_steps = int((tmp_path / "count.steps").read_text())
    assert n_steps > 80
    for step in range(0, n_steps, stride):
        folder = _fresh(tmp_path / "killed")
        assert _run(folder, kill_at=step) == -signal.SIGKILL
        assert _run(folder) == 0, f"step {step}"
        assert tree(folder) == whole, f"step {step}"


@pytest.mark.slow
@pytest.mark.parametrize("n_kills", [6, pytest.param(40, marks=pytest.mark.fuzz)])
def test_kills_at_random_moments_change_nothing_in_the_end(
    tmp_path: Path, whole: dict[str, str], n_kills: int
) -> None:
    draw = random.Random(0)
    n_killed = 0
    while n_killed < n_kills:
        folder = _fresh(tmp_path / "killed")
        process = forks().Process(target=_build, args=(folder, None, {}))
        process.start()
        time.sleep(draw.uniform(0.02, 0.3))
        process.kill()
        process.join()
        n_killed += process.exitcode == -signal.SIGKILL
        assert _run(folder) == 0
        assert tree(folder) == whole


@pytest.mark.slow
def test_a_killed_build_takes_its_processes_with_it(tmp_path: Path, whole: dict[str, str]) -> None:
    folder = _fresh(tmp_path / "killed")
    process = forks().Process(
        target=_build,
        args=(folder, None, {"workers": 2, "translator": SlowTranslator(seconds=2.0)}),
    )
    process.start()
    deadline = time.monotonic() + 60
    while len(workers := psutil.Process(process.pid).children(recursive=True)) < 2:
        assert process.is_alive() and time.monotonic() < deadline, "the workers do not start"
        time.sleep(0.05)
    process.kill()
    process.join()
    assert not psutil.wait_procs(workers, timeout=60)[1]
    assert _run(folder, workers=2) == 0
    assert tree(folder) == whole
