"""A recipe -> everything that it asks for: plan, estimate, do what is missing, compare.

All state is in the result folder: what is there under the key of its content is done. Continuing
after a kill is therefore the same call again, and a changed recipe does only what it changed.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from hexapla.errors import InputError
from hexapla.reproduce.check_reproduction import check_reproduction
from hexapla.reproduce.config import ReproduceConfig
from hexapla.reproduce.job import drop_weights, is_evaluated
from hexapla.reproduce.job_worker import JobWorker
from hexapla.reproduce.matrix import MatrixCell
from hexapla.reproduce.matrix_estimate import MatrixEstimate, estimate_cells
from hexapla.reproduce.matrix_plan import MatrixPlan, plan_matrix
from hexapla.reproduce.matrix_runner import MatrixRunner
from hexapla.reproduce.result_folder import FORMAT, OWN
from hexapla.reproduce.results import write_results
from hexapla.runs.atomic import write_text
from hexapla.runs.executors import Executor, Processes, Ray
from hexapla.runs.foreign_files import warn_of_foreign
from hexapla.runs.lock import clear_locked
from hexapla.runs.progress import Progress
from hexapla.runs.ray_cluster import connect, cores_per_task
from hexapla.runs.recipe import find_recipe
from hexapla.runs.record import write_record
from hexapla.runs.run_folder import hold_run

_log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of a recipe.

    Attributes:
        out: The result folder.
        n_cells: Cells of the whole matrix.
        n_done: Cells that this run did.
        failures: Why cells failed, by their labels.
        lacking: Why groups have no comparison, by their names.
    """

    out: Path
    n_cells: int
    n_done: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def estimate(config: ReproduceConfig) -> tuple[MatrixPlan, MatrixEstimate]:
    """Plan a recipe and estimate what it takes, without making, loading or writing anything.

    Raises:
        InputError: As in `reproduce`, except for what concerns the Hub and the result folder.
    """
    plan = plan_matrix(check_reproduction(config, dry_run=True), dry_run=True)
    return plan, _estimate(config, plan, _missing_cells(config, plan))


def reproduce(config: ReproduceConfig, *, quiet: bool = False) -> Outcome:
    """Do what is missing of a recipe, and compare.

    Args:
        config: What to do.
        quiet: Show no progress, and say nothing about single cells.

    Returns:
        What became of it. Failures are also in the comparisons and in `results.md`.

    Raises:
        InputError: The recipe is wrong; languages, encoders or data that it names are missing; the
            result folder holds something else or results of another version; or there is too little
            disk. All of this is found before anything is made. Or the disk cannot be written.
    """
    recipe = check_reproduction(config)
    plan = plan_matrix(recipe)
    missing = _missing_cells(config, plan)
    expected = _estimate(config, plan, missing)
    _check_disk(config.out, expected)
    executor, worker = _open_executor(config)
    with hold_run(config.out, worthless=["recipe.toml", "logs/*"]):
        _start(config, plan)
        for line in (*plan.lines(), *expected.lines()):
            _log.info("%s", line)
        with Progress(quiet=quiet) as progress:
            runner = MatrixRunner(config, plan, missing, progress, quiet)
            with closing(executor.run(worker, runner.jobs())) as receipts:
                for receipt in receipts:
                    runner.take(receipt)
        if not config.keep_encoders:
            _drop_encoders(config, plan)
        failures = {
            cell.key: runner.failures[cell.label]
            for cell in plan.cells
            if cell.label in runner.failures
        }
        lacking = write_results(plan, config.out, failures)
    return Outcome(
        out=config.out,
        n_cells=len(plan.cells),
        n_done=runner.n_done,
        failures=runner.failures,
        lacking=lacking,
    )


def _missing_cells(config: ReproduceConfig, plan: MatrixPlan) -> list[MatrixCell]:
    return [cell for cell in plan.cells if config.overwrite or not _is_done(cell, config.out)]


def _is_done(cell: MatrixCell, out: Path) -> bool:
    return all(is_evaluated(cell.score_folder(out, suite)) for suite, _ in cell.suites)


def _estimate(
    config: ReproduceConfig, plan: MatrixPlan, missing: Sequence[MatrixCell]
) -> MatrixEstimate:
    out = None if config.overwrite else config.out
    return estimate_cells(plan, missing, out, n_workers=config.workers, keep=config.keep_encoders)


def _check_disk(out: Path, expected: MatrixEstimate) -> None:
    existing = next(path for path in (out, *out.resolve().parents) if path.exists())
    free_mib = shutil.disk_usage(existing).free / 2**20
    if expected.disk_mib > free_mib:
        raise InputError(
            f"{out}: {expected.disk_mib:,.0f} MiB are needed and {free_mib:,.0f} MiB are free; "
            "give another folder, drop the encoders (--no-keep-encoders), or name fewer seeds"
        )


def _open_executor(config: ReproduceConfig) -> tuple[Executor, JobWorker]:
    """Return the executor of the jobs, and the worker with its share of the cores.

    Raises:
        InputError: Ray is not installed, no cluster answers, or no machine has the GPUs of a job.
    """
    if config.executor == "ray":
        ray = connect(config.address)
        n_cores = cores_per_task(ray, config.workers, config.gpus)
        executor = Ray(ray, config.workers, n_cpus=n_cores, n_gpus=config.gpus)
        return executor, JobWorker(n_cores)
    import torch

    n_threads = max(1, len(os.sched_getaffinity(0)) // config.workers)
    n_gpus = torch.cuda.device_count()
    return Processes(config.workers, n_threads=n_threads, n_gpus=n_gpus), JobWorker(n_threads)


def _start(config: ReproduceConfig, plan: MatrixPlan) -> None:
    """Write the record and the recipe into the result folder, emptied if that was asked for."""
    out = config.out
    text = find_recipe(config.recipe, "experiments").read_text(encoding="utf-8")
    if config.overwrite:
        warn_of_foreign(out, clear_locked(out, OWN))
    settings = {
        "recipe": str(config.recipe),
        "data": config.data,
        "executor": config.executor,
        "workers": config.workers,
        "gpus": config.gpus,
    }
    write_record(out, "reproduce", settings, format=FORMAT, keys=dataclasses.asdict(plan.keys))
    write_text(out / "recipe.toml", text)


def _drop_encoders(config: ReproduceConfig, plan: MatrixPlan) -> None:
    """Remove the weights of all cells that are done, also those that a kill left."""
    for cell in plan.cells:
        folder = cell.encoder_folder(config.out)
        if folder.is_dir() and _is_done(cell, config.out):
            drop_weights(folder)
