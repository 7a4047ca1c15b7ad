"""What later commands read of an alignment, checked: `align.json`, and `run.json` beside it.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hexapla.errors import InputError
from hexapla.runs.record import RunRecord, read_record
from hexapla.runs.schema import OPTIONAL, Count, LanguageCode, Stored, Text, read_object

# What a card needs of it.
CARD_KEYS = (
    "base",
    "base_sha256",
    "corpus",
    "corpus_sha256",
    "pivot",
    "languages",
    "columns",
    "regime",
    "negatives",
    "budget",
    "temperature",
    "margin",
    "learning_rate",
    "rows_per_step",
    "seed",
    "n_steps",
    "epochs",
    "n_rows",
    "n_encodings",
    "held_out",
)

_Share = Annotated[float, Field(ge=0, le=1)]
_HeldOut = Annotated[float, Field(ge=0, lt=1)]


class LossPoint(Stored):
    """A point of the loss curve."""

    step: Count
    loss: float


class AccuracyPoint(Stored):
    """Retrieval accuracy on held-out rows after a step."""

    step: Count
    accuracy: _Share


class MergeFacts(Stored):
    """What a merge chose; `merge.json` holds it too."""

    base: Text
    alpha: _Share
    accuracy: _Share
    qualified: bool
    n_rows: Count


class Alignment(Stored):
    """What is read of `align.json`; a version that lacked a setting left its key out."""

    sha256: Text = OPTIONAL
    base: Text = OPTIONAL
    base_sha256: Text = OPTIONAL
    base_model: Text | None = OPTIONAL
    corpus: Text = OPTIONAL
    corpus_sha256: Text = OPTIONAL
    pivot: LanguageCode = OPTIONAL
    languages: Annotated[list[LanguageCode], Field(min_length=1)] = OPTIONAL
    columns: dict[str, dict[str, Any]] = OPTIONAL
    regime: Text = OPTIONAL
    cells_per_row: int | Literal["all"] = OPTIONAL
    hard_negatives: int = OPTIONAL
    budget: Text = OPTIONAL
    negatives: Text = OPTIONAL
    prompt: str = OPTIONAL
    example: list[Text] = OPTIONAL
    seed: int = OPTIONAL
    temperature: float = OPTIONAL
    margin: float = OPTIONAL
    matryoshka: list[Count] = OPTIONAL
    whiten: str = OPTIONAL
    preserve: float | None = OPTIONAL
    alpha: float = OPTIONAL
    contrastive_weight: float = OPTIONAL
    teacher: Text | None = OPTIONAL
    teacher_sha256: Text | None = OPTIONAL
    teacher_weight: float | None = OPTIONAL
    teacher_loss: str | None = OPTIONAL
    lora: int | None = OPTIONAL
    learning_rate: float = OPTIONAL
    rows_per_step: Count = OPTIONAL
    n_rows: Count = OPTIONAL
    n_rows_seen: Count = OPTIONAL
    n_steps: Count = OPTIONAL
    n_encodings: Count = OPTIONAL
    epochs: float = OPTIONAL
    losses: list[LossPoint] = OPTIONAL
    held_out: list[AccuracyPoint] = OPTIONAL
    held_out_share: _HeldOut | None = OPTIONAL
    n_held_out: Count = OPTIONAL
    n_unusable: Count = OPTIONAL
    n_truncated: Count = OPTIONAL
    accuracy_before: _Share | None = OPTIONAL
    accuracy_after: _Share | None = OPTIONAL
    seconds: float = OPTIONAL
    best_step: Count | None = OPTIONAL
    merged: MergeFacts = OPTIONAL


class AlignSettings(Stored):
    """Settings in the `run.json` of an encoder's folder that later commands read."""

    corpus: str | None = OPTIONAL
    encoder: str | None = OPTIONAL
    languages: list[str] | None = OPTIONAL
    held_out: _HeldOut | None = OPTIONAL


class AlignRun(RunRecord):
    """The `run.json` of an encoder's folder."""

    config: AlignSettings = OPTIONAL  # type: ignore[assignment]
    corpus_path: str = OPTIONAL


def read_alignment(path: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """Return what an `align.json` holds, or nothing if there is none.

    Args:
        path: The file, in an encoder's folder.
        needed: Keys that must be there.

    Raises:
        InputError: The file is damaged, or lacks a key that is needed.
    """
    if not path.is_file():
        return {}
    alignment = read_object(path, Alignment)
    if missing := [key for key in needed if key not in alignment]:
        raise InputError(
            f"{path}: has no {', '.join(missing)}; give an encoder that hexapla align made"
        )
    return alignment


def base_of(folder: Path) -> str | None:
    """Return the name of the encoder that the one in a folder was aligned from, or None."""
    base: str | None = read_record(folder, AlignRun).get("config", {}).get("encoder")
    return base or None
