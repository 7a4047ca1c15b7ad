"""One cell of the matrix, done: train if need be, evaluate what is not, and a record of what it took.

A job holds all that a worker needs and nothing of the recipe, so that it may be done in another
process or on another machine that shares the folder. Both stages go on from wherever a kill left
them.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.encoder.locate import RESULT
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.scores import SCORES_FILE
from hexapla.evaluation.stage import evaluate
from hexapla.runs.atomic import write_json
from hexapla.runs.record import RUN, read_record

RECORD = "cell.json"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done for a cell.

    Attributes:
        label: The cell's.
        log: The file for what the libraries say.
        scores: The folder of the cell's scores, where the record goes.
        align: Its training; None for an encoder as it is.
        evaluate: Its evaluations by suite, those that are not done.
        keep: Keep the weights once the scores stand.
    """

    label: str
    log: Path
    scores: Path
    align: AlignConfig | None
    evaluate: Mapping[str, EvaluateConfig]
    keep: bool = True


def do(job: Job) -> dict[str, float]:
    """Do a job, and return the seconds that each stage took.

    What stands in a folder under its key is vouched for by that key: a trained encoder is not asked
    for its settings again, which name paths that may have changed.
    """
    took: dict[str, float] = {}
    if job.align is not None and not has_weights(job.align.out):
        started = time.monotonic()
        trained = {"corpus": job.align.corpus, "encoder": job.align.encoder}
        align(replace(job.align, resume=_begun(job.align.out, trained)), quiet=True)
        took["align"] = round(time.monotonic() - started, 1)
    for suite, config in job.evaluate.items():
        started = time.monotonic()
        out = Path(config.out)
        asked: dict[str, object] = {"encoder": config.encoder, "data": config.data}
        evaluate(replace(config, resume=_begun(out, asked)), quiet=True)
        took[suite] = round(time.monotonic() - started, 1)
    if job.align is not None and not job.keep:
        drop_weights(job.align.out)
    job.scores.mkdir(parents=True, exist_ok=True)
    before = seconds_of(job.scores)
    every = {stage: before.get(stage, 0.0) + took.get(stage, 0.0) for stage in (*before, *took)}
    write_json(job.scores / RECORD, {"label": job.label, "seconds": every})
    return took


def seconds_of(scores: Path) -> dict[str, float]:
    """Return what each stage of a cell took by its record, over all calls that ended."""
    path = scores / RECORD
    return dict(json.loads(path.read_text(encoding="utf-8"))["seconds"]) if path.is_file() else {}


def is_evaluated(folder: Path) -> bool:
    """Say whether an evaluation is finished."""
    return (folder / SCORES_FILE).is_file()


def has_weights(folder: Path) -> bool:
    """Say whether a training is finished, and its encoder was kept."""
    return (folder / RESULT).is_file() and (folder / "modules.json").is_file()


def drop_weights(folder: Path) -> None:
    """Remove an encoder but for the records of its training; `modules.json` first, without which it is none."""
    (folder / "modules.json").unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (RESULT, RUN, "README.md"):
            path.unlink()


def _begun(folder: Path, asked: Mapping[str, object]) -> bool:
    """Say whether there is a run to go on with.

    What a kill left before its record goes, and so does a run from other paths, and a training
    whose weights were not kept.
    """
    if folder.is_dir():
        config = read_record(folder).get("config", {})
        same = all(str(config.get(key)) == str(value) for key, value in asked.items())
        if config and same and not (folder / RESULT).is_file():
            return True
        shutil.rmtree(folder)
    return False
