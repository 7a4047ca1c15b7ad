"""What a training will take: steps, tokens, memory and time, by `hexapla align --dry-run`.

A part of the rows is tokenised and a step of training is timed on some of them, in memory that is
given back. Nothing stays on the disk.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from accelerate import PartialState

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.prepare import Prepared, prepare
from hexapla.alignment.stage import load_inputs
from hexapla.alignment.step_measurement import StepMeasurement, measure_step, resident_bytes
from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.runs.progress import format_duration

_N_SAMPLED = 2000  # rows whose tokens are counted
# Gradient caching encodes every cell twice, once without gradients.
_CACHING = 1.4
# A forward pass without gradients takes about a third of one with its backward pass.
_FORWARD = 1 / 3
_EVALUATIONS_PER_EPOCH = {"converged": 4}
# NVIDIA's data sheet of the A100, dense bf16. What small batches of sentences reach of it, and the
# time of optimiser, loss and launches, are guesses.
_A100_FLOPS = 312e12
_UTILISATION = 0.3
_GPU_STEP_S = 0.05


@dataclass(frozen=True, kw_only=True)
class TrainingEstimate:
    """What a training will take.

    Attributes:
        encoder: Name of the encoder.
        regime: Name of the regime.
        n_languages: Columns.
        n_rows: Rows to train on.
        n_held_out: Rows held out.
        n_unusable: Rows with too few cells.
        n_steps: Steps of the optimiser.
        rows_per_step: Rows in one batch.
        n_encodings: Sentences to encode.
        n_tokens: Their tokens.
        n_mined: Further sentences to encode, to find hard negatives.
        n_parameters: Weights of the encoder.
        n_trained: Those that are trained.
        n_body: Those that are no token embeddings; each takes part in the product of every token.
        memory: Bytes, by what they are needed for.
        seconds: Time of steps, of measurements on held-out rows and of finding hard negatives, on
            this machine.
        device: What it was measured on.
        n_rows_measured: Rows of the step that was timed.
        is_longest: Training may end before, since held-out rows decide.
        has_teacher: A teacher's vectors, which are not in the time, have to be made or are cached.
    """

    encoder: str
    regime: str
    n_languages: int
    n_rows: int
    n_held_out: int
    n_unusable: int
    n_steps: int
    rows_per_step: int
    n_encodings: int
    n_tokens: int
    n_mined: int
    n_parameters: int
    n_trained: int
    n_body: int
    memory: Mapping[str, float]
    seconds: float
    device: str
    n_rows_measured: int
    is_longest: bool
    has_teacher: bool

    @property
    def gpu_seconds(self) -> float:
        """Time on an A100 by published figures: 6 operations for each weight and token."""
        mined = 2.0 * self.n_mined / self.n_encodings  # without a backward pass
        operations = (6.0 + mined) * self.n_body * self.n_tokens
        return operations / (_UTILISATION * _A100_FLOPS) + self.n_steps * _GPU_STEP_S

    def lines(self) -> list[str]:
        """Return the estimate as lines of text."""
        left_out = [
            f"{n_rows:,} rows {why}"
            for n_rows, why in (
                (self.n_held_out, "held out"),
                (self.n_unusable, "with fewer than two of the languages"),
            )
            if n_rows
        ]
        parts = ", ".join(f"{name} {size / 2**30:.1f}" for name, size in self.memory.items())
        longest = "at most " if self.is_longest else ""
        lines = [
            f"{self.encoder} under {self.regime}: {self.n_rows:,} rows to train on, in "
            f"{self.n_languages} languages; {', '.join(left_out) or 'no row left out'}",
            f"{longest}{self.n_steps:,} steps of {self.rows_per_step:,} rows, "
            f"{self.n_encodings:,} sentences, about {self.n_tokens:,} tokens"
            f"{f'; {self.n_mined:,} more to find hard negatives' if self.n_mined else ''}",
            f"trained: {self.n_trained:,} of {self.n_parameters:,} weights",
            f"memory: about {sum(self.memory.values()) / 2**30:.1f} GiB ({parts})",
            f"time: {longest or 'about '}{format_duration(self.seconds)} with {self.device} "
            f"(a step measured on {self.n_rows_measured:,} of its {self.rows_per_step:,} rows)",
        ]
        if "GPU" not in self.device:
            least = format_duration(math.ceil(self.gpu_seconds))
            lines.append(
                f"time on an A100 GPU: at least {least}, not measured: "
                f"{_A100_FLOPS / 1e12:.0f} TFLOP/s in bf16 by NVIDIA's data sheet, "
                f"{100 * _UTILISATION:.0f} % of that and {_GPU_STEP_S:g} s of other work a step "
                "assumed"
            )
        if self.has_teacher:
            lines.append("the teacher's vectors, made once before training, are not in these times")
        return [*lines, "nothing was trained or written"]


def estimate_training(config: AlignConfig) -> TrainingEstimate:
    """Count what a training takes, and time a part of a step.

    Raises:
        InputError: As in `align`, for what is found before the first step.
    """
    PartialState(cpu=not torch.cuda.is_available())
    # On a GPU, memory is the device's.
    libraries = 0.0 if torch.cuda.is_available() else resident_bytes()
    with _own_cache() as folder:
        prepared = prepare(config)
        sampled = _sample(prepared, Path(folder))
        inputs = load_inputs(sampled.config, sampled, quiet=True)
        step = measure_step(sampled, inputs)
        return _estimate(prepared, step, libraries)


@contextmanager
def _own_cache() -> Iterator[str]:
    """Let rows and tokens be cached in a folder that is removed."""
    usual = datasets.config.HF_DATASETS_CACHE
    with tempfile.TemporaryDirectory() as folder:
        datasets.config.HF_DATASETS_CACHE = Path(folder)
        try:
            yield folder
        finally:
            datasets.config.HF_DATASETS_CACHE = usual


def _sample(prepared: Prepared, folder: Path) -> Prepared:
    """Return a run on some usable rows, evenly spaced, without what happens once around it."""
    n_rows = min(len(prepared.usable), max(_N_SAMPLED, prepared.config.rows_in_step))
    places = np.linspace(0, len(prepared.usable) - 1, n_rows).round().astype(np.int64)
    config = dataclasses.replace(
        prepared.config,
        out=folder / "out",
        resume=False,
        overwrite=False,
        report_to="none",
        compile=False,
        budget="rows",
        epochs=1.0,
        held_out=0.0,
        preserve=0.0,
        hard_negatives=0,
        whiten="none",
        teacher=None,
        teacher_weight=None,
        teacher_loss=None,
        teacher_prompt=None,
        contrastive_weight=1.0,
    )
    return dataclasses.replace(
        prepared,
        config=config,
        rows=prepared.rows.select(prepared.usable[places]),
        usable=np.arange(n_rows),
        held_out=None,
        teacher=None,
        epochs=1.0,
    )


def _estimate(prepared: Prepared, step: StepMeasurement, libraries: float) -> TrainingEstimate:
    """Scale what a step takes to the whole training."""
    config = prepared.config
    n_tokens = prepared.epochs * len(prepared.usable) * step.tokens_per_row
    step_tokens = config.rows_in_step * step.tokens_per_row
    at_once = min(step_tokens, config.chunk_tokens or step_tokens)
    # The step that was timed did not need caching if it was small.
    is_slower = at_once < step_tokens and step.n_tokens <= at_once
    n_encodings = round(prepared.epochs * prepared.encodings_per_epoch)
    n_held_out = len(prepared.held_out or ())
    per_epoch = _EVALUATIONS_PER_EPOCH.get(config.budget, 1)
    # With alpha below 1, what is saved is measured once more.
    n_at_ends = 1 if config.alpha == 1 else 2
    n_evaluations = n_at_ends + round(prepared.epochs * per_epoch) if n_held_out else 0
    held_out_tokens = (
        min(n_held_out, MAX_HELD_OUT_ROWS) * len(prepared.corpus.languages) * n_tokens / n_encodings
    )
    n_mined = prepared.n_mined(prepared.epochs)
    return TrainingEstimate(
        encoder=prepared.base.name,
        regime=str(config.regime),
        n_languages=len(prepared.corpus.languages),
        n_rows=len(prepared.usable),
        n_held_out=n_held_out,
        n_unusable=len(prepared.rows) - len(prepared.usable),
        n_steps=prepared.n_steps,
        rows_per_step=config.rows_in_step,
        n_encodings=n_encodings,
        n_tokens=round(n_tokens),
        n_mined=n_mined,
        n_parameters=step.n_parameters,
        n_trained=step.n_trained,
        n_body=step.n_body,
        memory={
            "weights": step.weights,
            "gradients and AdamW": 3.0 * 4 * step.n_trained,
            "activations of a step": step.activations_per_token * at_once,
            **({"libraries": libraries} if libraries else {}),
        },
        seconds=(
            n_tokens * step.seconds_per_token * (_CACHING if is_slower else 1.0)
            + prepared.n_steps * step.optimiser_s
            + (n_evaluations * held_out_tokens + n_mined * n_tokens / n_encodings)
            * step.seconds_per_token
            * _FORWARD
        ),
        device=step.device,
        n_rows_measured=step.n_rows,
        is_longest=config.budget == "converged",
        has_teacher=prepared.teacher is not None,
    )
