"""Tasks on the user's data: a corpus or folder for one task, or a folder for several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.tasks.bitext import BitextTask, open_bitext, read_bitext
from hexapla.evaluation.tasks.classification import (
    ClassificationTask,
    classification_languages,
    read_classification,
)
from hexapla.evaluation.tasks.judged_pairs import judged_files
from hexapla.evaluation.tasks.sts import StsTask, read_sts
from hexapla.evaluation.tasks.xsim import XsimTask

OwnTask = BitextTask | StsTask | ClassificationTask | XsimTask


class TaskSource(NamedTuple):
    """Where the data of one task are.

    Attributes:
        kind: bitext, xsim, sts or topics.
        name: Name of the task.
        split: Name of the split.
        path: A corpus or a folder.
    """

    kind: str
    name: str
    split: str
    path: str


# The tasks of the suites on a folder with the data of several tasks.
_SUITES: dict[str, tuple[TaskSource, ...]] = {
    "dev": (
        TaskSource("bitext", "sib200", "train", "sib200/train.parquet"),
        TaskSource("sts", "stsb-mt", "dev", "stsb-mt/dev"),
    ),
    "test": (
        TaskSource("bitext", "sib200", "test", "sib200/test.parquet"),
        TaskSource("bitext", "tatoeba", "test", "tatoeba"),
        TaskSource("sts", "stsb-mt", "test", "stsb-mt/test"),
        TaskSource("topics", "sib200", "test", "sib200"),
    ),
}


def check_own_data(config: EvaluateConfig) -> list[TaskSource]:
    """Check that the data exist and have the languages, without reading their texts.

    Returns:
        The data of each task.

    Raises:
        InputError: A file or folder is missing, or none has a language.
    """
    sources = _sources(config, Path(str(config.data)))
    available = {code for source in sources for code in _languages(source)}
    if absent := [code for code in config.languages or () if code not in available]:
        raise InputError(
            f"{config.data} has no {', '.join(absent)}; it has {', '.join(sorted(available))}"
        )
    return sources


def read_own_tasks(config: EvaluateConfig) -> list[OwnTask]:
    """Read the tasks of a suite on the user's data.

    Raises:
        InputError: See `check_own_data`; or the data cannot be used.
    """
    tasks = [task for source in check_own_data(config) for task in _read_tasks(config, source)]
    if not any(task.keys for task in tasks):
        raise InputError(
            f"{config.data}: nothing to measure; bitext needs a language besides the pivot"
        )
    return tasks


def _sources(config: EvaluateConfig, root: Path) -> list[TaskSource]:
    if config.suite not in _SUITES:
        name = "sample" if str(config.data) == "sample" else root.resolve().stem
        split = "all" if config.share is None else f"held-out-{config.share:g}"
        return [TaskSource(config.suite, name, split, str(config.data))]
    sources = [source._replace(path=str(root / source.path)) for source in _SUITES[config.suite]]
    if missing := [source.path for source in sources if not Path(source.path).exists()]:
        raise InputError(
            f"suite {config.suite} needs {', '.join(missing)}; there is no such file or folder"
        )
    return sources


def _languages(source: TaskSource) -> set[str]:
    if source.kind == "sts":
        return set(judged_files(source.path))
    if source.kind == "topics":
        return set(classification_languages(source.path))
    corpora = open_bitext(source.path, verify=False)
    return {code for corpus in corpora for code in corpus.languages}


def _read_tasks(config: EvaluateConfig, source: TaskSource) -> Sequence[OwnTask]:
    kind, name, split, path = source
    languages, pairs = config.languages, config.pairs
    if kind == "sts":
        return read_sts(path, name=name, split=split, languages=languages, pairs=pairs)
    if kind == "topics":
        return read_classification(
            path, name=name, split=split, languages=languages, seed=config.seed
        )
    bitexts = read_bitext(
        path, name=name, split=split, languages=languages, pairs=pairs, held_out=config.share
    )
    if kind == "bitext":
        return bitexts
    return [
        XsimTask(
            name=one.name, split=one.split, data_sha=one.data_sha, items=one.items, cells=one.cells
        )
        for one in bitexts
    ]
