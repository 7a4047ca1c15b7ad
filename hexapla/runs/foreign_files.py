"""Files in an output folder that no command wrote: they are kept when the output is replaced.

A command names what is its own by patterns. Everything else, such as a `notes.txt` or a `.git`, is
the user's and is never removed.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

HIDDEN = (".lock", ".lock-holder", ".*.partial")
"""What killed commands leave in any output folder; it belongs to every command's own patterns."""

_SHOWN = 5  # names in a warning

_log = logging.getLogger(__name__)


def foreign_files(folder: Path, own: Sequence[str]) -> list[Path]:
    """Return what lies in a folder and is not a command's own.

    A folder with nothing of the command's own in it is returned as one entry. A link is an entry
    and is not followed.

    Args:
        folder: The output folder.
        own: Patterns of paths from that folder, as `fnmatch` reads them, so that `*` also matches
            `/`. `HIDDEN` is added to them.

    Returns:
        Paths from the folder, sorted.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("part-00000.parquet", "notes.txt", ".lock"):
    ...     (folder / name).touch()
    >>> foreign_files(folder, ["part-*.parquet"])
    [PosixPath('notes.txt')]
    """
    return [path.relative_to(folder) for path in _foreign(folder, folder, (*own, *HIDDEN))]


def link_foreign(old: Path, new: Path, own: Sequence[str]) -> list[Path]:
    """Give a folder that is to replace another one the foreign files of that one.

    They are linked, or copied where links are not possible, so that a kill leaves them in the old
    folder, the new one or both.

    Args:
        old: The folder to be replaced.
        new: The folder that takes its place; foreign files never have names of its files.
        own: As in `foreign_files`.

    Returns:
        What was kept, as paths from the folder.
    """
    kept = foreign_files(old, own)
    for path in kept:
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        if (old / path).is_dir() and not (old / path).is_symlink():
            shutil.copytree(
                old / path, new / path, symlinks=True, copy_function=_link, dirs_exist_ok=True
            )
        else:
            _link(old / path, new / path)
    return kept


def remove_own(
    folder: Path, own: Sequence[str], *, spared: Sequence[str] = (), last: str = ""
) -> list[Path]:
    """Remove a command's own files from a folder, and the folder too if nothing else is in it.

    Args:
        folder: The output folder.
        own: As in `foreign_files`.
        spared: Names in the folder that stay all the same, such as a lock that is held.
        last: Name of the file that goes last, since it says whose the rest is.

    Returns:
        The foreign files that were kept, as paths from the folder.
    """
    kept = foreign_files(folder, own)
    _remove_but(folder, {folder / path for path in (*kept, *map(Path, spared))}, last)
    if not any(folder.iterdir()):
        folder.rmdir()
    return kept


def warn_of_foreign(folder: Path, kept: Sequence[Path]) -> None:
    """Name the foreign files that were kept, if there are any."""
    if kept:
        names = [str(path) for path in kept[:_SHOWN]]
        if len(kept) > _SHOWN:
            names.append(f"{len(kept) - _SHOWN} more")
        _log.warning("%s: kept what no hexapla command wrote: %s", folder, ", ".join(names))


def is_hidden(name: str) -> bool:
    """Return whether a name is one that killed commands leave."""
    return any(fnmatchcase(name, pattern) for pattern in HIDDEN)


def _foreign(folder: Path, root: Path, own: Sequence[str]) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        name = path.relative_to(root).as_posix()
        if any(fnmatchcase(name, pattern) for pattern in own):
            continue
        if path.is_dir() and not path.is_symlink():
            inside = _foreign(path, root, own)
            is_whole = inside == sorted(path.iterdir())
            found += [path] if is_whole else inside
        else:
            found.append(path)
    return found


def _remove_but(folder: Path, kept: set[Path], last: str = "") -> None:
    for path in sorted(folder.iterdir(), key=lambda path: path.name == last):
        if path in kept:
            continue
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        elif any(other.is_relative_to(path) for other in kept):
            _remove_but(path, kept)
        else:
            shutil.rmtree(path)


def _link(old: str | Path, new: str | Path) -> None:
    """Make a hard link, or a copy where the file system has no links."""
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError:
        shutil.copy2(old, new, follow_symlinks=False)
