"""The lock of an output folder: two runs never write to the same folder at once.

The lock belongs to the process, so that one which is killed leaves its folder free. It holds on one
machine; on a shared file system it holds as far as that one supports `flock`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hexapla.errors import InputError
from hexapla.runs.atomic import write_text
from hexapla.runs.record import RUN_FILE

LOCK = ".lock"
HOLDER = ".lock-holder"  # a file of its own, since filelock may empty or remove the lock's


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and keep every other run on this machine out of it.

    A folder in which nothing but the lock and other hidden files are left is removed afterwards.

    Raises:
        InputError: Another run holds the lock. Its process id is named.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "out"
    >>> with locked(folder):
    ...     is_there = folder.is_dir()
    >>> is_there, folder.exists()
    (True, False)
    """
    lock = _acquire(folder)
    try:
        yield
    finally:
        _remove_if_empty(folder)
        lock.release()


def clear_locked(folder: Path) -> None:
    """Remove everything from a locked folder but the lock.

    `run.json` goes last, since it says whose the rest is.
    """
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RUN_FILE):
        if path.name in (LOCK, HOLDER):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder with nothing but hidden files; the lock goes last, and others may enter."""
    if not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir()):
        return
    for path in sorted(folder.iterdir(), key=lambda path: path.name == LOCK):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    with suppress(OSError):  # another run has already entered
        folder.rmdir()


def _acquire(folder: Path) -> FileLock:
    while True:
        lock = FileLock(folder / LOCK)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
            write_text(folder / HOLDER, str(os.getpid()))
            return lock
        except Timeout as error:
            if (folder / LOCK).exists():
                raise InputError(
                    f"{folder}: another run is writing here (process {_holder(folder)}); "
                    "wait for it or stop it"
                ) from error
        except (FileNotFoundError, FileExistsError):  # the run before is removing its folder
            lock.release()
            if folder.exists() and not folder.is_dir():
                raise
        except BaseException:
            lock.release()
            raise


def is_in_use(folder: Path) -> bool:
    """Return whether a folder holds anything but the files of its lock."""
    return any(path.name not in (LOCK, HOLDER) for path in folder.iterdir())


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"
