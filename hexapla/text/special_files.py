"""Paths that are neither files nor folders -> an error, before they are opened.

Opening a named pipe may wait forever, and a device may never end. Input files are read more than
once: they are checked, hashed and then read. So nothing is read from a pipe but standard input.
"""

from __future__ import annotations

import stat
from pathlib import Path

from hexapla.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def refuse_special(path: str | Path) -> None:
    """Refuse a pipe, a socket or a device.

    What does not exist, and a folder in place of a file, are left to the caller.

    Raises:
        InputError: The path is one.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return
    if kind := _KINDS.get(stat.S_IFMT(mode)):
        raise InputError(
            f"{path} is {kind}; files are read more than once: save its content in a file, or pipe "
            'text into hexapla build with "-"'
        )
