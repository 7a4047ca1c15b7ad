"""What a config measures -> the tasks with their data, read and checked before an encoder loads."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hexapla.encoder.load import Task
from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.mteb_table import parse_suite
from hexapla.evaluation.mteb_tasks import Loaded, read_mteb
from hexapla.evaluation.tasks.bitext import BitextTask, read_bitext
from hexapla.evaluation.tasks.classification import TopicsTask, read_topics
from hexapla.evaluation.tasks.language_probe import LanguageTask
from hexapla.evaluation.tasks.mixed_pool import PoolTask
from hexapla.evaluation.tasks.sts import StsTask, read_sts
from hexapla.evaluation.tasks.xsim import XsimTask

AnyTask = BitextTask | StsTask | TopicsTask | PoolTask | LanguageTask | XsimTask

KINDS: dict[type[AnyTask], Task] = {
    BitextTask: "BitextMining",
    PoolTask: "BitextMining",
    LanguageTask: "BitextMining",
    XsimTask: "BitextMining",
    StsTask: "STS",
    TopicsTask: "Classification",
}

_log = logging.getLogger(__name__)

# What a multi-way task must have for a pool of languages and a probe of them to say something.
_LEAST_LANGUAGES, _LEAST_ROWS = 3, 40
# A pool costs the square of its cells: 30 languages of 1,000 rows take some ten seconds. xsim++ has
# five altered sentences a row to embed; 1,012 rows are FLORES's devtest, on which xsim is
# published.
_MOST_ROWS: dict[type[AnyTask], int] = {PoolTask: 500, XsimTask: 1012}

# What the two suites measure: kind, name, split, path under the data folder.
_SUITES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "dev": (
        ("bitext", "sib200", "train", "sib200/train.parquet"),
        ("sts", "stsb-mt", "dev", "stsb-mt/dev"),
    ),
    "test": (
        ("bitext", "sib200", "test", "sib200/test.parquet"),
        ("bitext", "tatoeba", "test", "tatoeba"),
        ("sts", "stsb-mt", "test", "stsb-mt/test"),
        ("topics", "sib200", "test", "sib200"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Data:
    """All that is to be measured: the tasks, and MTEB's own form of those that are MTEB's."""

    tasks: Sequence[AnyTask]
    mteb: Sequence[Loaded] = ()


def read_data(config: EvaluateConfig) -> Data:
    """Read all data, and check that every language asked for is measured somewhere.

    Raises:
        InputError: Data that are not there or cannot be used, or a language that they lack.
    """
    if config.is_mteb:
        data = None if config.data is None else Path(config.data)
        loaded = read_mteb(
            parse_suite(config.suite),
            data=data,
            languages=config.languages,
            pairs=config.pairs,
            seed=config.seed,
        )
        return Data(tasks=_with_more([task for one in loaded for task in one.ours]), mteb=loaded)
    return Data(tasks=_with_more(_own_tasks(config, Path(str(config.data)))))


def _with_more(tasks: Sequence[AnyTask]) -> list[AnyTask]:
    """Add what MTEB does not ask: of the task with the most languages in a row the pool, the probe, and xsim.

    One task is enough: the others have the same languages or fewer, and pools cost the square of
    their cells.
    """
    wide = [
        task
        for task in tasks
        if isinstance(task, BitextTask) and len(task.cells) >= _LEAST_LANGUAGES
    ]
    if not wide:
        return list(tasks)
    task = max(wide, key=lambda one: len(one.cells))
    filled = {
        code: column
        for code, column in task.cells.items()
        if sum(text is not None for text in column) >= _LEAST_ROWS
    }
    more: list[AnyTask] = []
    if len(filled) >= _LEAST_LANGUAGES:
        of = {"name": task.name, "split": task.split, "data_sha": task.data_sha}
        kinds = (
            (PoolTask, LanguageTask, XsimTask) if "eng_Latn" in filled else (PoolTask, LanguageTask)
        )
        for kind in kinds:
            try:
                items, cells = _spread(task.items, filled, _MOST_ROWS.get(kind, len(task.items)))
                more.append(kind(**of, items=items, cells=cells))  # type: ignore[arg-type]
            except InputError as error:  # no mistake: nobody asked for it by name
                _log.info("%s; it is left out", error)
    return [*tasks, *more]


def _spread(
    items: Sequence[str], cells: Mapping[str, Sequence[str | None]], most: int
) -> tuple[Sequence[str], Mapping[str, Sequence[str | None]]]:
    """Return at most so many rows, spread evenly over all."""
    if len(items) <= most:
        return items, cells
    rows = [round(place) for place in np.linspace(0, len(items) - 1, most)]
    return [items[row] for row in rows], {
        code: [column[row] for row in rows] for code, column in cells.items()
    }


def _own_tasks(config: EvaluateConfig, root: Path) -> list[AnyTask]:
    if config.suite in _SUITES:
        missing = [
            str(root / path) for *_, path in _SUITES[config.suite] if not (root / path).exists()
        ]
        if missing:
            raise InputError(
                f"suite {config.suite} needs {', '.join(missing)}; there is no such file or folder"
            )
        rows = [
            (kind, name, split, str(root / path))
            for kind, name, split, path in _SUITES[config.suite]
        ]
    else:
        name = "sample" if str(config.data) == "sample" else root.resolve().stem
        split = f"held-out-{config.held_out:g}" if config.split == "held-out" else "all"
        rows = [(config.suite, name, split, str(config.data))]
    tasks = [task for row in rows for task in _read_task(config, *row)]
    if set(config.languages or ()).difference(*(task.languages for task in tasks)):
        whole = dataclasses.replace(config, languages=None)
        there = {
            code for row in rows for task in _read_task(whole, *row) for code in task.languages
        }
        if absent := [code for code in config.languages or () if code not in there]:
            raise InputError(
                f"{config.data} has no {', '.join(absent)}; it has {', '.join(sorted(there))}"
            )
    if not any(task.keys for task in tasks):
        raise InputError(
            f"{config.data}: nothing to measure; bitext needs a language next to the pivot"
        )
    return tasks


def _read_task(
    config: EvaluateConfig, kind: str, name: str, split: str, path: str
) -> Sequence[AnyTask]:
    if kind == "bitext":
        share = config.held_out if config.split == "held-out" else None
        return read_bitext(
            path,
            name=name,
            split=split,
            languages=config.languages,
            pairs=config.pairs,
            held_out_share=share,
        )
    if kind == "xsim":
        found = read_bitext(
            path, name=name, split=split, languages=config.languages, pairs=config.pairs
        )
        return [
            XsimTask(
                name=one.name,
                split=one.split,
                data_sha=one.data_sha,
                items=one.items,
                cells=one.cells,
            )
            for one in found
        ]
    if kind == "sts":
        return read_sts(
            path, name=name, split=split, languages=config.languages, pairs=config.pairs
        )
    return read_topics(path, name=name, split=split, languages=config.languages, seed=config.seed)
