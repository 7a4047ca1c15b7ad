"""What a disk that cannot be written makes libraries raise, and the one line that becomes of it."""

from __future__ import annotations

import errno
import re
import sqlite3
import threading
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.runs.disk_errors import disk_errors, find_disk_error, quiet_threads

# As these libraries raised it on a file system of 64 KiB.
FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError("1000000 requested and 8176 written"),
    OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
    RuntimeError("basic_ios::clear: iostream error"),
    RuntimeError("write(): fd 3 failed with No space left on device"),
    Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    sqlite3.OperationalError("database or disk is full"),
]


@pytest.mark.parametrize("error", FULL, ids=[str(error)[:30] for error in FULL])
def test_every_library_s_error_of_a_full_disk_becomes_the_same_line(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"^out: No space left on device; make room, then resume$"),
        disk_errors(Path("out"), "then resume"),
    ):
        raise error


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EROFS, "Read-only file system; give the right to use it, or another path"),
        (errno.EACCES, "Permission denied; give the right to use it, or another path"),
        (errno.EDQUOT, "Disk quota exceeded; make room, or have the quota raised"),
        (errno.EFBIG, r"File too large; have the limit on the size of files raised \(ulimit -f\)"),
        (errno.ENAMETOOLONG, "File name too long; give a shorter name"),
    ],
)
def test_the_line_names_the_file_and_what_helps(number: int, said: str) -> None:
    with pytest.raises(InputError, match=f"^deep/file: {said}"), disk_errors(Path("out")):
        raise OSError(number, "anything", "deep/file")


def test_the_cause_of_another_error_is_found() -> None:
    def savez() -> None:
        """Fail as NumPy does, whose archive cannot be closed any more."""
        try:
            raise OSError(errno.ENOSPC, "full", "x.npz")
        finally:
            raise ValueError("Can't close the ZIP file")

    with pytest.raises(InputError, match=r"^x\.npz: No space left"), disk_errors(Path("out")):
        savez()


def test_other_errors_pass_unchanged() -> None:
    for error in (FileNotFoundError(2, "none"), RuntimeError("a bug"), KeyError("a")):
        assert find_disk_error(error) is None
        with (
            pytest.raises(type(error), match=re.escape(str(error))) as caught,
            disk_errors(Path("out")),
        ):
            raise error
        assert caught.value is error
    with pytest.raises(InputError, match=r"^mine$"), disk_errors(Path("out")):
        raise InputError("mine")


@pytest.mark.parametrize(
    ("error", "is_printed"), [(OSError(errno.EFBIG, "File too large"), False), (ValueError(), True)]
)
def test_a_thread_prints_no_traceback_of_a_disk_error(monkeypatch, error, is_printed) -> None:
    printed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)

    def write() -> None:
        raise error

    with quiet_threads():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert bool(printed) == is_printed
    assert threading.excepthook == printed.append
