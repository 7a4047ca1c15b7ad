"""Settings of an alignment run -> everything that is known of it before an encoder is loaded."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers.integrations.fsdp import is_fsdp_enabled
from transformers.integrations.integration_utils import get_available_reporting_integrations

from hexapla.alignment.batches import encodings_per_epoch
from hexapla.alignment.check_alignment import check_alignment
from hexapla.alignment.config import MAX_STEPS, AlignConfig, Regime
from hexapla.corpus.presence import present_cells, usable_rows
from hexapla.corpus.reader import Corpus
from hexapla.encoder.kind import Kind
from hexapla.encoder.locate import EncoderFacts
from hexapla.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An alignment run that has been checked as far as possible without its encoder.

    Attributes:
        config: The settings, with the defaults of the encoder's kind and of the corpus's size.
        kind: What the encoder is.
        corpus: The rows that are not held out, with the columns to train on.
        rows: The same as a dataset.
        usable: Indices of the rows that the regime can train on.
        held_out: The held-out rows, or None.
        base: The encoder to train.
        teacher: The encoder to learn from, or None.
        epochs: Passes over the usable rows that spend the budget.
        n_steps: Steps of the optimiser in these passes.
        encodings_per_epoch: Sentences encoded in one pass.
        identity: Settings and hashes that make this run the same run when it is resumed.
        is_finished: The output folder holds the finished run already.
    """

    config: AlignConfig
    kind: Kind
    corpus: Corpus
    rows: Dataset
    usable: NDArray[np.int64]
    held_out: Dataset | None
    base: EncoderFacts
    teacher: EncoderFacts | None
    epochs: float
    n_steps: int
    encodings_per_epoch: int
    identity: dict[str, Any]
    is_finished: bool

    def n_mined(self, epochs: float) -> int:
        """Return how many sentences are encoded in so many passes to find hard negatives."""
        return 2 * len(self.usable) * math.ceil(epochs) if self.config.hard_negatives else 0


def prepare(config: AlignConfig, *, n_processes: int = 1) -> Prepared:
    """Check settings, corpus, encoder and output folder, and count what there is to train on.

    Raises:
        InputError: See `align`.
    """
    checked = check_alignment(config, verify=True)
    config = checked.config
    _check_reporter(config.report_to)
    _check_processes(config, n_processes)
    languages = checked.corpus.languages
    kept, held_out = checked.corpus.split(config.held_out or 0.0)
    rows = kept.dataset()
    present_RC = present_cells(rows, languages)
    usable = usable_rows(present_RC, config.regime.min_cells)
    _check_rows(config, languages, present_RC[usable], n_held_out=len(held_out))
    n_cells = config.cells_per_row or 0
    n_encodings = encodings_per_epoch(present_RC[usable], config.regime, n_cells)
    assert config.epochs is not None  # filled in
    epochs = float(config.epochs)
    if config.budget == "encodings":
        multiway = present_RC[usable_rows(present_RC, Regime.MULTIWAY.min_cells)]
        epochs *= encodings_per_epoch(multiway, Regime.MULTIWAY) / n_encodings
    n_steps = _count_steps(config, len(usable), epochs)
    return Prepared(
        config=config,
        kind=checked.kind,
        corpus=dataclasses.replace(kept, languages=languages),
        rows=rows,
        usable=usable,
        held_out=held_out.dataset() if config.held_out else None,
        base=checked.base,
        teacher=checked.teacher,
        epochs=epochs,
        n_steps=n_steps,
        encodings_per_epoch=n_encodings,
        identity=checked.identity,
        is_finished=checked.is_finished,
    )


def _count_steps(config: AlignConfig, n_rows: int, epochs: float) -> int:
    """Return the number of steps, if training can end."""
    batches = -(-n_rows // config.rows_in_step)
    n_steps = max(1, math.ceil(epochs * -(-batches // config.gradient_accumulation)))
    if n_steps > MAX_STEPS:
        raise InputError(
            f"epochs is {config.epochs:g}, which makes {n_steps:,} steps; at most {MAX_STEPS:,} "
            "can end, so lower epochs (--epochs) or give steps more rows (--rows-per-step)"
        )
    return n_steps


def _check_reporter(name: str) -> None:
    if name != "none" and name not in get_available_reporting_integrations():
        raise InputError(
            f'report_to is "{name}", whose package is not installed; install it, or use another'
        )


def _check_processes(config: AlignConfig, n_processes: int) -> None:
    if config.rows_in_step < 2 * n_processes:
        raise InputError(
            f"rows_per_step is {config.rows_in_step} for {n_processes} processes; each needs 2 "
            f"rows of a step or more, so give {2 * n_processes} or more (--rows-per-step)"
        )
    if config.held_out and is_fsdp_enabled():
        raise InputError(
            f"held_out is {config.held_out}; under FSDP no process has a whole encoder to evaluate "
            "on held-out rows, so hold none out (--held-out 0), or train without FSDP"
        )
    if config.hard_negatives and is_fsdp_enabled():
        raise InputError(
            f"hard_negatives is {config.hard_negatives}; under FSDP no process has a whole encoder "
            "to find them with, so set it to 0 (--hard-negatives 0), or train without FSDP"
        )


def _check_rows(
    config: AlignConfig,
    languages: tuple[str, ...],
    usable_RC: NDArray[np.bool_],
    *,
    n_held_out: int,
) -> None:
    """Refuse rows that are too few or lack a whole column.

    Args:
        config: Settings.
        languages: The C columns.
        usable_RC: (R, C) which cells the rows to train on have.
        n_held_out: Number of held-out rows.
    """
    if len(usable_RC) < config.rows_in_step:
        raise InputError(
            f"{config.corpus}: {len(usable_RC)} rows to train on, fewer than the "
            f"{config.rows_in_step} of a step; lower rows_per_step (--rows-per-step), or give "
            "more rows"
        )
    if config.regime != Regime.PIVOT_ONLY:
        for language in np.array(languages)[~usable_RC.any(axis=0)]:
            raise InputError(
                f"{config.corpus}: {language} has no cell in the rows to train on; leave it out of "
                "the languages (--languages), or fill it"
            )
    if config.held_out and n_held_out < 2:
        raise InputError(
            f"{config.corpus}: held_out {config.held_out} leaves {n_held_out} rows to evaluate on; "
            "2 or more are needed, so give a larger share (--held-out)"
        )
