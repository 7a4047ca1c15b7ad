"""Settings of an alignment run, checked before anything is opened or loaded."""

from __future__ import annotations

import re
import reprlib
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from hexapla.encoder.config import ENCODER, MAX_PROMPT, EncodingSettings
from hexapla.errors import InputError
from hexapla.runs.config import ResumableSettings
from hexapla.runs.ranges import Seed, Share
from hexapla.runs.settings import (
    BUDGET,
    DATA,
    LOSS,
    SIZE,
    Flag,
    Languages,
    Name,
    identity,
    settings,
)

Budget = Literal["rows", "encodings", "converged"]
Negatives = Literal["target", "all"]
Pairs = Literal["all", "pivot"]
Whiten = Literal["none", "start", "end"]
TeacherLoss = Literal["cosine", "mse"]

TEMPERATURE = 0.05  # also the default of the loss as a module
MAX_EPOCHS_CONVERGED = 50.0
MAX_STEPS = 10**9  # at a thousand steps a second, two weeks
MAX_CHUNK = 2**30  # tokens; the activations of one take a kilobyte or more
TEACHER_WEIGHTS = {"cosine": 3.0, "mse": 500.0}  # by hand
MAX_DIMENSIONS = 32  # each costs a loss of its own
MIN_ROWS_PER_STEP, MAX_ROWS_PER_STEP = 8, 64  # by default
_MIN_STEPS = 8  # of an epoch, by default
# By default, with whitening from the start: epochs times rows, and the most epochs.
_ROWS_SEEN, _MAX_EPOCHS = 6_000, 4.0
# The standard error of an accuracy is at most 7 points on 50 rows, 5 on 100 and 2.2 on 500.
HELD_OUT, MAX_SHARE = 0.05, 0.1
MIN_HELD_OUT, USUAL_HELD_OUT, MAX_HELD_OUT = 50, 100, 500
_DIMENSION = re.compile("[1-9][0-9]{0,6}")
# Of (1 + margin) / temperature; above it float32 cannot distinguish cosines 1e-3 apart.
MAX_LOGIT = 1e4

_TEACHER = Flag(group="Teacher")
_NO_IDENTITY = Flag(group="Size", identity=False)


class Regime(StrEnum):
    """Which cells of a row take part in a step, and which terms the loss has."""

    MULTIWAY = "multiway"  # all present cells, all ordered pairs of columns: the method
    EN_X = "en-x"  # the pivot and one language drawn per row: the paper's baseline
    STAR = "star"  # all present cells, but only pairs with the pivot
    SAMPLED_PAIR = "sampled-pair"  # two languages drawn per row
    PIVOT_ONLY = "pivot-only"  # the pivot twice with different dropout: SimCSE

    @property
    def takes_all_cells(self) -> bool:
        """Whether a step encodes every present cell of a row, or two texts."""
        return self in (Regime.MULTIWAY, Regime.STAR)

    @property
    def min_cells(self) -> int:
        """How many cells a row needs to be trained on."""
        return 1 if self is Regime.PIVOT_ONLY else 2


def _parse_dimensions(value: object) -> tuple[int, ...]:
    """Return dimensions, largest first, from a tuple, a list or a text such as "256,128,64"."""
    parts = value.split(",", MAX_DIMENSIONS) if isinstance(value, str) else value
    if (
        isinstance(parts, list | tuple)
        and len(parts) <= MAX_DIMENSIONS
        and all(_DIMENSION.fullmatch(str(part).strip()) for part in parts)
    ):
        return tuple(sorted({int(part) for part in parts}, reverse=True))
    raise InputError(
        f"matryoshka is {reprlib.repr(value)}; it must be at most {MAX_DIMENSIONS} numbers of "
        "dimensions, such as 256,128,64"
    )


Dimensions = Annotated[
    tuple[int, ...], BeforeValidator(_parse_dimensions), Flag(metavar="DIM,DIM,...")
]


@settings
class AlignConfig(EncodingSettings, ResumableSettings):
    """Settings of an alignment run.

    Defaults that depend on the encoder or on other settings are None here, and `check_alignment`
    fills them in. The paper's settings are not known to us.
    """

    corpus: Annotated[Name, DATA, Flag(positional=True)]
    """Corpus folder, table file, or "sample"."""
    encoder: Annotated[Name, ENCODER]
    """Hub name ("org/name" or "org/name@revision"), encoder folder, "small" or "tiny"."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns to train on. By default all of the corpus; the pivot is always among them."""
    regime: Annotated[Regime, Strict(False), LOSS] = Regime.MULTIWAY
    """Which cells of a row take part in a step. multiway: all, each with each (the method). The
    others are controls. en-x: the pivot and one other language, drawn anew in every epoch. star:
    all, but only pairs with the pivot. sampled-pair: two, drawn anew. pivot-only: the pivot with
    itself under dropout."""
    hard_negatives: Annotated[int, Field(ge=0, le=1000), LOSS] = 0
    """How many of the most similar other rows share a step with a row; 0 takes rows at random. The
    encoder finds them before every pass, by the cosine of the pivots, among up to 8,192 rows drawn
    at random. A row whose cosine is 0.95 or more of that with the row's own translation may mean
    the same, and is not chosen. With 64 rows a step, 7 is a good number."""
    cells_per_row: Annotated[Annotated[int, Field(ge=0, le=10_000)] | None, LOSS] = None
    """Cells of a row that a step takes under multiway and star: the pivot and others that are drawn
    anew in every epoch; 0 takes all. By default 3 under multiway, and all under star."""
    budget: Annotated[Budget, BUDGET] = "encodings"
    """When training ends. rows: after `epochs` passes over the rows. encodings: after as many
    sentences as the rows have cells, `epochs` times. converged: when retrieval on held-out rows
    stops improving, also at a lower learning rate."""
    negatives: Annotated[Negatives, LOSS] = "target"
    """Negatives of a pair: the target language's cells of other rows (target), or the cells of
    other rows in every language (all)."""
    temperature: Annotated[Annotated[float, Field(gt=0, le=100)] | None, LOSS] = None
    """Divisor of cosines in the loss. By default 0.02, and 0.05 with a teacher."""
    margin: Annotated[Annotated[float, Field(ge=0, lt=2)] | None, LOSS] = None
    """Additive cosine margin on the positive (LaBSE: 0.3). By default 0.4, and 0 with a teacher."""
    epochs: Annotated[Annotated[float, Field(gt=0, le=1_000_000)] | None, BUDGET] = None
    """Passes over the rows, as `budget` counts them. By default 1. With `whiten` start the default
    is 6,000 divided by the number of rows, but at least 1 and at most 4. Under the budget
    "converged" it is the maximum, by default 50."""
    rows_per_step: Annotated[Annotated[int, Field(ge=2, le=65_536)] | None, SIZE] = None
    """Rows in one batch. By default 64, or as many fewer as make eight steps of the rows, but at
    least 8."""
    learning_rate: Annotated[Annotated[float, Field(gt=0, le=1)] | None, BUDGET] = None
    """Peak learning rate of AdamW. It falls linearly to 0 after the warm-up; under the budget
    "converged" it falls as `patience` says. By default 3e-5 for a sentence encoder and 2e-5 for a
    bare language model."""
    warmup: Annotated[Share, BUDGET] = 0.1
    """Fraction of steps used for linear warm-up; none under the budget "converged"."""
    weight_decay: Annotated[float, Field(ge=0, le=100), BUDGET] = 0.01
    """Weight decay of AdamW."""
    gradient_accumulation: Annotated[int, Field(ge=1, le=65_536), SIZE] = 1
    """Batches per optimiser step. Negatives do not cross batches."""
    chunk_tokens: Annotated[Annotated[int, Field(ge=1, le=MAX_CHUNK)] | None, _NO_IDENTITY] = None
    """Maximum number of tokens whose activations are held at once. A larger step uses gradient
    caching, with the same gradients and about 1.4 times the work. By default a whole step is held,
    and half as much after running out of memory."""
    gradient_checkpointing: Annotated[bool, SIZE] = False
    """Recompute activations in the backward pass: slower, far less memory."""
    lora: Annotated[int, Field(ge=0, le=4096), SIZE] = 0
    """Rank of low-rank adapters, which are trained instead of the transformer's weights and merged
    at the end; 0 trains the weights."""
    matryoshka: Annotated[Dimensions, LOSS] = ()
    """Matryoshka dimensions: leading parts of the vectors whose losses are averaged."""
    whiten: Annotated[Whiten | None, LOSS] = None
    """Append a linear layer that whitens vectors by the covariance within rows (WCCN). start: it is
    trained with the encoder. end: it is fitted to the trained encoder. By default start for a bare
    language model, without a teacher and not under pivot-only, and none otherwise."""
    preserve: Annotated[Annotated[float, Field(ge=0, le=1000)] | None, LOSS] = None
    """Weight of a term that keeps the pivot's vectors where the encoder had them; 0 leaves it out.
    By default 10 for a sentence encoder, 3 for a bare language model or with `whiten` start, and 0
    with a teacher, under pivot-only or with `whiten` end."""
    alpha: Annotated[Annotated[float, Field(gt=0, le=1)] | None, LOSS] = None
    """Weight of what was trained in the weights that are saved; the rest is the encoder as it was
    before the first step (WiSE-FT). By default 1 with a teacher or under pivot-only, else 0.85 with
    `whiten` start, else 0.5 for a sentence encoder, and 1 where a learning rate is given, for a
    bare language model or with `whiten` end."""
    contrastive_weight: Annotated[float, Field(ge=0, le=1000), LOSS] = 1.0
    """Weight of the contrastive term; 0 leaves it out, so that a teacher teaches alone."""
    teacher: Annotated[Name | None, _TEACHER] = None
    """Encoder to learn from: every cell of a row that a step takes is drawn to the vector that the
    teacher gives the row's pivot. A Hub name, a folder, "small" or "tiny"; it may be the encoder
    itself. A teacher of another dimension is brought to that of the encoder by a linear layer."""
    teacher_weight: Annotated[Annotated[float, Field(gt=0, le=1_000_000)] | None, _TEACHER] = None
    """Weight of the teacher's term. By default 3 for the cosine and 500 for mse."""
    teacher_loss: Annotated[TeacherLoss | None, _TEACHER] = None
    """The teacher's term. cosine: 1 - cosine. mse: mean squared difference of the components, of
    vectors as teacher and encoder give them. By default cosine."""
    teacher_prompt: Annotated[Annotated[str, Field(max_length=MAX_PROMPT)] | None, _TEACHER] = None
    """Text put before every text that the teacher reads. By default the one saved in it, or
    "query: " for E5."""
    compile: Annotated[bool, _NO_IDENTITY] = False
    """Compile the encoder with torch.compile; sentences are then padded instead of packed."""
    held_out: Annotated[Share | None, DATA] = None
    """Share of the rows kept from training, chosen by row hash. Accuracy on them is measured before
    the first step and of what is saved. By default 0.05, more where that makes fewer than 100 rows
    (at most 0.1), less where it makes more than 500, and 0 for fewer than 500 rows in all. Under
    the budget "converged" always 0.05."""
    patience: Annotated[int, Field(ge=1, le=10_000), BUDGET] = 4
    """Under the budget "converged": evaluations (four an epoch) without improvement after which the
    learning rate is multiplied by 0.3. Three times as many end the run."""
    checkpoint_steps: Annotated[int, Field(ge=1, le=MAX_STEPS), _NO_IDENTITY] = 500
    """Steps between checkpoints."""
    precision: Annotated[Literal["auto", "bf16", "fp32"], SIZE] = "auto"
    """Precision of training. auto: bf16 on a GPU that has it, else fp32."""
    report_to: Annotated[str, _NO_IDENTITY] = "tensorboard"
    """Where the trainer logs: "tensorboard" (in the output folder), "none", or another of its
    integrations."""
    seed: Annotated[Seed, BUDGET] = 0
    """Seed of the row order, the drawn languages and dropout."""

    def __post_init__(self) -> None:
        """Fill in defaults that depend on the budget, and check settings against each other."""
        super().__post_init__()
        converged = self.budget == "converged"
        if self.epochs is None and converged:
            object.__setattr__(self, "epochs", MAX_EPOCHS_CONVERGED)
        if self.held_out is None and converged:
            object.__setattr__(self, "held_out", HELD_OUT)
        check_loss(self.temperature or TEMPERATURE, self.margin or 0.0, self.negatives, "all")
        if self.cells_per_row == 1:
            raise InputError(
                "cells_per_row is 1, which leaves nothing to align; it must be 2 or more, or 0 for "
                "all"
            )
        if self.cells_per_row and not self.regime.takes_all_cells:
            raise InputError(
                f"cells_per_row is {self.cells_per_row} and the regime {self.regime}, which takes "
                "two texts of each row; leave it out, or use the regime multiway or star"
            )
        if self.hard_negatives:
            self._check_hard_negatives()
        if self.whiten not in (None, "none") and self.regime == Regime.PIVOT_ONLY:
            raise InputError(
                f"whiten is {self.whiten} and the regime pivot-only; whitening is fitted to the "
                "differences between translations, so set it to none (--whiten none)"
            )
        self._fill_in_teacher()
        if self.whiten == "end" and (self.preserve or self.matryoshka or self.teacher):
            trained = (
                "preserve" if self.preserve else "matryoshka" if self.matryoshka else "the teacher"
            )
            raise InputError(
                f"whiten is end, which rotates and scales the vectors that {trained} has trained; "
                "use whiten start or none (--whiten start)"
            )
        if converged and self.held_out == 0:
            raise InputError(
                "budget is converged and held_out is 0; held-out rows decide when training ends, "
                "so give a share (--held-out 0.05)"
            )

    def _check_hard_negatives(self) -> None:
        """Refuse hard negatives where they cannot be found or are of no use."""
        n_rows = self.rows_per_step
        is_too_many = n_rows is not None and self.hard_negatives >= n_rows
        for is_wrong, why in (
            (is_too_many, f"a step has {n_rows} rows, which are too few"),
            (self.regime == Regime.PIVOT_ONLY, "pivot-only reads no translation to compare with"),
            (not self.contrastive_weight, "contrastive_weight is 0, so nothing is told apart"),
            (self.compile, "compile is set, which would compile the search for them too"),
        ):
            if is_wrong:
                raise InputError(
                    f"hard_negatives is {self.hard_negatives} and {why}; leave it out "
                    "(--hard-negatives 0)"
                )

    def _fill_in_teacher(self) -> None:
        """Fill in what a teacher's term needs, and refuse settings of it without a teacher."""
        if self.teacher is None:
            given = ("teacher_weight", "teacher_loss", "teacher_prompt")
            for name in (name for name in given if getattr(self, name) is not None):
                raise InputError(
                    f"{name} is {getattr(self, name)!r} and there is no teacher; name one "
                    "(--teacher), or leave it out"
                )
            if not self.contrastive_weight:
                raise InputError(
                    "contrastive_weight is 0 and there is no teacher, so nothing would be learnt; "
                    "name one (--teacher), or give a weight above 0"
                )
            return
        if self.preserve:
            raise InputError(
                f"preserve is {self.preserve:g} and teacher {self.teacher}; both would draw the "
                "pivot's vectors, so leave one of them out"
            )
        if self.teacher_weight is None:
            object.__setattr__(
                self, "teacher_weight", TEACHER_WEIGHTS[self.teacher_loss or "cosine"]
            )
        if self.teacher_loss is None:
            object.__setattr__(self, "teacher_loss", "cosine")

    @property
    def rows_in_step(self) -> int:
        """Rows of a step, once they are filled in."""
        assert self.rows_per_step is not None
        return self.rows_per_step

    def identity(self) -> dict[str, Any]:
        """Return the settings that the trained encoder depends on, defaults written out."""
        return identity(self)


def default_held_out(n_rows: int) -> float:
    """Return the share of a corpus's rows that is held out unless another is given.

    >>> [default_held_out(n_rows) for n_rows in (499, 500, 1_500, 2_000, 20_000)]
    [0.0, 0.1, 0.067, 0.05, 0.025]
    """
    if MAX_SHARE * n_rows < MIN_HELD_OUT:
        return 0.0
    most, usual = (float(f"{n / n_rows:.2g}") for n in (MAX_HELD_OUT, USUAL_HELD_OUT))
    return min(max(HELD_OUT, min(usual, MAX_SHARE)), most)  # short enough to be typed


def default_rows_per_step(n_rows: int) -> int:
    """Return the rows of a step unless another number is given, for so many rows to train on.

    >>> default_rows_per_step(20), default_rows_per_step(240), default_rows_per_step(1_500)
    (8, 30, 64)
    """
    return min(MAX_ROWS_PER_STEP, max(MIN_ROWS_PER_STEP, n_rows // _MIN_STEPS))


def default_epochs(n_rows: int, whiten: Whiten) -> float:
    """Return the default number of epochs for a number of training rows.

    >>> [default_epochs(n_rows, "start") for n_rows in (0, 1_500, 1_900, 10_000)]
    [4.0, 4.0, 3.2, 1.0]
    >>> default_epochs(500, "none")
    1.0
    """
    if whiten != "start":
        return 1.0
    epochs = float(f"{_ROWS_SEEN / max(1, n_rows):.2g}")  # short enough to be typed
    return min(_MAX_EPOCHS, max(1.0, epochs))


def check_loss(temperature: float, margin: float, negatives: str, pairs: str) -> None:
    """Refuse settings of the loss that are out of range, each alone or together.

    Raises:
        InputError: A setting is out of range.
    """
    if not temperature > 0:
        raise InputError(f"temperature is {temperature}; it must be above 0")
    if not 0 <= margin < 2:
        raise InputError(
            f"margin is {margin}; it must be 0 or more and below 2, the width of the cosine"
        )
    if (1 + margin) / temperature > MAX_LOGIT:
        raise InputError(
            f"temperature {temperature} with margin {margin} makes logits of "
            f"{(1 + margin) / temperature:.3g}; at most {MAX_LOGIT:g} keep their precision, so "
            "raise the temperature"
        )
    if negatives not in ("target", "all"):
        raise InputError(f'negatives is "{negatives}"; it must be target or all')
    if pairs not in ("all", "pivot"):
        raise InputError(f'pairs is "{pairs}"; it must be all or pivot')
