"""Room on the disk: what mining will write is compared with what is free, and then allocated.

A file that is mapped into memory must have its room before it is written. If the disk fills up
later, writing into the map ends the process (SIGBUS), and nothing can be said.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from hexapla.errors import InputError

_MIB = 2**20
# Reported by file systems that cannot allocate; glibc writes zeros on most of them by itself.
_UNABLE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


def check_room(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to start what the disk has no room for.

    Args:
        folder: A folder on the disk, which exists.
        n_bytes: What will be written.
        what: Whose room that is, such as "vectors and neighbours".

    Raises:
        InputError: Less is free. Both sizes are named.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise InputError(
            f"{folder}: {what} need {n_bytes / _MIB:,.1f} MiB and {free / _MIB:,.1f} MiB are free "
            "on that disk; make room, or give an output on another disk (--out)"
        )


def allocated(path: Path) -> int:
    """Return how many bytes of a file have their room on the disk; 0 if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return min(status.st_size, 512 * status.st_blocks)


def allocate(path: Path, n_bytes: int) -> None:
    """Make a file of a size, or complete one, so that all of it has its room on the disk.

    A file of another size is made anew. What a file of this size holds stays.

    Raises:
        OSError: There is no room. The file is then removed.
    """
    is_kept = path.is_file() and path.stat().st_size == n_bytes
    try:
        with path.open("r+b" if is_kept else "wb") as file:
            _fill(file.fileno(), n_bytes, has_content=is_kept)
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise


def _fill(descriptor: int, n_bytes: int, *, has_content: bool) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, n_bytes)
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
        else:
            return
    if has_content:
        return  # zeros would overwrite it
    for start in range(0, n_bytes, _MIB):
        os.pwrite(descriptor, bytes(min(_MIB, n_bytes - start)), start)
