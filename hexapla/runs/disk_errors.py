"""A disk that is full, read-only or forbidden, said in one line.

Libraries report it in many ways: safetensors and tokenizers as text with the system's number,
PyTorch as a RuntimeError without it, NumPy as an OSError without it, SQLite in its own words.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hexapla.errors import InputError

_ROOM = "make room"
_RIGHT = "give the right to use it, or another path"
_NAME = "give a shorter name"
_DISK = "check that disk, and the limit on the size of files (ulimit -f)"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: f"{_ROOM}, or have the quota raised",
    errno.EFBIG: "have the limit on the size of files raised (ulimit -f)",
    errno.EROFS: _RIGHT,
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.ENAMETOOLONG: _NAME,
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ENOTCONN: _DISK,
    errno.EMFILE: "have the limit on open files raised (ulimit -n)",
    errno.ENFILE: "close other programs, which have too many files open",
}
# As Rust, Arrow and C++ end their messages, and as NumPy, PyTorch and SQLite word them.
_NUMBER = re.compile(r"\((?:os error|errno) (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
_WORDS = (
    (re.compile(r"No space left on device"), errno.ENOSPC),
    (re.compile(r"^\d+ requested and \d+ written$"), errno.ENOSPC),
    (re.compile(r"inline_container\.cc.*(unexpected pos|write failed)", re.DOTALL), errno.ENOSPC),
    (re.compile(r"^basic_ios::clear: iostream error$"), errno.ENOSPC),
    (re.compile(r"^database or disk is full$"), errno.ENOSPC),
    (re.compile(r"^disk I/O error$"), errno.EIO),
    (re.compile(r"^attempt to write a readonly database$"), errno.EROFS),
)


_log = logging.getLogger(__name__)

AGAIN = "then run the command again"
"""How a command goes on after a disk error if nothing was kept."""


@contextmanager
def disk_errors(out: Path, advice: str = AGAIN) -> Iterator[None]:
    """Turn what a full, read-only or forbidden disk raises into one line.

    Args:
        out: The output, named if the error itself names no file.
        advice: How to go on once the disk can be written, and what was kept, to end the line with.

    Raises:
        InputError: The disk cannot be written.

    >>> with disk_errors(Path("out")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    ...
    hexapla.errors.InputError: out: No space left on device; make room, then run the command again
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = find_disk_error(error)
        if found is None:
            raise
        number = found.errno or errno.EIO
        raise InputError(
            f"{found.filename or out}: {os.strerror(number)}; {_REMEDIES[number]}, {advice}"
        ) from error


def find_disk_error(error: BaseException) -> OSError | None:
    """Return the error of a disk that an exception is, or was raised because of; None if none is.

    Its `filename` is the file if it is known.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if (number := _number_of(cause)) in _REMEDIES:
            named = getattr(cause, "filename", None)
            name = os.fspath(named) if isinstance(named, str | os.PathLike) else None
            return OSError(number, os.strerror(number), name)
        cause = cause.__cause__ if cause.__suppress_context__ else cause.__context__
    return None


def _number_of(error: BaseException) -> int | None:
    """Return the system's number of an error, as the error has it, or as its text tells it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    text = str(error)
    if found := _NUMBER.search(text):
        return int(found[1] or found[2])
    return next((number for pattern, number in _WORDS if pattern.search(text)), None)


@contextmanager
def quiet_threads() -> Iterator[None]:
    """Print no traceback when a library's thread meets a disk error.

    Such a thread, as TensorBoard's, hands the error on to the main thread, which says it in one
    line.
    """
    before = threading.excepthook

    def report(thread: threading.ExceptHookArgs) -> None:
        error = thread.exc_value
        if isinstance(error, Exception) and find_disk_error(error) is not None:
            _log.debug("a thread ended", exc_info=error)
        else:
            before(thread)

    threading.excepthook = report
    try:
        yield
    finally:
        threading.excepthook = before
