"""Executors: every task gets its receipt, whatever happens to the workers.

Pinned here: tasks are taken only when a worker is free; a worker that dies is replaced and its task
told; workers end with their parent and on Ctrl-C; the work is loaded once per worker.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from hexapla.errors import InputError
from hexapla.runs.executors import Processes, Receipt, ThisProcess, _serve


@dataclass
class Work:
    """Answers with the process that did a task and how many it has done."""

    n_done: int = 0

    def __call__(self, task: str) -> tuple[str, int, int]:
        if task == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if task == "endless":
            threading.Event().wait()
        self.n_done += 1
        return task, os.getpid(), self.n_done


class NotHere:
    """Cannot be unpickled in another process."""

    def __call__(self, task: str) -> str:
        return task

    def __setstate__(self, state: dict[str, object]) -> None:
        raise RuntimeError("not here")

    def __getstate__(self) -> dict[str, object]:
        return {"a": 1}


def environment(name: str) -> str | None:
    return os.environ.get(name)


def test_this_process_does_the_tasks_in_order_with_one_worker() -> None:
    receipts = list(ThisProcess().run(Work(), iter("abc")))
    assert [receipt.result for receipt in receipts] == [
        (task, os.getpid(), number) for number, task in enumerate("abc", 1)
    ]
    assert ThisProcess().call(os.getpid) == Processes(2).call(os.getpid) == os.getpid()


def test_a_task_is_taken_only_when_a_worker_is_free() -> None:
    taken: list[str] = []

    def tasks() -> Iterator[str]:
        for task in "abcdef":
            taken.append(task)
            yield task

    with closing(Processes(2).run(Work(), tasks())) as receipts:
        assert taken == []
        next(receipts)
        assert taken == ["a", "b"]
        assert len([*receipts]) == 5


def test_a_worker_loads_its_work_once_and_does_one_task_after_another() -> None:
    results = [receipt.result for receipt in Processes(1).run(Work(), "abc")]
    assert [result[2] for result in results if result] == [1, 2, 3]
    assert len({result[1] for result in results if result} | {os.getpid()}) == 2


def test_a_worker_that_dies_is_replaced_and_its_task_told() -> None:
    receipts = list(Processes(1).run(Work(), ["good", "deadly", "next"]))
    assert receipts[1] == Receipt(task="deadly", death="signal 9; out of memory?")
    assert [receipt.result[::2] for receipt in receipts if receipt.result] == [
        ("good", 1),
        ("next", 1),
    ]


def test_work_that_no_process_can_receive_is_refused() -> None:
    with pytest.raises(InputError, match=r"die as they start \(exit status 1\).*--workers 1"):
        list(Processes(2).run(NotHere(), "abc"))
    assert multiprocessing.active_children() == []


def test_closing_ends_busy_workers_at_once() -> None:
    receipts = Processes(2).run(Work(), ["a", "endless", "endless"])
    assert next(receipts).task == "a"
    workers = multiprocessing.active_children()
    receipts.close()
    assert len(workers) == 2 and multiprocessing.active_children() == []


def test_an_idle_process_ends_by_itself() -> None:
    workers = [multiprocessing.active_children() for _ in Processes(1).run(Work(), "a")]
    assert [process.exitcode for process in workers[0]] == [0], (
        "killed, it leaves its libraries' semaphores behind"
    )


def test_ctrl_c_is_left_to_the_parent() -> None:
    (receipt,) = Processes(1).run(Work(), ["interrupt"])
    assert receipt.death == "" and receipt.result is not None


def test_libraries_get_their_threads_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = Processes(2, n_threads=3, n_gpus=2)
    names = ["OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"]
    found = [receipt.result for receipt in executor.run(environment, names)]
    assert "3" in found and {"4", "7"} & set(found)
    assert "OMP_NUM_THREADS" not in os.environ and environment("CUDA_VISIBLE_DEVICES") == "4,7"


_PARENT = """
from tests.runs.test_executors import Work
from hexapla.runs.executors import Processes

if __name__ == "__main__":
    for receipt in Processes(2).run(Work(), ["a", "endless", "endless"]):
        print(receipt.task, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert parent.stdout is not None and parent.stdout.readline() == b"a\n"
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.send_signal(how)
    parent.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_a_process_whose_parent_is_gone_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    here, there = multiprocessing.Pipe()
    here.close()
    _serve(there, print)
