"""Where tasks are done: in this process, in others of this machine, or on a Ray cluster. Correctness lies in the files.

An executor only hands tasks to workers and receipts back, in any order; a worker that dies takes
nothing with it but its unfinished task, which the caller finds undone and hands out again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from hexapla.build.shard_worker import ATTEMPTS, Receipt, Task, Worker
from hexapla.errors import InputError
from hexapla.runs.ray_cluster import connect
from hexapla.translate.config import TranslatorConfig

log = logging.getLogger(__name__)
Run = Callable[[Worker, Sequence[Task]], Iterator[Receipt]]


def run_here(worker: Worker, tasks: Sequence[Task]) -> Iterator[Receipt]:
    """Do the tasks one after another in this process."""
    yield from map(worker, tasks)


class Processes:
    """Processes of this machine, each with a translator of its own and its share of the cores."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def __call__(self, worker: Worker, tasks: Sequence[Task]) -> Iterator[Receipt]:
        """Do the tasks; if a process dies, end early."""
        config = worker.translator
        if isinstance(config, TranslatorConfig) and config.threads is None:
            threads = max(1, len(os.sched_getaffinity(0)) // self.n_workers)
            worker = replace(worker, translator=replace(config, threads=threads))
        before = _n_begun(worker)
        pool = ProcessPoolExecutor(
            min(self.n_workers, len(tasks)),
            mp_context=multiprocessing.get_context(
                "spawn"
            ),  # a fork would copy the translator's threads, and hang
            initializer=_begin,
            initargs=(worker,),
        )
        try:
            for future in as_completed([pool.submit(_do, task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            if _n_begun(worker) == before:
                raise InputError(
                    'the worker processes die as they start; in a script begin with `if __name__ == "__main__":` and '
                    "define a translator of your own in a module, or use --workers 1"
                ) from error
            log.warning("a worker process died (out of memory?); its shard is tried again")
        finally:
            pool.shutdown(
                wait=True, cancel_futures=True
            )  # no shard may be written once the lock is free


def _n_begun(worker: Worker) -> int:
    return sum(path.stat().st_size for path in (worker.work / ATTEMPTS).iterdir())


def _begin(worker: Worker) -> None:
    globals()["_worker"] = worker
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process when the one that started it is killed; it would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(task: Task) -> Receipt:
    receipt: Receipt = globals()["_worker"](task)
    return receipt


class Ray:
    """Actors on a Ray cluster. The folder of the build must be on a file system that all its machines share.

    A task is a row of a Ray dataset and its receipt the row that comes back. Ray's own retries are
    left as they are: with them a lost machine costs its unfinished tasks and no more.
    """

    def __init__(self, n_workers: int, address: str | None) -> None:
        """Connect to a cluster.

        Raises:
            InputError: Ray is not installed, or there is no cluster at the address.
        """
        self.n_workers = n_workers
        self._ray = connect(address)

    def resources(self, worker: Worker) -> dict[str, int]:
        """Return what an actor asks of Ray: the cores of its translator, and a GPU if it is to have one."""
        config = worker.translator
        if not isinstance(config, TranslatorConfig) or config.backend == "openai":
            return {"num_cpus": 1}
        gpu = config.device.startswith("cuda") or (
            config.device == "auto" and "GPU" in self._ray.cluster_resources()
        )
        return {"num_cpus": config.threads or 1, **({"num_gpus": 1} if gpu else {})}

    def sized(self, worker: Worker) -> Worker:
        """Return the worker as its actors run it: no more threads than the cores that Ray counts for it."""
        config = worker.translator
        if isinstance(config, TranslatorConfig) and config.threads is None:
            return replace(worker, translator=replace(config, threads=1))
        return worker

    def ask(self, worker: Worker, question: Callable[[Worker], Any]) -> Any:
        """Answer a question about a worker on a machine like those that will do its tasks."""
        remote = self._ray.remote(**self.resources(worker))(question)
        try:
            return self._ray.get(remote.remote(self.sized(worker)))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, InputError) else error from None

    def __call__(self, worker: Worker, tasks: Sequence[Task]) -> Iterator[Receipt]:
        """Do the tasks, whatever becomes of single actors and machines."""
        data = self._ray.data
        data.DataContext.get_current().enable_progress_bars = False
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        receipts = data.from_items(rows, override_num_blocks=len(rows)).map(
            _Actor,
            fn_constructor_args=(self.sized(worker),),
            compute=data.ActorPoolStrategy(
                size=min(self.n_workers, len(tasks)), max_tasks_in_flight_per_actor=1
            ),
            **self.resources(worker),
        )
        for row in receipts.iter_rows():
            yield pickle.loads(row["receipt"])


class _Actor:
    """A worker as Ray Data wants it: made once, called with a row."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        return {"receipt": pickle.dumps(self.worker(pickle.loads(row["task"])))}
