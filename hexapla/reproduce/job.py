"""One cell of the matrix as a job, and what the folders say of it: trained, evaluated, how long.

A job holds everything that a worker needs and nothing of the recipe, so it can be done in another
process or on another machine that shares the folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hexapla.alignment.config import AlignConfig
from hexapla.encoder.locate import RESULT
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.scores import SCORES_FILE
from hexapla.runs.record import RUN_FILE
from hexapla.runs.schema import Stored, read_object

CELL_RECORD = "cell.json"


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """What is to be done for a cell.

    Attributes:
        label: The cell's label.
        log: File for what the libraries print.
        scores: Folder of the cell's scores, where its record goes.
        align: Settings of its training; None for an encoder as it is.
        evaluate: Settings of its missing evaluations, by suite.
        keep: Keep the weights when the scores are there.
    """

    label: str
    log: Path
    scores: Path
    align: AlignConfig | None
    evaluate: Mapping[str, EvaluateConfig]
    keep: bool = True


class _CellTimes(Stored):
    """What is read of a cell's record."""

    seconds: dict[str, float]


def seconds_of(scores: Path) -> dict[str, float]:
    """Return how long each stage of a cell took, by its record, over all runs that ended."""
    path = scores / CELL_RECORD
    return dict(read_object(path, _CellTimes)["seconds"]) if path.is_file() else {}


def is_evaluated(folder: Path) -> bool:
    """Return whether an evaluation is finished."""
    return (folder / SCORES_FILE).is_file()


def has_weights(folder: Path) -> bool:
    """Return whether a training is finished and its encoder was kept."""
    return (folder / RESULT).is_file() and (folder / "modules.json").is_file()


def drop_weights(folder: Path) -> None:
    """Remove an encoder except for the records of its training.

    `modules.json` goes first; without it the folder is no encoder.
    """
    (folder / "modules.json").unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (RESULT, RUN_FILE, "README.md"):
            path.unlink()
