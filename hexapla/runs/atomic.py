"""Writing that a kill or a full disk cannot spoil: beside, to the disk, renamed.

Every file and folder that a stage leaves goes through here. What stands at a path is therefore
whole: the old content or the new, never half of either.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hexapla.runs.exchange import exchange


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write a file at; afterwards it takes the place of `path`.

    If the block raises, nothing has happened to `path` and nothing is left beside it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with write_beside(path) as partial:
    ...     _ = partial.write_text("1 2 3")
    ...     path.exists()
    False
    >>> path.read_text()
    '1 2 3'
    """
    partial = _beside(path)
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(partial)):
            error.filename = str(path)  # a full disk names no file, and `partial` says nothing
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def make_beside(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` to fill; afterwards it is renamed to `folder`.

    Another process may make the same folder meanwhile; then its content stands and this one's is
    dropped, so both must make the same.
    """
    partial = _beside(folder)
    partial.mkdir(parents=True)
    try:
        yield partial
        flush_folder(partial)
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.is_dir():
                raise
        flush(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear_beside(path: Path) -> None:
    """Remove what killed processes have left beside `path`.

    Only for a caller whose lock keeps others from writing `path` meanwhile.
    """
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8 with Unix line ends."""
    with write_beside(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole; paths and the like become strings."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n")


def replace_folder(partial: Path, final: Path, *, overwrite: bool = True) -> None:
    """Rename a whole folder to its final name, in exchange for an older one, which is removed.

    Where names cannot be exchanged, the older one is moved aside, to the name of `partial` with
    `.replaced`, and put back if the renaming fails. Only a kill leaves it there.

    Args:
        partial: The folder, flushed, on the file system of `final`.
        final: The name that it gets.
        overwrite: Replace an older folder. Without it, one that is not empty stays, and the
            renaming fails.

    Raises:
        OSError: The renaming failed.
    """
    replaced = partial.with_name(f"{partial.name}.replaced")
    try:
        if overwrite and final.exists():
            if exchange(partial, final):
                replaced = partial
            else:
                os.rename(final, replaced)
                os.rename(partial, final)
        else:
            os.rename(partial, final)
    except BaseException:
        if replaced.exists() and not final.exists():
            os.rename(replaced, final)
        raise
    try:
        flush(final.parent)
    finally:
        shutil.rmtree(replaced, ignore_errors=True)


def move_into(partial: Path, folder: Path, *, last: str) -> None:
    """Move what is in one folder into another, replacing what has the same names there.

    A reader that looks for `last` finds the rest when it is there. A kill in between leaves some
    entries old and some new, so `last` must be absent until then, or the reader must not mind.

    Args:
        partial: The folder to empty and remove, on the same file system.
        folder: The folder to move into.
        last: Name of the entry that is moved after all others.
    """
    flush_folder(partial)
    for path in sorted(partial.iterdir(), key=lambda path: path.name == last):
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(path, target)
    partial.rmdir()
    flush(folder)


def flush_folder(folder: Path) -> None:
    """Wait until a folder is on the disk with everything in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        flush(path)
    flush(folder)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
