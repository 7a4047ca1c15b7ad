"""The workers of a build: where they run, their tasks, and handing tasks out until all are done."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

from hexapla.build.committed import has_record
from hexapla.build.config import BuildConfig
from hexapla.build.language_bars import LanguageBars
from hexapla.build.shard_plan import ShardPlan
from hexapla.build.shard_worker import ShardResult, ShardTask, ShardWorker
from hexapla.errors import InputError
from hexapla.filters import FilterSettings
from hexapla.runs.disk_errors import find_disk_error
from hexapla.runs.executors import Executor, Processes, Ray, Receipt, ThisProcess
from hexapla.runs.ray_cluster import connect, has_gpus
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.device import count_shared_gpus

MIN_TEXTS = 2048
"""Texts in one call of a translator that can mix languages, so that its batches are full."""
_log = logging.getLogger(__name__)


def open_workers(config: BuildConfig, filters: FilterSettings) -> tuple[Executor, ShardWorker]:
    """Return the executor of a build and the worker that it sends around.

    Unless told otherwise, a translator gets all cores if it is the only one on a machine, its share
    of them beside others, and as many as Ray reserves on a cluster. The processes of one machine
    take its GPUs in turn.

    Raises:
        InputError: Ray is not installed, or no cluster answers.
    """
    executor: Executor
    translator, n_threads = config.translator, None
    if config.executor == "ray":
        ray = connect(config.address)
        n_cpus, n_gpus = 1, 0
        if isinstance(translator, TranslatorConfig) and translator.backend != "openai":
            n_cpus = translator.threads or 1
            wants_gpu = translator.device.startswith("cuda")
            n_gpus = int(wants_gpu or (translator.device == "auto" and has_gpus(ray)))
        executor = Ray(ray, config.workers, n_cpus=n_cpus, n_gpus=n_gpus)
        n_threads = 1
    elif config.workers > 1:
        n_gpus = count_shared_gpus(translator) if isinstance(translator, TranslatorConfig) else 0
        executor = Processes(config.workers, n_gpus=n_gpus)
        n_threads = max(1, len(os.sched_getaffinity(0)) // config.workers)
    else:
        executor = ThisProcess()
    if isinstance(translator, TranslatorConfig) and translator.threads is None:
        translator = replace(translator, threads=n_threads)
    worker = ShardWorker(
        config.work, "", config.pivot, config.to, translator, filters, config.languages
    )
    return executor, worker


def list_tasks(
    stage: Literal["cells", "judged"], plan: ShardPlan, languages: Sequence[str], mixes: bool
) -> list[ShardTask]:
    """Return the tasks of a stage.

    Args:
        stage: What is done to the shards.
        plan: The shards.
        languages: The languages to translate into.
        mixes: The translator mixes languages in one call. Then tasks go shard by shard, with as
            many languages together as fill its batches. Otherwise they go language by language, so
            that each model is loaded once.
    """
    if not mixes:
        return [
            ShardTask(stage, shard, (language,)) for language in languages for shard in plan.shards
        ]
    tasks = []
    for shard in plan.shards:
        n_cells = sum(plan.n_cells(language, shard) for language in languages)
        together = max(1, MIN_TEXTS * len(languages) // max(1, n_cells))
        groups = [tuple(languages[i : i + together]) for i in range(0, len(languages), together)]
        tasks += [ShardTask(stage, shard, group) for group in groups]
    return tasks


def do_all(
    executor: Executor, worker: ShardWorker, tasks: Sequence[ShardTask], bars: LanguageBars
) -> None:
    """Hand out tasks until all are done; the worker itself refuses one that keeps failing.

    Raises:
        InputError: A mistake of the user, or a task that failed too often.
        OSError: The disk is full or may not be written.
    """
    pending = []
    for task in tasks:
        if worker.has_all(task):
            bars.skip(task)
        else:
            pending.append(task)
    while pending:
        failures: list[str] = []
        with closing(executor.run(worker, pending)) as receipts:
            for receipt in receipts:
                if failure := _failure(receipt):
                    failures.append(failure)
                elif receipt.result is not None:
                    bars.advance(receipt.task, receipt.result)
        pending = [task for task in pending if not worker.has_all(task, has_record)]
        if failures:
            _log.warning(
                "%d pieces of work failed and are tried again: %s", len(pending), failures[-1]
            )


def _failure(receipt: Receipt[ShardTask, ShardResult]) -> str:
    """Return why a task failed, empty if it did not; raise an error that no other try can mend."""
    if receipt.result is None:
        return f"a worker died ({receipt.death})"
    error = receipt.result.error
    if isinstance(error, InputError) or (error is not None and find_disk_error(error)):
        raise error
    return "" if error is None else f"{type(error).__name__}: {error}"
