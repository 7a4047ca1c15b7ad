"""The tasks of an evaluation with their data, read and checked before an encoder is loaded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.mteb_loading import require_mteb
from hexapla.evaluation.mteb_selection import select_subsets
from hexapla.evaluation.mteb_table import parse_suite
from hexapla.evaluation.mteb_tasks import MtebTask, read_mteb
from hexapla.evaluation.own_data import check_own_data, read_own_tasks
from hexapla.evaluation.tasks.bitext import BitextTask
from hexapla.evaluation.tasks.language_probe import LanguageProbeTask
from hexapla.evaluation.tasks.mixed_pool import MixedPoolTask
from hexapla.evaluation.tasks.protocol import ENGLISH, EvaluationTask
from hexapla.evaluation.tasks.xsim import XsimTask

# The tasks on the rows of a bitext task. With fewer languages none says anything, and with fewer
# rows only the pool does.
_DERIVED: Mapping[type[MixedPoolTask | LanguageProbeTask | XsimTask], str] = {
    MixedPoolTask: "pool",
    LanguageProbeTask: "language-identity",
    XsimTask: "xsim",
}
_MIN_LANGUAGES, _MIN_ROWS = 3, 40
# The time of a pool grows with the square of its cells: 30 languages of 1,000 rows take about ten
# seconds. xsim++ has about five altered sentences per row to embed; 1,012 rows are FLORES's
# devtest, for which xsim is published.
_MAX_ROWS: Mapping[type, int] = {MixedPoolTask: 500, XsimTask: 1012}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EvaluationData:
    """The tasks to measure, and those of MTEB that they were made from."""

    tasks: Sequence[EvaluationTask]
    mteb: Sequence[MtebTask] = ()


def check_data(config: EvaluateConfig) -> None:
    """Check, without heavy imports, that the data exist and have the languages.

    Raises:
        InputError: See `select_subsets` and `check_own_data`; or mteb is needed and not installed.
    """
    if config.is_mteb:
        names = parse_suite(config.suite)
        select_subsets(names, languages=config.languages, data=_folder(config))
        require_mteb(names[0])
    else:
        check_own_data(config)


def read_data(config: EvaluateConfig) -> EvaluationData:
    """Read all data.

    Raises:
        InputError: The data are missing, cannot be used, or lack a language.
    """
    if not config.is_mteb:
        return EvaluationData(tasks=_add_derived(read_own_tasks(config)))
    loaded = read_mteb(
        parse_suite(config.suite),
        data=_folder(config),
        languages=config.languages,
        pairs=config.pairs,
        seed=config.seed,
    )
    tasks = _add_derived([task for one in loaded for task in one.ours])
    return EvaluationData(tasks=tasks, mteb=loaded)


def _folder(config: EvaluateConfig) -> Path | None:
    return None if config.data is None else Path(config.data)


def _add_derived(tasks: Sequence[EvaluationTask]) -> list[EvaluationTask]:
    """Add the mixed pool, the language probe and xsim on the rows of one bitext task.

    It is the task with the most languages per row. The others have the same languages or fewer.
    """
    bitexts = [task for task in tasks if isinstance(task, BitextTask)]
    if not bitexts:
        return list(tasks)
    source = max(bitexts, key=lambda task: len(task.cells))
    derived: list[EvaluationTask] = []
    left_out: list[str] = []
    for kind, label in _DERIVED.items():
        min_rows = 1 if kind is MixedPoolTask else _MIN_ROWS
        cells = {
            code: column
            for code, column in source.cells.items()
            if sum(text is not None for text in column) >= min_rows
        }
        if len(cells) < _MIN_LANGUAGES:
            left_out.append(label)
            continue
        if kind is XsimTask and ENGLISH not in cells:
            continue
        items, rows = _spread(source.items, cells, _MAX_ROWS.get(kind, len(source.items)))
        try:
            task = kind(
                name=source.name,
                split=source.split,
                data_sha=source.data_sha,
                items=items,
                cells=rows,
            )
        except InputError as error:  # not a mistake, since nobody asked for the task
            _log.info("%s; the task is left out", error)
        else:
            derived.append(task)
    if left_out:
        each = "" if "pool" in left_out else f" with {_MIN_ROWS} rows each"
        _log.info(
            "%s: %s left out; they take %d languages or more%s",
            source.name,
            ", ".join(left_out),
            _MIN_LANGUAGES,
            each,
        )
    return [*tasks, *derived]


def _spread(
    items: Sequence[str], cells: Mapping[str, Sequence[str | None]], max_rows: int
) -> tuple[Sequence[str], Mapping[str, Sequence[str | None]]]:
    """Return at most `max_rows` rows, spread evenly over all."""
    if len(items) <= max_rows:
        return items, cells
    rows = [round(place) for place in np.linspace(0, len(items) - 1, max_rows)]
    chosen = {code: [column[row] for row in rows] for code, column in cells.items()}
    return [items[row] for row in rows], chosen
