"""Where jobs are done: in processes of this machine, or on a Ray cluster. One that fails is told of; the others go on.

Jobs are taken from their iterator only when there is a worker for them, so that a corpus is made
just before the first job that needs it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import torch

from hexapla.build.executors import end_with_parent
from hexapla.errors import InputError
from hexapla.reproduce.job import Job, do
from hexapla.runs.ray_cluster import connect, cores_per_task

_SECONDS_TO_END = 20  # of an idle process, to unload its libraries

Done = dict[str, float]


class Receipt(NamedTuple):
    """What became of a job: the seconds of its stages, or why it failed."""

    job: Job
    took: Done
    failure: str | None


class Processes:
    """Workers of this machine, each with its share of the cores and a GPU in turn; a dead one is replaced."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def __call__(self, jobs: Iterator[Job]) -> Iterator[Receipt]:
        """Do the jobs, several at once."""
        workers = [_Worker(number, self.n_workers) for number in range(self.n_workers)]
        try:
            while True:
                for worker in workers:
                    if worker.job is None and (job := next(jobs, None)) is not None:
                        worker.give(job)
                busy = [worker for worker in workers if worker.job is not None]
                if not busy:
                    return
                ready = wait([worker.pipe for worker in busy])
                for worker in busy:
                    if worker.pipe in ready:
                        yield worker.receipt()
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """A process that does one job after another; begun with the first."""

    def __init__(self, number: int, n_workers: int) -> None:
        self.job: Job | None = None
        self.pipe: Connection
        self._number, self._n_workers = number, n_workers
        self._process: multiprocessing.process.BaseProcess | None = None

    def give(self, job: Job) -> None:
        if self._process is None or not self._process.is_alive():
            self._begin()
        self.job = job
        self.pipe.send(job)

    def receipt(self) -> Receipt:
        """Return what became of the job; a worker that died says nothing of it."""
        job, self.job = self.job, None
        if job is None or self._process is None:
            raise RuntimeError("no job was given")
        try:
            took, failure = self.pipe.recv()
        except (EOFError, OSError):  # it ended, before it read the job or after
            self._process.join()
            code = self._process.exitcode or 0
            reason = f"signal {-code}; out of memory?" if code < 0 else f"exit status {code}"
            took, failure = {}, f"its process died ({reason})"
        return Receipt(job, took, failure)

    def end(self) -> None:
        """Let an idle process end by itself, so that its libraries give back what they hold; kill a busy one."""
        if self._process is None:
            return
        self.pipe.close()
        if self.job is None:
            self._process.join(timeout=_SECONDS_TO_END)
        self._process.kill()
        self._process.join()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        threads = max(1, len(os.sched_getaffinity(0)) // self._n_workers)
        n_gpus = torch.cuda.device_count()
        gpu = _visible(self._number % n_gpus) if n_gpus and self._n_workers > 1 else None
        self._process = context.Process(target=_work, args=(other, threads, gpu), daemon=True)
        # Libraries read these as they load, before the process runs a line of ours.
        settings = {
            "OMP_NUM_THREADS": str(threads),
            **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}),
        }
        before = {key: os.environ.get(key) for key in settings}
        os.environ.update(settings)
        try:
            self._process.start()
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
        other.close()


def _visible(number: int) -> str:
    """Return the name of a GPU by its place among those that this process sees."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return allowed.split(",")[number] if allowed else str(number)


def _work(pipe: Connection, threads: int, gpu: str | None) -> None:
    """Do what comes through the pipe until it closes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(job))


def attempt(job: Job, run: Callable[[Job], Done] = do) -> tuple[Done, str | None]:
    """Do a job, its output into its log; return the seconds, or why it failed."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with job.log.open("a", encoding="utf-8") as log:
        handler = logging.StreamHandler(log)
        logging.getLogger("hexapla").addHandler(handler)
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        try:
            return run(job), None
        except InputError as error:
            return {}, str(error)
        except Exception as error:
            traceback.print_exc(file=log)
            return {}, " ".join(f"{type(error).__name__}: {error}".split())
        finally:
            logging.getLogger("hexapla").removeHandler(handler)
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


class Ray:
    """Tasks of a Ray cluster whose machines share the result folder, a job and its GPUs each; Ray retries lost ones."""

    def __init__(self, n_workers: int, address: str | None, gpus: float) -> None:
        """Connect to a cluster.

        Raises:
            InputError: Ray is not installed, there is no cluster at the address, or no machine has
                the GPUs of a job.
        """
        self.n_workers = n_workers
        self._ray = connect(address)
        cores = cores_per_task(self._ray, n_workers, gpus)
        self._remote = self._ray.remote(num_cpus=cores, num_gpus=gpus, max_retries=3)(attempt)

    def __call__(self, jobs: Iterator[Job]) -> Iterator[Receipt]:
        """Do the jobs, several at once."""
        running: dict[Any, Job] = {}
        while True:
            while len(running) < self.n_workers and (job := next(jobs, None)) is not None:
                running[self._remote.remote(job)] = job
            if not running:
                return
            (ready,), _ = self._ray.wait(list(running), num_returns=1)
            job = running.pop(ready)
            try:
                took, failure = self._ray.get(ready)
            except self._ray.exceptions.RayError as error:
                took, failure = {}, f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
            yield Receipt(job, took, failure)
