"""The subsets of MTEB's tasks that a run measures, chosen and checked before mteb is imported."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hexapla.errors import InputError
from hexapla.evaluation.mteb_table import BITEXT, TASKS, Subset, task_languages, task_subsets
from hexapla.evaluation.tasks.protocol import ENGLISH

_log = logging.getLogger(__name__)


def select_subsets(
    names: Sequence[str], *, languages: Sequence[str] | None = None, data: Path | None = None
) -> dict[str, list[Subset]]:
    """Choose the subsets of some tasks, and check that a folder has these tasks.

    Args:
        names: Names of the tasks.
        languages: Languages to measure besides English. By default all.
        data: Folder with a copy of each task's repository under the task's name.

    Returns:
        The subsets of each task that has any in these languages.

    Raises:
        InputError: No task has a language, a single task has none of them, or the folder lacks a
            task.
    """
    chosen = {name: _choose(name, languages) for name in names}
    unknown = [code for code in languages or () if code not in task_languages(names)]
    if unknown:
        raise InputError(
            f"no task of {', '.join(names)} has {', '.join(unknown)}; they have "
            f"{', '.join(task_languages(names))}"
        )
    if len(names) == 1 and not chosen[names[0]]:
        raise InputError(
            f"{names[0]} has no subset in {', '.join(languages or ())}; it has "
            f"{', '.join(task_languages(names))}"
        )
    chosen = {name: subsets for name, subsets in chosen.items() if subsets}
    if data is not None and (missing := [name for name in chosen if not (data / name).is_dir()]):
        present = sorted(name for name in TASKS if (data / name).is_dir())
        raise InputError(
            f"{data} lacks {', '.join(missing)} (it has {', '.join(present) or 'no task'}); where "
            f"there is a network, hexapla fetch-data --suite {','.join(missing)} --out {data}"
        )
    return chosen


def log_gaps(
    names: Sequence[str], chosen: dict[str, list[Subset]], languages: Sequence[str] | None
) -> None:
    """Log the tasks that are left out, and the languages that the others lack."""
    for name in names:
        if name not in chosen:
            _log.info("%s has no subset in these languages and is left out", name)
            continue
        available = {code for subset in chosen[name] for code in subset.languages}
        if missing := [code for code in languages or () if code not in available]:
            _log.info("%s lacks %s", name, ", ".join(missing))


def _choose(name: str, languages: Sequence[str] | None) -> list[Subset]:
    """Return the subsets in English and the languages; English alone does not make bitext."""
    if languages is None:
        return list(task_subsets()[name])
    wanted = {*languages, ENGLISH}
    subsets = [subset for subset in task_subsets()[name] if wanted.issuperset(subset.languages)]
    chosen = {code for subset in subsets for code in subset.languages}
    return subsets if name not in BITEXT or chosen - {ENGLISH} else []
