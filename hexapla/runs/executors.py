"""Where tasks are done: in this process, in others of this machine, or on a Ray cluster.

An executor hands tasks to workers and yields a receipt for each, in any order. It is only a
scheduler: what a task leaves is in files, and a worker that dies loses nothing but its unfinished
task. The caller may hand that one out again. Tasks are taken from their iterator only when a worker
is free, so that a task can be prepared just before it is done.

The work is a callable that is pickled and sent to every worker once, and keeps there what it loads.
It must not raise: what went wrong belongs in its result.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar

from hexapla.errors import InputError

MAX_RETRIES = 3
"""How often a task whose Ray worker was lost is given to another."""

_END_TIMEOUT_S = 20  # an idle process unloads its libraries; then it is killed
_READY = "ready"  # the first message of a process: the work has arrived
_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Receipt(Generic[Task, Result]):
    """What became of a task.

    Attributes:
        task: The task.
        result: What the work returned; None if its worker died.
        death: Why its worker died; empty if it did not.
    """

    task: Task
    result: Result | None = None
    death: str = ""


class Executor(Protocol):
    """Anything that has tasks done."""

    def run(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Receipt[Task, Result], None, None]:
        """Do the tasks; close the iterator to stop early, which ends the workers."""

    def call(self, function: Callable[[], Result]) -> Result:
        """Call a function where the tasks are done, or where it sees what they will see."""


class ThisProcess:
    """One task after another in this process."""

    def run(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Receipt[Task, Result], None, None]:
        """Do the tasks in order."""
        for task in tasks:
            yield Receipt(task=task, result=work(task))

    def call(self, function: Callable[[], Result]) -> Result:
        """Call the function."""
        return function()


class Processes:
    """Several processes of this machine; one that dies is replaced.

    Args:
        n_workers: Processes at once.
        n_threads: Threads of the numeric libraries in each process. None leaves them alone.
        n_gpus: GPUs of this machine, given to the processes in turn. 0 leaves them alone.
    """

    def __init__(self, n_workers: int, *, n_threads: int | None = None, n_gpus: int = 0) -> None:
        self.n_workers, self.n_threads, self.n_gpus = n_workers, n_threads, n_gpus

    def call(self, function: Callable[[], Result]) -> Result:
        """Call the function in this process, which sees the same machine."""
        return function()

    def run(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Receipt[Task, Result], None, None]:
        """Do the tasks, several at once.

        Raises:
            InputError: No process lives long enough to receive the work.
        """
        left = iter(tasks)
        workers: list[_Worker[Task, Result]] = [
            _Worker(work, self._environment(number)) for number in range(self.n_workers)
        ]
        try:
            while True:
                for worker in workers:
                    if worker.is_idle and (task := next(left, _NOTHING)) is not _NOTHING:
                        worker.give(task)
                busy = [worker for worker in workers if not worker.is_idle]
                if not busy:
                    return
                ready = wait([worker.pipe for worker in busy])
                for worker in busy:
                    receipt = worker.receive() if worker.pipe in ready else None
                    if receipt is None:
                        continue
                    if not any(worker.was_ready for worker in workers):
                        raise InputError(
                            f"the worker processes die as they start ({receipt.death}); in a "
                            'script begin with `if __name__ == "__main__":` and define classes of '
                            "your own in a module, or use --workers 1"
                        )
                    yield receipt
        finally:
            for worker in workers:
                worker.end()

    def _environment(self, number: int) -> dict[str, str]:
        """Return the variables that the libraries of a process read as they load."""
        variables = {}
        if self.n_threads is not None:
            variables["OMP_NUM_THREADS"] = str(self.n_threads)
        if self.n_gpus and self.n_workers > 1:
            allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
            place = number % self.n_gpus
            variables["CUDA_VISIBLE_DEVICES"] = allowed.split(",")[place] if allowed else str(place)
        return variables


_NOTHING: Any = object()


class _Worker(Generic[Task, Result]):
    """A process that does one task after another; started with the first."""

    def __init__(self, work: Callable[[Task], Result], environment: Mapping[str, str]) -> None:
        self.pipe: Connection
        self.was_ready = False
        self._work, self._environment = work, environment
        self._process: BaseProcess | None = None
        self._task: Task = _NOTHING

    @property
    def is_idle(self) -> bool:
        return self._task is _NOTHING

    def give(self, task: Task) -> None:
        if self._process is None or not self._process.is_alive():
            self._start()
        self._task = task
        with suppress(BrokenPipeError):  # it has died, and `receive` will say so
            self.pipe.send(task)

    def receive(self) -> Receipt[Task, Result] | None:
        """Return the receipt of the task, or None if the process has only said that it is ready."""
        try:
            message = self.pipe.recv()
        except (EOFError, ConnectionError):
            task, self._task = self._task, _NOTHING
            return Receipt(task=task, death=self._death())
        if message == _READY:
            self.was_ready = True
            return None
        task, self._task = self._task, _NOTHING
        (result,) = message
        return Receipt(task=task, result=result)

    def end(self) -> None:
        """Let an idle process end by itself, so that its libraries clean up; kill a busy one.

        Afterwards it writes nothing any more, so a lock may be given up.
        """
        if self._process is None:
            return
        self.pipe.close()
        if self.is_idle:
            self._process.join(timeout=_END_TIMEOUT_S)
        self._process.kill()
        self._process.join()

    def _death(self) -> str:
        if self._process is None:
            return "never started"
        self._process.join()
        code = self._process.exitcode or 0
        return f"signal {-code}; out of memory?" if code < 0 else f"exit status {code}"

    def _start(self) -> None:
        # A fork would copy threads of libraries, which then wait for ever; so the process is
        # spawned, and inherits its environment.
        context = multiprocessing.get_context("spawn")
        if self._process is not None:
            self.pipe.close()
        self.pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._work), daemon=True)
        with _environment(self._environment):
            self._process.start()
        other.close()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """Do what comes through the pipe until it closes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches every process of the terminal; the parent stops and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    message: Any = _READY
    while True:
        try:
            pipe.send(message)
            task = pipe.recv()
        except (EOFError, ConnectionError):  # the parent has closed the pipe, or is gone
            return
        message = (work(task),)


def _end_with_parent() -> None:
    """End this process when its parent is killed; otherwise it would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Ray:
    """Actors on a Ray cluster, whose machines must share the folders that tasks read and write.

    A task whose actor or machine is lost is given to a new actor, up to `MAX_RETRIES` times.

    Args:
        ray: The module, connected: see `hexapla.runs.ray_cluster`.
        n_workers: Actors at once.
        n_cpus: Cores that Ray reserves for each; it sets OMP_NUM_THREADS to them.
        n_gpus: GPUs that Ray reserves for each; a fraction shares a GPU.
    """

    def __init__(self, ray: Any, n_workers: int, *, n_cpus: int = 1, n_gpus: float = 0) -> None:
        self.n_workers = n_workers
        self._ray = ray
        self._resources = {"num_cpus": n_cpus, "num_gpus": n_gpus}

    def call(self, function: Callable[[], Result]) -> Result:
        """Call the function on a machine that has what a task needs.

        Raises:
            InputError: The function raised one.
        """
        remote = self._ray.remote(**self._resources)(_call)
        try:
            result: Result = self._ray.get(remote.remote(function))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, InputError) else error from None
        return result

    def run(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Receipt[Task, Result], None, None]:
        """Do the tasks, several at once.

        Raises:
            InputError: An actor cannot receive the work.
        """
        left = iter(tasks)
        actors: _Actors[Task, Result] = _Actors(self._ray, self._resources, work)
        try:
            while True:
                while actors.n_busy < self.n_workers:
                    if (task := next(left, _NOTHING)) is _NOTHING:
                        actors.end_idle()
                        break
                    actors.give(task)
                if not actors.n_busy:
                    return
                if (receipt := actors.receive()) is not None:
                    yield receipt
        finally:
            actors.end()


class _Actors(Generic[Task, Result]):
    """The actors of one run: the busy ones, by the reference of what they do, and the idle ones."""

    def __init__(
        self, ray: Any, resources: Mapping[str, float], work: Callable[[Task], Result]
    ) -> None:
        self._ray = ray
        self._start = ray.remote(**resources)(_Actor).remote
        self._work = ray.put(work)
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Task, int]] = {}  # actor, task, how often it was lost

    @property
    def n_busy(self) -> int:
        return len(self._busy)

    def give(self, task: Task, *, n_losses: int = 0) -> None:
        actor = self._idle.pop() if self._idle else self._start(self._work)
        self._busy[actor.do.remote(task)] = (actor, task, n_losses)

    def receive(self) -> Receipt[Task, Result] | None:
        """Wait for a receipt; return None if an actor was lost and another got its task."""
        (ready,), _ = self._ray.wait(list(self._busy), num_returns=1)
        actor, task, n_losses = self._busy.pop(ready)
        try:
            result = self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(actor)
            death = f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
            if getattr(error, "actor_init_failed", False):
                raise InputError(f"a Ray worker cannot start: {death}") from error
            is_lost = not isinstance(error, self._ray.exceptions.RayTaskError)
            if not is_lost or n_losses == MAX_RETRIES:
                return Receipt(task=task, death=death)
            _log.warning("a Ray worker was lost; its task is done again: %s", death)
            self.give(task, n_losses=n_losses + 1)
            return None
        self._idle.append(actor)
        return Receipt(task=task, result=result)

    def end_idle(self) -> None:
        """End the idle actors, since the successor of a lost one may wait for what they reserve."""
        while self._idle:
            self._ray.kill(self._idle.pop())

    def end(self) -> None:
        self.end_idle()
        for actor, _, _ in self._busy.values():
            self._ray.kill(actor)


class _Actor:
    """A worker of a cluster: receives the work once, and then tasks."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def do(self, task: Any) -> Any:
        return self._work(task)


def _call(function: Callable[[], Any]) -> Any:
    return function()
