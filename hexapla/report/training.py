"""The record beside scores (`run.json`) -> how the measured encoder was trained.

Scores say what was measured. Whether the training of two encoders differs only in the regime, or
only in the seed, is known from the record that `align` wrote and `evaluate` copied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.evaluation.scores import Score
from hexapla.runs.record import RUN_FILE, read_record

# Fields of align.json that determine a run, besides regime, seed and budget.
_SETTINGS = (
    "base",
    "base_sha256",
    "corpus",
    "corpus_sha256",
    "languages",
    "prompt",
    "temperature",
    "margin",
    "negatives",
    "matryoshka",
    "whiten",
    "preserve",
    "lora",
    "learning_rate",
    "rows_per_step",
)
_AMOUNTS = {"rows": "n_rows_seen", "encodings": "n_encodings", "converged": None}


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
    path, run = folder / RUN_FILE, read_record(folder)
    if run.get("command") != "evaluate":
        return None
    encoder = _get(path, run, "encoder", dict)
    if encoder.get("sha256") != score.encoder_sha:
        raise InputError(
            f"{path} belongs to another encoder than the scores beside it; evaluate again"
        )
    record = encoder.get("training") or {}
    if not isinstance(record, dict):
        raise InputError(f"{path} is damaged: training is not a JSON object; evaluate again")
    if not record:
        return None
    record = {"whiten": "none", **record}  # missing from older records
    budget = _get(path, record, "budget", str)
    if budget not in _AMOUNTS:
        raise InputError(
            f"{path}: the training budget is {budget}; this version knows {', '.join(_AMOUNTS)}"
        )
    return Training(
        budget=budget,
        n_rows_seen=_get(path, record, "n_rows_seen", int),
        n_encodings=_get(path, record, "n_encodings", int),
        corpus_sha256=_get(path, record, "corpus_sha256", str),
        settings={
            **{name: record.get(name) for name in _SETTINGS},
            "merged": "yes" if "merged" in record else "no",
        },
    )


def _get(path: Path, fields: Mapping[str, Any], name: str, kind: type) -> Any:
    value = fields.get(name)
    if type(value) is not kind:
        raise InputError(
            f"{path} is damaged: {name} is {json.dumps(value)}, not {kind.__name__}; evaluate again"
        )
    return value
