"""The settings of an alignment run -> everything of it that can be known and checked before an encoder is loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers.integrations.fsdp import is_fsdp_enabled
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)

from hexapla.alignment.batches import encodings_per_epoch, present_cells, usable_rows
from hexapla.alignment.config import AlignConfig, Regime
from hexapla.alignment.lora import check_installed
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.locate import RESULT, EncoderFacts, describe, locate
from hexapla.errors import InputError, did_you_mean
from hexapla.runs.record import check_apart, check_out


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything of a run that can be known and checked before an encoder is loaded.

    `rows` are all that are not held out, and `usable` the numbers of those that the regime can
    train on.
    """

    corpus: Corpus
    rows: Dataset
    usable: NDArray[np.int64]
    held_out: Dataset | None
    base: EncoderFacts
    epochs: float
    encodings_an_epoch: int
    identity: dict[str, Any]
    finished: bool


def prepare(config: AlignConfig, *, n_processes: int = 1) -> Prepared:
    """Check corpus, encoder and output folder against the settings.

    Raises:
        InputError: see `align`.
    """
    _check_report_to(config.report_to)
    if config.lora:
        check_installed()
    check_apart(config.out, {"encoder": locate(config.encoder), "corpus": config.corpus})
    corpus = open_corpus(config.corpus)
    corpus = dataclasses.replace(corpus, languages=_columns(config, corpus))
    languages = corpus.languages
    base = describe(config.encoder)
    facts = {
        "languages": list(languages),
        "corpus_sha256": corpus.sha256,
        "encoder_sha256": base.sha256,
    }
    identity = {**config.identity(), **facts}
    finished = check_out(
        config.out, "align", identity, done=RESULT, resume=config.resume, overwrite=config.overwrite
    )

    kept, held_out = corpus.split(config.held_out or 0.0)
    rows = kept.dataset()
    present_RC = present_cells(rows, languages)
    usable = usable_rows(present_RC, config.regime)
    if len(usable) < config.rows_per_step:
        raise InputError(
            f"{config.corpus}: {len(usable)} rows to train on, fewer than the {config.rows_per_step} of a "
            "step; lower rows_per_step (--rows-per-step), or give more rows"
        )
    if config.rows_per_step < 2 * n_processes:
        raise InputError(
            f"rows_per_step is {config.rows_per_step}, for {n_processes} processes; a step takes 2 rows "
            "of each process or more"
        )
    if config.held_out and is_fsdp_enabled():
        raise InputError(
            f"held_out is {config.held_out}; under FSDP no process has a whole encoder to judge them "
            "with, so hold none out (--held-out 0), or train without FSDP"
        )
    if config.regime != Regime.PIVOT_ONLY:
        for language in np.array(languages)[~present_RC[usable].any(axis=0)]:
            raise InputError(
                f"{config.corpus}: {language} has no cell in the rows to train on; leave it out of the "
                "languages (--languages), or fill it"
            )
    if config.held_out and len(held_out) < 2:
        raise InputError(
            f"{config.corpus}: held_out {config.held_out} leaves {len(held_out)} rows to judge by; "
            "it takes 2 or more, so give a larger share"
        )
    an_epoch = encodings_per_epoch(present_RC[usable], config.regime)
    epochs = float(config.epochs or 1.0)
    if config.budget == "encodings":
        multiway = present_RC[usable_rows(present_RC, Regime.MULTIWAY)]
        epochs *= encodings_per_epoch(multiway, Regime.MULTIWAY) / an_epoch
    return Prepared(
        corpus=dataclasses.replace(kept, languages=languages),
        rows=rows,
        usable=usable,
        held_out=held_out.dataset() if config.held_out else None,
        base=base,
        epochs=epochs,
        encodings_an_epoch=an_epoch,
        identity=identity,
        finished=finished,
    )


def _columns(config: AlignConfig, corpus: Corpus) -> tuple[str, ...]:
    """Return the columns that are trained, the pivot first."""
    asked = corpus.languages if config.languages is None else config.languages
    if missing := [language for language in asked if language not in corpus.languages]:
        raise InputError(
            f"{config.corpus}: no column {', '.join(missing)}; it has {', '.join(corpus.languages)}"
        )
    if config.regime != Regime.PIVOT_ONLY and set(asked) <= {corpus.pivot}:
        raise InputError(
            f"only {corpus.pivot} is asked for; regime {config.regime} needs two columns or more"
        )
    if config.budget == "converged" and set(asked) <= {corpus.pivot}:
        raise InputError(
            f"budget is converged and {corpus.pivot} is the only column; held-out rows are found across columns"
        )
    return (corpus.pivot, *(language for language in asked if language != corpus.pivot))


def _check_report_to(name: str) -> None:
    allowed = ("tensorboard", "none", *sorted(set(INTEGRATION_TO_CALLBACK) - {"tensorboard"}))
    if name not in allowed:
        raise InputError(
            f'report_to is "{name}"; it must be {", ".join(allowed)}{did_you_mean(name, allowed)}'
        )
    if name != "none" and name not in get_available_reporting_integrations():
        raise InputError(
            f'report_to is "{name}", whose package is not installed; install it, or take another'
        )
