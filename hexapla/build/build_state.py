"""Whether a build starts, continues or is finished, as its folders show; and starting it.

While a build runs, its parts lie in a folder beside the corpus folder, with `run.json` written
first and removed last. Asking for the state changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from hexapla.build.committed import read_json
from hexapla.build.config import BuildConfig
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.work_folder import leftovers_of_others
from hexapla.corpus.writer import check_corpus_folder
from hexapla.runs.lock import clear_locked
from hexapla.runs.record import RUN_FILE, check_run_folder, write_record


class BuildState(Enum):
    """What is to be done for a build."""

    NEW = "new"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


def find_build_state(config: BuildConfig, settings: Mapping[str, Any]) -> BuildState:
    """Return the state of a build.

    Args:
        config: The build.
        settings: All that its result depends on, as in `run.json`.

    Raises:
        InputError: The folders hold something that this build may not continue or replace.
    """
    work, out = config.work, config.out
    asked = json.loads(json.dumps(settings, default=str))
    is_made = (out / MANIFEST).is_file() and _settings_in(out) == asked
    if config.resume and is_made and _settings_in(work) in (None, asked):
        # It was finished, or killed after the corpus got its name; only its parts are left over.
        return BuildState.FINISHED
    if (work / RUN_FILE).exists() or leftovers_of_others(work):
        check_run_folder(
            work, "build", settings, done=MANIFEST, resume=config.resume, overwrite=config.overwrite
        )
        if config.resume:
            return BuildState.UNFINISHED
    elif config.resume:
        check_run_folder(out, "build", settings, done=MANIFEST, resume=True, overwrite=False)
    check_corpus_folder(out, config.overwrite)
    return BuildState.NEW


def start_build(config: BuildConfig, settings: Mapping[str, Any]) -> None:
    """Remove the parts of an earlier build and write the record of this one."""
    clear_locked(config.work)
    before = {}
    if config.origin is not None and (record := read_json(config.origin.corpus.path / RUN_FILE)):
        before["origin"] = record  # of a corpus that is replaced, it would be lost
    write_record(config.work, "build", settings, replaces=config.overwrite, **before)


def replaces_corpus(work: Path) -> bool:
    """Return whether the build of a folder was told to replace a corpus when it started."""
    return bool((read_json(work / RUN_FILE) or {}).get("replaces"))


def _settings_in(folder: Path) -> object:
    return (read_json(folder / RUN_FILE) or {}).get("config")
