"""Copies of the repositories of MTEB's data, which `evaluate --data` reads without a network."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from hexapla.errors import InputError
from hexapla.evaluation.mteb_loading import FETCHED, import_mteb
from hexapla.evaluation.mteb_table import parse_suite
from hexapla.runs.atomic import write_json
from hexapla.runs.disk_errors import find_disk_error
from hexapla.runs.record import check_folder_to_be
from hexapla.runs.run_folder import hold_run

_log = logging.getLogger(__name__)


def fetch_data(suite: str, out: Path) -> list[Path]:
    """Copy the data of tasks from the Hub at MTEB's revisions, without those copied before.

    Args:
        suite: As `EvaluateConfig.suite`, for MTEB's tasks only.
        out: Folder in which each task gets a folder of its name.

    Returns:
        The tasks' folders.

    Raises:
        InputError: A task is unknown, mteb is not installed, or the data cannot be reached.
    """
    names = parse_suite(suite)
    check_folder_to_be(out)
    with hold_run(out, "then run the command again: tasks copied before are kept"):
        return [_fetch(name, out / name) for name in names]


def _fetch(name: str, folder: Path) -> Path:
    from huggingface_hub import snapshot_download

    repository, revision = data_source(name)
    if (folder / FETCHED).is_file():
        _log.info("%s: copied before", folder)
        return folder
    try:
        snapshot_download(repository, repo_type="dataset", revision=revision, local_dir=folder)
    except (OSError, ValueError) as error:  # all errors of the Hub's client
        # An error of the disk has the system's number itself; one of the network is wrapped.
        if isinstance(error, OSError) and error.errno is not None and find_disk_error(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name} ({repository}) cannot be fetched: {reason}; this needs a network, and "
            "HF_HUB_OFFLINE unset"
        ) from error
    write_json(folder / FETCHED, {"task": name, "repository": repository, "revision": revision})
    _log.info("%s: %s at %s", folder, repository, revision)
    return folder


def data_source(name: str) -> tuple[str, str]:
    """Return repository and revision of a task's data from MTEB's metadata, without a network.

    Raises:
        InputError: mteb is not installed.
    """
    mteb = import_mteb(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mteb.get_task(name).metadata.dataset
    return str(dataset["path"]), str(dataset["revision"])
