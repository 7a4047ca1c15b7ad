"""The folder of a run while it runs: locked, emptied of an earlier run, and not left if useless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from hexapla.errors import InputError
from hexapla.runs.disk_errors import disk_errors
from hexapla.runs.foreign_files import HIDDEN, warn_of_foreign
from hexapla.runs.lock import clear_locked, locked
from hexapla.runs.record import RUN_FILE

RESUMED = "then continue with --resume: what was finished is kept"
"""How a resumable run goes on after a disk error."""


@contextmanager
def hold_run(
    folder: Path, advice: str = RESUMED, *, worthless: Sequence[str] = ()
) -> Iterator[None]:
    """Lock the folder of a run, and say in one line what is wrong with its disk.

    A run that ends with a mistake of the user or a disk error, and has left nothing but its record,
    leaves nothing: there is nothing to resume.

    Args:
        folder: The folder, made if need be.
        advice: As in `disk_errors`.
        worthless: Patterns of paths in the folder that no run is resumed from, such as "logs/*".

    Raises:
        InputError: Another run holds the folder, or its disk cannot be written.
    """
    with disk_errors(folder, advice), locked(folder):
        was_begun = (folder / RUN_FILE).exists()
        try:
            with disk_errors(folder, advice):
                yield
        except InputError:
            if not was_begun:
                _forget(folder, worthless)
            raise


@contextmanager
def hold_file(out: Path, advice: str = "then run the command again") -> Iterator[None]:
    """Lock an output file by a hidden folder beside it, which is removed afterwards.

    Raises:
        InputError: Another run writes the same file, or its disk cannot be written.
    """
    with disk_errors(out, advice), locked(out.with_name(f".{out.name}.writing")):
        yield


def remove_run(folder: Path, own: Sequence[str]) -> None:
    """Remove a run from its locked folder, which `check_run_folder` has allowed to replace.

    Args:
        folder: The folder.
        own: Patterns of what such a run writes, as in `foreign_files`. Other files are kept, and
            named in a warning.
    """
    warn_of_foreign(folder, clear_locked(folder, own))


def _forget(folder: Path, worthless: Sequence[str]) -> None:
    """Remove all of a run that has left nothing but its record and what is worthless without it."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]
    patterns = (RUN_FILE, *HIDDEN, *worthless)
    if all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in files):
        clear_locked(folder)
