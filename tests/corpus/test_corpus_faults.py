"""A writer that fails or is killed: the final name holds the old corpus, the new one, or nothing.

A failure other than a kill always leaves one of the two corpora and nothing beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError

LANGUAGES = ("eng_Latn", "deu_Latn", "nob_Latn")
ROWS: list[dict[str, object]] = [{code: f"{code} {i}" for code in LANGUAGES} for i in range(5)]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


STEPS = (
    (Path, "mkdir"),
    (pq.ParquetWriter, "write_batch"),
    (pq.ParquetWriter, "close"),
    (Path, "write_text"),
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
)
"""Every call by which the writer changes the disk, except for what removes files."""
N_STEPS = 20
"""Such calls that the writing of two shards takes at least, until the new corpus has its name."""


def before_each(patch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], None]) -> None:
    """Let `owner.name` call `act` and then do its work."""
    step = getattr(owner, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        act()
        return step(*args, **kwargs)

    patch.setattr(owner, name, run)


def test_a_failure_at_any_step_leaves_the_old_corpus_or_the_new_and_nothing_beside(
    tmp_path: Path,
) -> None:
    def write(rows: Sequence[dict[str, object]]) -> None:
        write_corpus(rows, tmp_path / "out", languages=LANGUAGES, rows_per_shard=1, overwrite=True)

    write(ROWS[:2])
    new = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    write(ROWS[2:4])
    old = tree(tmp_path / "out")
    outcomes = []
    for n_done in range(100):
        n_steps = 0

        def fail(n_done: int = n_done) -> None:
            nonlocal n_steps
            n_steps += 1
            if n_steps == n_done + 1:
                raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in STEPS:
                before_each(patch, owner, name, fail)
            try:
                write(ROWS[:2])
            except (OSError, InputError) as error:
                assert "No space left on device" in str(error)
            else:
                break
        assert names(tmp_path) == ["out"], n_done
        assert tree(tmp_path / "out") in (old, new), n_done
        outcomes.append(tree(tmp_path / "out") == new)
        shutil.rmtree(tmp_path / "out")
        write(ROWS[2:4])
    # The new corpus gets its name by the last steps, which nothing takes back.
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) >= N_STEPS and outcomes[-1]


def test_everything_is_on_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[int] = set()
    events: list[tuple[set[int], set[int]]] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(handle: int) -> None:
        fsync(handle)
        flushed.add(os.fstat(handle).st_ino)

    def note_rename(source: Path, target: Path) -> None:
        events.append(({path.stat().st_ino for path in [source, *source.iterdir()]}, set(flushed)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    corpus = write_corpus(ROWS, tmp_path / "out", languages=LANGUAGES, rows_per_shard=2)
    ((renamed, before),) = events
    assert len(renamed) == 1 + len(names(corpus.path))
    assert renamed <= before
    assert tmp_path.stat().st_ino in flushed - before


KILLER = """
import os, shutil, signal, sys
from pathlib import Path
import pytest
from hexapla.corpus import write_corpus
from tests.corpus.test_corpus_faults import STEPS, before_each, tree

root, overwrite = Path(sys.argv[1]), sys.argv[2] == "overwrite"
codes = ("eng_Latn", "deu_Latn")
new_rows, old_rows = ([{code: f"{code} {i}" for code in codes} for i in numbers] for numbers in ((0, 1), (2,)))
out = root / "out"


def killed(rows, n_steps):
    'Write in a child process that is killed before step n_steps + 1; return whether it was.'
    child = os.fork()
    if child == 0:
        left = [n_steps]

        def kill():
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        for owner, name in (*STEPS, (shutil, "rmtree")):
            before_each(pytest.MonkeyPatch(), owner, name, kill)
        write_corpus(rows, out, languages=codes, rows_per_shard=1, overwrite=overwrite)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status not in (0, signal.SIGKILL):
        sys.exit(f"the child ended with {status}")
    return status != 0


write_corpus(new_rows, out, languages=codes, rows_per_shard=1)
new, old = tree(out), None
shutil.rmtree(out)
if overwrite:
    write_corpus(old_rows, out, languages=codes)
    old = tree(out)
    shutil.copytree(out, root / "backup")
states = []
while killed(new_rows, len(states)):
    state = tree(out) if out.exists() else None
    states.append("none" if state is None else "old" if state == old else "new" if state == new else "bad")
    shutil.rmtree(out, ignore_errors=True)
    if overwrite:
        shutil.copytree(root / "backup", out)
print(*states, "new" if tree(out) == new else "bad")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    ("mode", "orders"),
    [
        ("fresh", [["none", "new"]]),
        # The second where the file system cannot exchange two names in one step.
        ("overwrite", [["old", "new"], ["old", "none", "new"]]),
    ],
)
def test_a_kill_before_any_step_leaves_the_old_corpus_the_new_or_nothing(
    tmp_path: Path, mode: str, orders: list[list[str]]
) -> None:
    # The last state is that after a process which was not killed: what the killed ones left behind
    # does not disturb it, and is removed.
    command = [sys.executable, "-c", KILLER, str(tmp_path), mode]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    states = run.stdout.split()
    assert [state for state, _ in groupby(states)] in orders
    assert len(states) > N_STEPS
    assert mode == "fresh" or states.count("none") <= 1
    assert set(names(tmp_path)) <= {"out", "backup"}
    assert len(open_corpus(tmp_path / "out")) == 2
