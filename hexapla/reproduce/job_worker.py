"""Doing the job of a cell: train if need be, evaluate what is not evaluated, record what it took.

Both stages continue from wherever a kill left them.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import torch

from hexapla.alignment.stage import align
from hexapla.encoder.locate import RESULT
from hexapla.errors import InputError
from hexapla.evaluation.stage import evaluate
from hexapla.reproduce.job import CELL_RECORD, CellJob, drop_weights, has_weights, seconds_of
from hexapla.runs.atomic import write_json
from hexapla.runs.record import read_record


@dataclass(frozen=True)
class CellResult:
    """How a job ended.

    Attributes:
        seconds: How long each stage took.
        failure: Why it failed; empty if it did not.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True)
class JobWorker:
    """Does jobs, the output of each into its log.

    Attributes:
        n_threads: Threads of PyTorch; None leaves them alone.
    """

    n_threads: int | None = None

    def __call__(self, job: CellJob) -> CellResult:
        """Do a job; what goes wrong is in the result."""
        if self.n_threads is not None:
            torch.set_num_threads(self.n_threads)
        with _output_into(job.log) as log:
            try:
                return CellResult(do_job(job))
            except InputError as error:
                return CellResult(failure=str(error))
            except Exception as error:
                traceback.print_exc(file=log)
                return CellResult(failure=" ".join(f"{type(error).__name__}: {error}".split()))


def do_job(job: CellJob) -> dict[str, float]:
    """Do a job, and return how many seconds each stage took.

    A folder's key vouches for what is in it. A trained encoder is therefore not asked for its
    settings again, which name paths that may have changed.
    """
    seconds: dict[str, float] = {}
    if job.align is not None and not has_weights(job.align.out):
        started = time.monotonic()
        inputs: dict[str, object] = {"corpus": job.align.corpus, "encoder": job.align.encoder}
        align(replace(job.align, resume=_is_begun(job.align.out, inputs)), quiet=True)
        seconds["align"] = round(time.monotonic() - started, 1)
    for suite, config in job.evaluate.items():
        started = time.monotonic()
        inputs = {"encoder": config.encoder, "data": config.data}
        evaluate(replace(config, resume=_is_begun(config.out, inputs)), quiet=True)
        seconds[suite] = round(time.monotonic() - started, 1)
    if job.align is not None and not job.keep:
        drop_weights(job.align.out)
    job.scores.mkdir(parents=True, exist_ok=True)
    before = seconds_of(job.scores)
    total = {
        stage: before.get(stage, 0.0) + seconds.get(stage, 0.0) for stage in (*before, *seconds)
    }
    write_json(job.scores / CELL_RECORD, {"label": job.label, "seconds": total})
    return seconds


def _is_begun(folder: Path, inputs: Mapping[str, object]) -> bool:
    """Return whether there is a run to resume.

    A folder that a kill left before its record is removed, and so are a run with inputs from other
    paths, and a training whose weights were not kept.
    """
    if folder.is_dir():
        config = read_record(folder).get("config", {})
        is_same = all(str(config.get(key)) == str(value) for key, value in inputs.items())
        if config and is_same and not (folder / RESULT).is_file():
            return True
        shutil.rmtree(folder)
    return False


@contextmanager
def _output_into(path: Path) -> Iterator[TextIO]:
    """Append everything that this process prints or logs to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with path.open("a", encoding="utf-8") as log:
        handler = logging.StreamHandler(log)
        logging.getLogger("hexapla").addHandler(handler)
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        try:
            yield log
        finally:
            logging.getLogger("hexapla").removeHandler(handler)
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
