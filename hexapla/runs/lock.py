"""The lock of an output folder: two runs never write to the same folder at once.

The lock belongs to the process, so that one which is killed leaves its folder free. It holds on one
machine; on a shared file system it holds as far as that one supports `flock`. Without `flock`,
`filelock` takes a file's existence for the lock. Its files are removed at the end of the run. A
process that has opened a removed lock notices that it has no name any more and starts over
(`filelock` looks at the number of links), so only one is ever inside.
"""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from hexapla.errors import InputError
from hexapla.runs.atomic import write_text
from hexapla.runs.foreign_files import is_hidden, remove_own
from hexapla.text.printable import printable

LOCK = ".lock"
HOLDER = ".lock-holder"  # a file of its own, since filelock may empty or remove the lock's
_RUN_FILE = "run.json"  # as in hexapla.runs.record, which asks for the lock
_MAX_TRIES = 1000  # to enter a folder that other runs make and remove; no path needs so many
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP}  # of a network file system without its lock service
_MAX_COMMAND = 200  # characters of the holder's command line that an error shows

_held: set[tuple[int, int]] = set()  # the locks of this process, by `_identity`


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and keep every other run on this machine out of it.

    The files of the lock are removed afterwards, and the folder too if nothing but what killed runs
    leave is in it.

    Raises:
        InputError: Another run holds the lock, whose process, start and command are named; or no
            folder can be made there, or its file system has no locks.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "out"
    >>> with locked(folder):
    ...     is_there = folder.is_dir()
    >>> is_there, folder.exists()
    (True, False)
    """
    lock = _acquire(folder)
    identity = _identity(folder)
    if identity is not None:
        _held.add(identity)
    try:
        yield
    finally:
        if identity is not None:
            _held.discard(identity)
        try:
            # Another run may have a lock of the same name if this folder was moved or replaced.
            if identity is not None and _identity(folder) == identity:
                _leave(folder)
        finally:
            lock.release()


def check_unlocked(folder: Path) -> None:
    """Refuse a folder whose lock another process holds; nothing is made or changed.

    Raises:
        InputError: Another run holds the lock.
    """
    identity = _identity(folder)
    if identity is None or identity in _held:
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(_refusal(folder)) from error
    except OSError:  # a folder that may not be written, which is told when it is
        return
    lock.release()


def clear_locked(folder: Path, own: Sequence[str] = ("*",)) -> list[Path]:
    """Remove everything from a locked folder but the lock.

    `run.json` goes last, since it says whose the rest is.

    Args:
        folder: The folder.
        own: Patterns of what may be removed, as in `hexapla.runs.foreign_files`; by default all.

    Returns:
        The foreign files that were kept, as paths from the folder.
    """
    return remove_own(folder, own, spared=(LOCK, HOLDER), last=_RUN_FILE)


def is_in_use(folder: Path) -> bool:
    """Return whether a folder holds anything but what locks and killed runs leave."""
    return any(not is_hidden(path.name) for path in folder.iterdir())


def _leave(folder: Path) -> None:
    """Remove the lock of a folder, and the folder if it is not in use; others may then enter."""
    if not is_in_use(folder):
        clear_locked(folder)
    (folder / HOLDER).unlink(missing_ok=True)
    (folder / LOCK).unlink(missing_ok=True)
    with suppress(OSError):  # it is in use, or another run has already entered
        folder.rmdir()


def _acquire(folder: Path) -> BaseFileLock:
    real = Path(os.path.realpath(folder))  # no folder can be made of a link to nothing
    for _ in range(_MAX_TRIES):
        lock = FileLock(folder / LOCK)
        try:
            real.mkdir(parents=True, exist_ok=True)
            _take(lock, folder)
            write_text(folder / HOLDER, _this_process())
            return lock
        except Timeout as error:
            if (folder / LOCK).exists():
                raise InputError(_refusal(folder)) from error
        except (FileNotFoundError, FileExistsError):  # the run before is removing its folder
            lock.release()
            if os.path.lexists(real) and not real.is_dir():
                break
        except BaseException:
            with suppress(OSError):
                if lock.is_locked:
                    _leave(folder)
                else:
                    folder.rmdir()  # made in vain; it stays if anything is in it
            lock.release()
            raise
    raise InputError(f"{folder}: no folder can be made here; give another output")


def _take(lock: BaseFileLock, folder: Path) -> None:
    try:
        lock.acquire(blocking=False)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        (folder / LOCK).unlink(missing_ok=True)  # made, and no other run can have locked it
        raise InputError(
            f"{folder}: its file system has no locks ({error.strerror}); have them switched on "
            "(flock), or give an output on another disk"
        ) from error


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what distinguishes the file of a folder's lock from others of its name."""
    try:
        status = (folder / LOCK).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _this_process() -> str:
    """Describe this process to whoever finds the folder locked."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    command = shlex.join(["hexapla" if program == "__main__.py" else program, *sys.argv[1:]])
    if len(command) > _MAX_COMMAND:
        command = f"{command[:_MAX_COMMAND]}…"
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {platform.node()}, since {since}: {printable(command)}"


def _refusal(folder: Path) -> str:
    return f"{folder}: another run is writing here ({_holder(folder)}); wait for it or stop it"


def _holder(folder: Path) -> str:
    try:
        return printable((folder / HOLDER).read_text(encoding="utf-8")).strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"
