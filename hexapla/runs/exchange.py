"""Exchanging two names of one file system in a single step, where the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # of Linux, linux/fs.h
_RENAME_SWAP = 2  # of macOS, sys/stdio.h
_UNABLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def exchange(one: Path, other: Path) -> bool:
    """Exchange two files or folders, so that at no time either name is absent.

    Returns:
        False if the kernel or the file system cannot; then nothing has happened.

    Raises:
        OSError: One is absent, they lie on two file systems, or it is forbidden.
    """
    names = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        call = getattr(library, "renamex_np", None)
        arguments: tuple[bytes | int, ...] = (*names, _RENAME_SWAP)
    else:
        call = getattr(library, "renameat2", None)
        arguments = (_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    if call is None:
        return False
    if call(*arguments) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))
