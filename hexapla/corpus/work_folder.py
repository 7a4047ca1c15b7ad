"""The folder beside a corpus folder in which a command makes it, locked while it does.

It has one name for each output, so that two commands never make the same corpus at once, and the
next one finds what a killed one left: parts, which are removed, or the older corpus if the kill
came while it was being replaced, which is put back. Only a build leaves its parts on purpose, with
its `run.json`, to be continued.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hexapla.corpus.manifest import MANIFEST
from hexapla.errors import InputError
from hexapla.runs.atomic import replace_folder
from hexapla.runs.disk_errors import disk_errors
from hexapla.runs.foreign_files import foreign_files

UNFINISHED = "corpus"
"""Name in the work folder of the corpus that is being written."""
REPLACED = f"{UNFINISHED}.replaced"
"""Name in the work folder of the older corpus, while it is moved aside."""
JOIN = "join.sqlite"
"""Name in the work folder of the database of an import."""
_OWN = (UNFINISHED, REPLACED, "rejected", f"{JOIN}*")
_RUN_FILE = "run.json"  # as hexapla.runs.record, which the settings of a build need not import

_log = logging.getLogger(__name__)


def work_folder(out: str | Path) -> Path:
    """Return the folder in which a corpus folder is made, on the file system where it will lie."""
    final = Path(os.path.realpath(out))
    return final.with_name(f"{final.name}.building")


@contextmanager
def open_work_folder(out: str | Path) -> Iterator[Path]:
    """Lock the empty work folder of an output for a command that cannot be continued.

    It is removed afterwards, with all that is in it.

    Raises:
        InputError: Another run holds it, it holds an unfinished build or what is not Hexapla's, no
            folder can be made there, or its disk cannot be written.
    """
    from hexapla.runs.lock import clear_locked

    with disk_errors(Path(out)), lock_work_folder(out) as work:
        if (work / _RUN_FILE).exists():
            raise InputError(
                f"{work}: holds an unfinished build of {out}; continue it with hexapla build "
                "--resume, remove that folder, or give another output"
            )
        if foreign := leftovers_of_others(work):
            raise InputError(
                f"{work}: is needed to make {out} and holds {foreign[0]}, which is not Hexapla's; "
                "move it away or give another output"
            )
        clear_locked(work)
        try:
            yield work
        finally:
            clear_locked(work)


@contextmanager
def lock_work_folder(out: str | Path) -> Iterator[Path]:
    """Lock the work folder of an output, whatever it holds; an older corpus in it is put back.

    Raises:
        InputError: Another run holds it, or no folder can be made there.
    """
    from hexapla.runs.lock import locked

    work = work_folder(out)
    with ExitStack() as stack:
        try:
            with disk_errors(work):
                stack.enter_context(locked(work))
        except OSError as error:
            raise InputError(f"no folder can be made in {work.parent}: {error.strerror}") from error
        _put_back(work, Path(os.path.realpath(out)))
        yield work


def leftovers_of_others(work: Path) -> list[Path]:
    """Return what lies in a work folder without a build and was not left by a killed command."""
    return foreign_files(work, _OWN)


def whereabouts(out: Path) -> str:
    """Return what is known of a corpus folder that does not exist; empty if nothing is.

    Nothing is changed, so a reader may ask.
    """
    work = work_folder(out)
    if (work / REPLACED).exists():
        return (
            f"{out} was being replaced when its command was killed; the older corpus is "
            f"{work / REPLACED}: the next command with this output puts it back, or move it "
            "yourself"
        )
    if (work / _RUN_FILE).exists():
        return (
            f"{out} is not built yet: its parts are in {work}; "
            "continue the build with hexapla build --resume"
        )
    if work.is_dir() and any(work.iterdir()):
        return (
            f"{out} is not finished: a command is writing it in {work}, or was killed; "
            "if none runs, start it again"
        )
    return ""


def _put_back(work: Path, final: Path) -> None:
    """Give an older corpus its name again if a kill came between its two renames.

    Raises:
        InputError: Something else has taken its name.
    """
    replaced = work / REPLACED
    if not replaced.exists() or (final / MANIFEST).exists():
        return  # in the latter case the new one is in place, and the older one only has to go
    try:
        replace_folder(replaced, final, overwrite=False)  # over an empty folder too
    except OSError as error:
        raise InputError(
            f"{replaced} is the older corpus of {final}, left by a killed command, and cannot be "
            f"put back: {error.strerror}; move it, or what is in its place"
        ) from error
    _log.warning("%s: put back the corpus that a killed command was replacing", final)
