"""Loading the data of an MTEB task by MTEB's own class, from the Hub or from a folder.

mteb and datasets are imported inside the functions, since they take seconds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.evaluation.mteb_table import PARALLEL, SPLITS, Subset
from hexapla.runs.library_bars import no_library_bars

# Written by `fetch-data` beside a task's data: their repository and revision.
FETCHED = "hexapla-fetched.json"

_BIBLE = "BibleNLPBitextMining"
_log = logging.getLogger(__name__)


def import_mteb(name: str) -> Any:
    """Return the module mteb.

    Args:
        name: The task that needs it.

    Raises:
        InputError: mteb is not installed.
    """
    require_mteb(name)
    import mteb

    return mteb


def require_mteb(name: str) -> None:
    """Check that mteb is installed, without importing it.

    Args:
        name: The task that needs it.

    Raises:
        InputError: It is not.
    """
    if find_spec("mteb") is None:
        raise InputError(
            f"{name} needs the library mteb; install it with: pip install 'hexapla[evaluate]'"
        )


def load_task(
    name: str, subsets: Sequence[Subset], data: Path | None, *, strict: bool
) -> tuple[Any, list[Subset], str]:
    """Load the data of a task.

    Args:
        name: Name of the task.
        subsets: Subsets to load.
        data: Folder with a copy of the task's repository under its name; None for the Hub or its
            cache.
        strict: Refuse a folder that lacks one of the subsets, instead of leaving it out.

    Returns:
        MTEB's task with its data, the subsets that these have, and their revision on the Hub,
        `local` for a folder that does not say.

    Raises:
        InputError: mteb is not installed, or the data are missing, unreadable or empty.
    """
    folder = None if data is None else data / name
    split = SPLITS.get(name, "test")
    mteb = import_mteb(name)
    try:
        with warnings.catch_warnings(), no_library_bars():
            warnings.simplefilter("ignore")
            task = mteb.get_task(name, hf_subsets=_subset_ids(name, subsets), eval_splits=[split])
            revision = str(task.metadata.dataset.get("revision", "main"))
            if folder is not None:
                _refuse_empty_files(folder)
                subsets = _keep_configured(task, name, subsets, folder, strict)
                revision = _revision(folder)
                _read_from(task, folder, revision)
            task.load_data()
    except InputError:
        raise
    except Exception as error:  # datasets and the Hub raise errors of many kinds
        raise InputError(_explain_no_data(name, folder, error)) from error
    if folder is not None:
        is_parallel = name in PARALLEL and split in task.dataset
        available = task.dataset[split].column_names if is_parallel else task.dataset
        subsets = _keep_available(name, subsets, available, strict)
        task.hf_subsets = _subset_ids(name, subsets)
    return task, list(subsets), revision


def _subset_ids(name: str, subsets: Sequence[Subset]) -> list[str]:
    """Return MTEB's names of the subsets, in both directions where it has both."""
    ids = [subset.name for subset in subsets]
    if name in PARALLEL:
        known = import_mteb(name).get_task(name).metadata.eval_langs
        return [f"{one}-{two}" for one in ids for two in ids if f"{one}-{two}" in known]
    if name == _BIBLE:
        return [*ids, *("-".join(reversed(subset.split("-"))) for subset in ids)]
    return ids


def _read_from(task: Any, folder: Path, revision: str) -> None:
    """Make a task load its data from a folder."""
    dataset = {
        **task.metadata.dataset,
        "path": str(folder.resolve()),
        "revision": revision,
        "cache_dir": _cache_folder(folder),
    }
    # A copy, since the metadata belong to the class and are shared by all tasks of that name.
    task.metadata = task.metadata.model_copy(update={"dataset": dataset})


def _keep_configured(
    task: Any, name: str, subsets: Sequence[Subset], folder: Path, strict: bool
) -> Sequence[Subset]:
    """Return the subsets that a folder has a configuration for, if the task loads one for each."""
    if task.fast_loading or getattr(task, "parallel_subsets", False):
        return subsets
    from datasets import get_dataset_config_names

    configs = set(get_dataset_config_names(str(folder)))
    # BibleNLP's configurations are named without the scripts.
    available = [
        subset.name
        for subset in subsets
        if (re.sub("_[A-Z][a-z]+", "", subset.name) if name == _BIBLE else subset.name) in configs
    ]
    subsets = _keep_available(name, subsets, available, strict)
    task.hf_subsets = _subset_ids(name, subsets)
    return subsets


def _keep_available(
    name: str, subsets: Sequence[Subset], available: Iterable[str], strict: bool
) -> list[Subset]:
    """Return the subsets that the data have, if any; with `strict` they must have all."""
    available = set(available)
    missing = [subset.name for subset in subsets if subset.name not in available]
    if missing and (strict or len(missing) == len(subsets)):
        raise InputError(
            f"{name}: its data have no {', '.join(missing)}; they have "
            f"{', '.join(sorted(available))}"
        )
    if missing:
        n_kept = len(subsets) - len(missing)
        _log.info("%s: %d of %d subsets are in its data", name, n_kept, len(subsets))
    return [subset for subset in subsets if subset.name in available]


def _refuse_empty_files(folder: Path) -> None:
    """Refuse empty tables, for which `datasets` says "BatchSize must be greater than 0"."""
    import pyarrow.parquet as pq

    for path in folder.rglob("*.parquet"):
        if pq.read_metadata(path).num_rows == 0:
            raise InputError(
                f"{path} has no rows; an empty subset cannot be measured, fetch or make it again"
            )


def _cache_folder(folder: Path) -> str:
    """Return a cache folder of `datasets` that is named by the content of a data folder.

    The usual cache would take `a/Tatoeba` and `b/Tatoeba` with equal READMEs for the same data, and
    a changed folder for the old one.
    """
    import datasets.config

    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"hexapla-{digest.hexdigest()[:32]}")


def _revision(folder: Path) -> str:
    try:
        return str(json.loads((folder / FETCHED).read_text(encoding="utf-8"))["revision"])
    except (OSError, ValueError, KeyError):
        return "local"


def _explain_no_data(name: str, folder: Path | None, error: Exception) -> str:
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = str(error).strip()
    reason = text.splitlines()[0][:200] if text else type(error).__name__
    if folder is not None:
        return (
            f"{folder} cannot be read as {name}: {reason}; it must be a copy of the task's "
            "repository on the Hub"
        )
    return (
        f"the data of {name} cannot be loaded: {reason}; with a network, hexapla fetch-data "
        f"--suite {name} --out DIR fills a folder, and --data DIR reads it anywhere"
    )
