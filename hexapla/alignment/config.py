"""The settings of an alignment run, each checked by itself before anything is opened or loaded."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hexapla.alignment.batches import Regime
from hexapla.alignment.functional import Negatives
from hexapla.alignment.loss import check_settings
from hexapla.encoder.load import Pooling
from hexapla.errors import InputError, nearest
from hexapla.text import languages as codes

Budget = Literal["rows", "encodings", "converged"]
Whiten = Literal["none", "start", "end"]
_CHOICES = {
    "regime": tuple(Regime),
    "budget": get_args(Budget),
    "negatives": get_args(Negatives),
    "whiten": get_args(Whiten),
    "precision": ("auto", "bf16", "fp32"),
    "pooling": (*get_args(Pooling), None),
}
_NOT_IDENTITY = (
    "out",
    "resume",
    "overwrite",
    "trust_remote_code",
    "allow_pickle",
    "report_to",
    "checkpoint_steps",
    "chunk_tokens",
    "compile",
)
_MOST_EPOCHS = 50.0  # cap of the "converged" budget


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Settings of an alignment run. The defaults are ours for a base-size encoder; the paper's are not known to us.

    Attributes:
        corpus: a corpus folder, a table file, or "sample".
        encoder: a Hub name ("org/name" or "org/name@revision"), an encoder folder, or "tiny".
        out: the folder of the run, which becomes the encoder's.
        languages: the columns to train, all of the corpus by default; the pivot is always among
            them.
        regime: which cells of a row take part; see `Regime`.
        budget: "rows": `epochs` passes over the rows. "encodings": as many sentences encoded as
            `epochs` passes of multiway encode. "converged": until held-out retrieval improves no
            more, even at a lower learning rate.
        negatives: "target" or "all"; see `multiway_loss`.
        temperature: divisor of cosines, above 0.
        margin: additive margin, a cosine of 0 or more.
        epochs: passes over the rows; 1, or at most 50 under "converged", if not given.
        rows_per_step: rows whose cells meet in one batch, 2 or more.
        learning_rate: peak of AdamW's, after the warm-up; it falls linearly to 0, under "converged"
            by `patience`.
        warmup: share of the steps that the learning rate takes to rise, 0 to 1; there is none under
            "converged".
        weight_decay: AdamW's, 0 or more.
        gradient_accumulation: batches per optimiser step; negatives do not cross batches.
        chunk_tokens: most tokens whose activations are held at once; a larger step goes by gradient
            caching, with the same gradients and about 1.4 times the work. None holds a step's, and
            halves after running out of memory.
        gradient_checkpointing: keep no activations inside a pass but compute them again: slower,
            far less memory.
        lora: rank of low-rank adapters, which are trained instead of the transformer's weights and
            merged at the end; 0 is without.
        matryoshka: leading dimensions that must do by themselves; the loss is the mean over them.
        whiten: append a linear layer that makes the spread of a row's cells even in all directions
            (WCCN), fitted to the rows that are trained on, with all their columns: "start" trains
            it too, "end" fits it to the trained encoder, "none" does without; see
            `hexapla.encoder.whitening`.
        preserve: weight of a term that keeps the pivot's vectors as the encoder has them, once
            whitened; 0 is without.
        compile: let torch.compile make the encoder's kernels; sentences are padded then.
        pooling: of a bare transformer: "mean", "cls" or "lasttoken"; by default the last token's
            vector where attention is causal, else the mean.
        max_tokens: longer texts are truncated; the encoder's own limit if not given.
        prompt: text in front of every cell, saved in the encoder; its own, or E5's "query: ", if
            not given.
        held_out: share of the rows kept from training, by row hash; 0, or 0.05 under "converged",
            if not given.
        patience: evaluations (four an epoch) without improvement after which the learning rate
            falls to 0.3 of what it was, under "converged"; three times as many end the run.
        checkpoint_steps: steps between checkpoints.
        precision: "auto" is bf16 on a GPU that has it, else fp32.
        report_to: where the trainer logs to: "tensorboard" (in the folder), "none", or another it
            knows.
        seed: of order, draws and dropout.
        resume: go on with the interrupted run in `out`.
        overwrite: replace the run in `out`.
        trust_remote_code: run the encoder's own code.
        allow_pickle: load weights other than safetensors.
    """

    corpus: str
    encoder: str
    out: Path
    languages: tuple[str, ...] | None = None
    regime: Regime = Regime.MULTIWAY
    budget: Budget = "rows"
    negatives: Negatives = "target"
    temperature: float = 0.05
    margin: float = 0.0
    epochs: float | None = None
    rows_per_step: int = 64
    learning_rate: float = 2e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    gradient_accumulation: int = 1
    chunk_tokens: int | None = None
    gradient_checkpointing: bool = False
    lora: int = 0
    matryoshka: tuple[int, ...] = ()
    whiten: Whiten = "none"
    preserve: float = 0.0
    compile: bool = False
    pooling: Pooling | None = None
    max_tokens: int | None = None
    prompt: str | None = None
    held_out: float | None = None
    patience: int = 4
    checkpoint_steps: int = 500
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    report_to: str = "tensorboard"
    seed: int = 0
    resume: bool = False
    overwrite: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        """Check every value by itself and bring words into their canonical form."""
        self._check_types()
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                raise InputError(
                    f'{key} is "{getattr(self, key)}"; it must be {", ".join(filter(None, allowed))}'
                    f"{nearest(str(getattr(self, key)), filter(None, allowed))}"
                )
        object.__setattr__(self, "regime", Regime(self.regime))
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "matryoshka", _dimensions(self.matryoshka))
        if self.languages is not None:
            object.__setattr__(self, "languages", codes.parse_list(self.languages))
        converged = self.budget == "converged"
        if self.epochs is None:
            object.__setattr__(self, "epochs", _MOST_EPOCHS if converged else 1.0)
        if self.held_out is None:
            object.__setattr__(self, "held_out", 0.05 if converged else 0.0)
        self._check_ranges()

    def identity(self) -> dict[str, Any]:
        """Return the settings that what is trained depends on, defaults written out."""
        return {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key not in _NOT_IDENTITY
        }

    def _check_types(self) -> None:
        """Refuse a value of another type; recipes are TOML, so a float may stand where an integer is meant."""
        for field in dataclasses.fields(self):
            value, kinds = getattr(self, field.name), str(field.type)
            if value is None and "None" in kinds:
                continue
            expected = next(
                (
                    kind
                    for name, kind in (("bool", bool), ("int", int), ("str", str))
                    if kinds.startswith(name)
                ),
                None,
            )
            if expected and (
                not isinstance(value, expected) or (expected is int and isinstance(value, bool))
            ):
                raise InputError(
                    f"{field.name} is {value!r}; it must be of type {expected.__name__}"
                )
            if kinds.startswith("float") and not _is_number(value):
                raise InputError(f"{field.name} is {value!r}; it must be a number")

    def _check_ranges(self) -> None:
        least = {
            "rows_per_step": 2,
            "gradient_accumulation": 1,
            "chunk_tokens": 1,
            "lora": 0,
            "preserve": 0,
            "max_tokens": 3,
            "patience": 1,
            "checkpoint_steps": 1,
            "seed": 0,
            "margin": 0,
            "weight_decay": 0,
        }
        for key, floor in least.items():
            value = getattr(self, key)
            if value is not None and not (_is_number(value) and floor <= value < math.inf):
                raise InputError(f"{key} is {value!r}; it must be {floor} or more")
        for key in ("temperature", "epochs", "learning_rate"):
            value = getattr(self, key)
            if not (_is_number(value) and 0 < value < math.inf):
                raise InputError(f"{key} is {value!r}; it must be above 0")
        self._check_loss()
        for key in ("warmup", "held_out"):
            value = getattr(self, key)
            if not (_is_number(value) and 0 <= value < 1):
                raise InputError(f"{key} is {value!r}; it must be 0 or more and below 1")
        if self.whiten != "none" and self.regime == Regime.PIVOT_ONLY:
            raise InputError(
                f"whiten is {self.whiten} and the regime pivot-only; it is fitted to what translations of "
                "a sentence differ by, so set it to none (--whiten none)"
            )
        if self.whiten == "end" and (self.preserve or self.matryoshka):
            trained = "preserve" if self.preserve else "matryoshka"
            raise InputError(
                f"whiten is end, which turns and scales the vectors that {trained} has trained; "
                "take whiten start or none"
            )
        if self.budget == "converged" and not self.held_out:
            raise InputError(
                "budget is converged and held_out is 0; held-out rows say when to stop, so give a share"
            )

    def _check_loss(self) -> None:
        """Have the loss itself refuse what it cannot work with."""
        try:
            check_settings(self.temperature, self.margin, self.negatives, "all")
        except ValueError as error:
            raise InputError(str(error)) from error


def _dimensions(value: object) -> tuple[int, ...]:
    """Return dimensions from a tuple, a list or a text such as "256,128,64", the largest first."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and all(
        str(part).strip().isdecimal() and int(part) > 0 for part in parts
    ):
        return tuple(sorted({int(part) for part in parts}, reverse=True))
    raise InputError(
        f"matryoshka is {value!r}; it must be numbers of dimensions, such as 256,128,64"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
