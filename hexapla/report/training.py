"""The record beside scores (`run.json`) -> how the measured encoder was trained.

Scores say what was measured. Whether the training of two encoders differs only in the regime, or
only in the seed, is known from the record that `align` wrote and `evaluate` copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from hexapla.encoder.alignment_record import Alignment
from hexapla.errors import InputError
from hexapla.evaluation.scores import Score
from hexapla.runs.record import RUN_FILE, RunRecord, read_record
from hexapla.runs.schema import OPTIONAL, Count, Stored, Text

# Fields of align.json that determine a run, besides regime, seed and budget.
_SETTINGS = (
    "base",
    "base_sha256",
    "corpus",
    "corpus_sha256",
    "languages",
    "prompt",
    "cells_per_row",
    "hard_negatives",
    "temperature",
    "margin",
    "negatives",
    "matryoshka",
    "whiten",
    "preserve",
    "alpha",
    "contrastive_weight",
    "teacher",
    "teacher_sha256",
    "teacher_weight",
    "teacher_loss",
    "lora",
    "learning_rate",
    "rows_per_step",
)
_AMOUNTS = {"rows": "n_rows_seen", "encodings": "n_encodings", "converged": None}


class _MeasuredTraining(Alignment):
    """What is needed of a training to compare it."""

    budget: Text
    n_rows_seen: Count
    n_encodings: Count
    corpus_sha256: Text


class _MeasuredEncoder(Stored):
    """The encoder that was measured, and how it was trained."""

    sha256: Text
    training: Annotated[
        _MeasuredTraining | None, BeforeValidator(lambda value: None if value == {} else value)
    ] = OPTIONAL


class _MeasuredRun(RunRecord):
    """The record of an evaluation."""

    encoder: _MeasuredEncoder


@dataclass(frozen=True, kw_only=True)
class Training:
    """Budget and settings of an alignment run.

    Attributes:
        budget: `rows`, `encodings` or `converged`.
        n_rows_seen: Number of rows seen.
        n_encodings: Number of sentences encoded.
        corpus_sha256: Hash of the corpus, restricted to the columns and rows of the training.
        settings: All other settings except regime and seed, by their names in align.json; None
            where align.json lacks one.
    """

    budget: str
    n_rows_seen: int
    n_encodings: int
    corpus_sha256: str
    settings: Mapping[str, Any]

    @property
    def amount(self) -> int | None:
        """Size of the budget, in rows or in encoded sentences; None for training to convergence."""
        field = _AMOUNTS[self.budget]
        return None if field is None else int(getattr(self, field))


def read_training(folder: Path, score: Score) -> Training | None:
    """Read how the encoder of a score was trained.

    Args:
        folder: Folder of the scores.
        score: One of the scores.

    Returns:
        The training; None without a record of one: the encoder was not aligned, or the scores are
        from an older version.

    Raises:
        InputError: The record is damaged, or belongs to another encoder.
    """
    encoder, record = _read_encoder(folder), read_curves(folder)
    if encoder and encoder["sha256"] != score.encoder_sha:
        raise InputError(
            f"{folder / RUN_FILE} belongs to another encoder than the scores beside it; "
            "evaluate again"
        )
    if not record:
        return None
    # Missing from older records.
    record = {
        "cells_per_row": "all",
        "hard_negatives": 0,
        "whiten": "none",
        "contrastive_weight": 1.0,
        "alpha": 1.0,
        **record,
    }
    if record["budget"] not in _AMOUNTS:
        raise InputError(
            f"{folder / RUN_FILE}: the training budget is {record['budget']}; this version knows "
            f"{', '.join(_AMOUNTS)}"
        )
    return Training(
        budget=record["budget"],
        n_rows_seen=record["n_rows_seen"],
        n_encodings=record["n_encodings"],
        corpus_sha256=record["corpus_sha256"],
        settings={
            **{name: record.get(name) for name in _SETTINGS},
            "merged": "yes" if "merged" in record else "no",
        },
    )


def read_curves(folder: Path) -> dict[str, Any]:
    """Return what `align` recorded of the encoder behind a folder of scores, or nothing.

    Raises:
        InputError: The record is damaged.
    """
    return _read_encoder(folder).get("training") or {}


def _read_encoder(folder: Path) -> dict[str, Any]:
    if read_record(folder).get("command") != "evaluate":
        return {}
    encoder: dict[str, Any] = read_record(folder, _MeasuredRun)["encoder"]
    return encoder
