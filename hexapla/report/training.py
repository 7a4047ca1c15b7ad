"""The record that lies beside scores (`run.json`) -> how the encoder that they are of was trained.

Scores say what was measured; whether two encoders had the same training but for the regime, or for
the seed, is only in what `align` wrote of its run and `evaluate` kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.evaluation.scores import Score
from hexapla.runs.record import RUN, read_record

# Fields of align.json that a run is made by, besides regime, seed and budget.
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
    """What an alignment run took, and by which settings.

    Attributes:
        budget: `rows`, `encodings` or `converged`.
        n_rows_seen: Rows seen.
        n_encodings: Sentences encoded.
        corpus_sha256: Hash of the corpus, and of the columns and rows of it that were trained on.
        settings: All else but regime and seed, by its name in align.json; None for what that does
            not say.
    """

    budget: str
    n_rows_seen: int
    n_encodings: int
    corpus_sha256: str
    settings: Mapping[str, Any]

    @property
    def amount(self) -> int | None:
        """How much of its budget there was: rows, or sentences encoded; None where training ends by itself."""
        field = _AMOUNTS[self.budget]
        return None if field is None else int(getattr(self, field))


def read_training(folder: Path, score: Score) -> Training | None:
    """Read how the encoder of a score was trained; None where nothing says so: no alignment, or an older record.

    Args:
        folder: Where the scores lie.
        score: One of them.

    Raises:
        InputError: The record is damaged, or of another encoder.
    """
    path, run = folder / RUN, read_record(folder)
    if run.get("command") != "evaluate":
        return None
    encoder = _get(path, run, "encoder", dict)
    if encoder.get("sha256") != score.encoder_sha:
        raise InputError(f"{path} is of another encoder than the scores beside it; evaluate again")
    made = encoder.get("training") or {}
    if not isinstance(made, dict):
        raise InputError(f"{path} is damaged: training is not a JSON object; evaluate again")
    if not made:
        return None
    made = {"whiten": "none", **made}  # older records do not know it
    budget = _get(path, made, "budget", str)
    if budget not in _AMOUNTS:
        raise InputError(
            f"{path}: the training budget is {budget}; this version knows {', '.join(_AMOUNTS)}"
        )
    return Training(
        budget=budget,
        n_rows_seen=_get(path, made, "n_rows_seen", int),
        n_encodings=_get(path, made, "n_encodings", int),
        corpus_sha256=_get(path, made, "corpus_sha256", str),
        settings={
            **{name: made.get(name) for name in _SETTINGS},
            "merged": "yes" if "merged" in made else "no",
        },
    )


def _get(path: Path, fields: Mapping[str, Any], name: str, kind: type) -> Any:
    value = fields.get(name)
    if type(value) is not kind:
        raise InputError(
            f"{path} is damaged: {name} is {json.dumps(value)}, not {kind.__name__}; evaluate again"
        )
    return value
