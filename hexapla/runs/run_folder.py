"""The folder of a run while it runs: locked, emptied of an earlier run, and not left if useless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from hexapla.errors import InputError
from hexapla.runs.disk_errors import AGAIN, disk_errors, find_disk_error
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
        advice: As in `disk_errors`, if anything is left; otherwise the command is run again.
        worthless: Patterns of paths in the folder that no run is resumed from, such as "logs/*".

    Raises:
        InputError: Another run holds the folder, or its disk cannot be written.
    """
    was_begun = (folder / RUN_FILE).exists()
    with disk_errors(folder, advice if was_begun else AGAIN), locked(folder):
        was_begun = (folder / RUN_FILE).exists()
        try:
            yield
        except Exception as error:
            is_mendable = isinstance(error, InputError) or find_disk_error(error) is not None
            is_kept = was_begun or not is_mendable or not _forget(folder, worthless)
            with disk_errors(folder, advice if is_kept else AGAIN):
                raise


@contextmanager
def hold_file(out: Path, advice: str = AGAIN) -> Iterator[None]:
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


def _forget(folder: Path, worthless: Sequence[str]) -> bool:
    """Remove a run that has left nothing but its record and what is worthless without it.

    Returns:
        Whether it was so.
    """
    files = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    ]
    patterns = (RUN_FILE, *HIDDEN, *worthless)
    is_worthless = all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in files)
    if is_worthless:
        clear_locked(folder)
    return is_worthless
