"""The lock of a folder, between real processes: one holds it, the others are refused at once.

Pinned here: the holder is named; a killed holder leaves the folder free; an empty folder is
removed; of several processes that lock and remove the same folder, only one is inside at a time.
"""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import platform
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.runs.lock import clear_locked, locked

CONTEXT = multiprocessing.get_context("spawn")


def _hold(folder: Path, pipe: Connection) -> None:
    with locked(folder):
        pipe.send(os.getpid())
        pipe.recv()


@contextmanager
def holder(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder in another process, whose id is given."""
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_hold, args=(folder, there))
    process.start()
    there.close()
    try:
        yield here.recv()
    finally:
        here.close()  # the process sees the end of the pipe and stops
        process.join()


def test_a_second_run_is_refused_at_once_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with holder(folder) as process_id:
        for _ in range(2):
            told = (
                rf"another run .* \(process {process_id} on {re.escape(platform.node())}, "
                r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: .+\)"
            )
            with pytest.raises(InputError, match=told), locked(folder):
                pass
        assert folder.is_dir(), "a refused run removes nothing"
    with locked(folder):
        pass


def test_a_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with holder(folder) as process_id:
        (folder / "work").write_text("")
        os.kill(process_id, signal.SIGKILL)
        os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)
        with locked(folder):
            assert (folder / "work").exists()
    assert folder.is_dir()


def test_the_folder_of_a_run_that_failed_is_kept_and_free_again(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"), locked(tmp_path / "out"):
            (tmp_path / "out" / "part").write_text("")
            raise RuntimeError("broken")
    assert (tmp_path / "out" / "part").exists()


def test_the_lock_leaves_no_file_in_a_folder_that_has_others(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with locked(folder):
        (folder / "work").write_text("")
        (folder / ".notes").write_text("")
    assert sorted(path.name for path in folder.iterdir()) == [".notes", "work"]


def test_a_folder_with_a_hidden_file_of_the_users_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".out.0a.partial").mkdir()
    with locked(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".git", ".out.0a.partial"]


def test_a_run_whose_folder_was_moved_leaves_the_lock_of_its_successor(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    moved = locked(folder)
    moved.__enter__()
    folder.rename(tmp_path / "elsewhere")
    with holder(folder) as process_id:
        moved.__exit__(None, None, None)
        with pytest.raises(InputError, match=f"process {process_id}"), locked(folder):
            pass


def test_clearing_keeps_the_lock_and_what_is_not_ours(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with locked(folder):
        for name in ("run.json", "notes.txt"):
            (folder / name).write_text("")
        assert clear_locked(folder, ["run.json"]) == [Path("notes.txt")]
        with pytest.raises(InputError, match="another run"), locked(folder):
            pass
        assert clear_locked(folder) == []
    assert not folder.exists()


def test_a_lock_on_a_removed_folder_keeps_nobody_out(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with holder(folder):
        folder.rename(tmp_path / "elsewhere")
        with locked(folder):
            assert folder.is_dir()
    assert not folder.exists()


def _enter(folder: Path, inside: Path, n_times: int) -> None:
    for _ in range(n_times):
        while True:
            try:
                with locked(folder):
                    inside.mkdir()  # fails if another process is inside too
                    inside.rmdir()
                break
            except InputError:
                continue


@pytest.mark.slow
def test_processes_that_make_and_remove_the_folder_are_inside_one_at_a_time(
    tmp_path: Path,
) -> None:
    processes = [
        CONTEXT.Process(target=_enter, args=(tmp_path / "out", tmp_path / "inside", 100))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not (tmp_path / "out").exists()


def test_a_link_to_nothing_is_made_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    with locked(tmp_path / "out"):
        assert (tmp_path / "disk" / "out").is_dir()
    assert (tmp_path / "out").is_symlink() and list((tmp_path / "out").iterdir()) == []


def test_a_path_at_which_no_folder_can_be_made_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "loop", tmp_path / "file", Path("/proc/out")):
        with pytest.raises(InputError, match="no folder can be made here"), locked(folder):
            pass


@pytest.fixture
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", no_locks)


@pytest.mark.parametrize("without_locks", [errno.ENOSYS], indirect=True)
@pytest.mark.filterwarnings("ignore:flock not supported")
@pytest.mark.usefixtures("without_locks")
def test_where_flock_does_not_exist_the_file_alone_is_the_lock(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "out"),
        pytest.raises(InputError, match="another run"),
        locked(tmp_path / "out"),
    ):
        pass
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("without_locks", [errno.ENOLCK, errno.EOPNOTSUPP], indirect=True)
@pytest.mark.usefixtures("without_locks")
def test_a_file_system_whose_locks_fail_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"out: its file system has no locks .*; have them"),
        locked(tmp_path / "out"),
    ):
        pass
    assert not (tmp_path / "out").exists()
