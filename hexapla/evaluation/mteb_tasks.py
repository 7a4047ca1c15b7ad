"""MTEB's tasks, loaded by MTEB's own classes, and our tasks on the same rows, in both directions.

Only one split is measured, `test` in most tasks: MTEB's default for several tasks averages
validation, or even train, into the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.evaluation.config import Pairs
from hexapla.evaluation.mteb_conversion import convert_task
from hexapla.evaluation.mteb_loading import load_task
from hexapla.evaluation.mteb_selection import log_gaps, select_subsets
from hexapla.evaluation.mteb_table import SPLITS
from hexapla.evaluation.tasks.bitext import BitextTask
from hexapla.evaluation.tasks.classification import ClassificationTask
from hexapla.evaluation.tasks.sts import StsTask


@dataclass(frozen=True, kw_only=True)
class MtebTask:
    """A task of MTEB with its data, and our tasks on the same rows.

    Attributes:
        task: MTEB's task, ready for MTEB's own evaluation.
        split: The measured split.
        revision: Revision of the data on the Hub; `local` for a folder that does not say.
        ours: One of our tasks, or one per pair of languages where each pair has its own rows.
    """

    task: Any
    split: str
    revision: str
    ours: Sequence[BitextTask | StsTask | ClassificationTask]


def read_mteb(
    names: Sequence[str],
    *,
    data: Path | None = None,
    languages: Sequence[str] | None = None,
    pairs: Pairs = "pivot",
    seed: int = 42,
) -> list[MtebTask]:
    """Load tasks in some languages.

    Args:
        names: Names of the tasks, as from `parse_suite`.
        data: Folder with a copy of each task's repository under the task's name; None for the Hub
            or its cache.
        languages: Languages to measure besides English; a task that lacks some is measured in the
            others. By default all that the data have.
        pairs: In parallel tasks, `pivot` for English with every other language, `all` for every
            two.
        seed: Seed of the draws in classification; 42 is MTEB's.

    Raises:
        InputError: See `select_subsets`, `load_task` and `convert_task`.
    """
    chosen = select_subsets(names, languages=languages, data=data)
    log_gaps(names, chosen, languages)
    tasks = []
    for name, wanted in chosen.items():
        split = SPLITS.get(name, "test")
        task, subsets, revision = load_task(name, wanted, data, strict=languages is not None)
        ours = convert_task(task, name, split, subsets, pairs=pairs, seed=seed)
        if any(one.keys for one in ours):
            tasks.append(MtebTask(task=task, split=split, revision=revision, ours=ours))
    return tasks
