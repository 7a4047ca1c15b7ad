"""The Hub -> a folder with a copy of each task's repository, which `evaluate --data` reads without a network."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from hexapla.errors import InputError
from hexapla.evaluation.mteb_table import parse_suite
from hexapla.evaluation.mteb_tasks import FETCHED
from hexapla.runs.atomic import write_json
from hexapla.runs.record import check_folder_to_be

_log = logging.getLogger(__name__)


def fetch_data(suite: str, out: Path) -> list[Path]:
    """Copy the data of tasks from the Hub, at the revisions that MTEB names; what is there already is left alone.

    Args:
        suite: As `EvaluateConfig.suite`, of MTEB's tasks.
        out: The folder; each task gets one of its own name in it.

    Returns:
        The tasks' folders.

    Raises:
        InputError: An unknown task, mteb that is not installed, or data that cannot be reached.
    """
    names = parse_suite(suite)
    check_folder_to_be(out)
    return [_fetch(name, out / name) for name in names]


def _fetch(name: str, folder: Path) -> Path:
    from huggingface_hub import snapshot_download

    repository, revision = data_source(name)
    if (folder / FETCHED).is_file():
        _log.info("%s: there already", folder)
        return folder
    try:
        snapshot_download(repository, repo_type="dataset", revision=revision, local_dir=folder)
    except (OSError, ValueError) as error:  # what the Hub's client raises, all of it
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name} ({repository}) cannot be fetched: {reason}; this needs a network, and HF_HUB_OFFLINE not set"
        ) from error
    write_json(folder / FETCHED, {"task": name, "repository": repository, "revision": revision})
    _log.info("%s: %s at %s", folder, repository, revision)
    return folder


def data_source(name: str) -> tuple[str, str]:
    """Return the Hub's repository of a task's data and the revision that MTEB names; the Hub is not asked.

    Raises:
        InputError: mteb is not installed.
    """
    try:
        import mteb
    except ImportError:
        raise InputError(
            f"{name} needs the library mteb; install it with: pip install 'hexapla[evaluate]'"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mteb.get_task(name).metadata.dataset
    return str(dataset["path"]), str(dataset["revision"])
