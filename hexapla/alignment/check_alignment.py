"""Checks of an alignment run that need no heavy library, so that a mistake is answered at once.

The command line runs them before it imports torch, and `prepare` runs them again for callers from
Python.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from typing import Any

from hexapla.alignment.check_teacher import check_teacher
from hexapla.alignment.config import (
    AlignConfig,
    Regime,
    default_epochs,
    default_held_out,
    default_rows_per_step,
)
from hexapla.alignment.kind_defaults import fill_in
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.kind import Kind, find_kind
from hexapla.encoder.locate import RESULT, EncoderFacts, describe
from hexapla.errors import InputError, did_you_mean
from hexapla.runs.record import check_apart, check_run_folder

# What transformers' trainer can log to, which it does not say without being imported.
REPORTERS = (
    "tensorboard",
    "none",
    "azure_ml",
    "clearml",
    "codecarbon",
    "comet_ml",
    "dagshub",
    "dvclive",
    "flyte",
    "kubeflow",
    "mlflow",
    "neptune",
    "swanlab",
    "trackio",
    "wandb",
)


@dataclass(frozen=True, kw_only=True)
class CheckedRun:
    """An alignment run whose inputs and output folder exist and fit its settings.

    Attributes:
        config: The settings, with the defaults of the encoder's kind and of the corpus's size.
        kind: What the encoder is.
        corpus: The corpus with the columns to train on, the pivot first.
        base: The encoder to train.
        teacher: The encoder to learn from, or None.
        identity: Settings and hashes that make this run the same run when it is resumed.
        is_finished: The output folder holds the finished run already.
    """

    config: AlignConfig
    kind: Kind
    corpus: Corpus
    base: EncoderFacts
    teacher: EncoderFacts | None
    identity: dict[str, Any]
    is_finished: bool


def check_alignment(config: AlignConfig, *, verify: bool = False) -> CheckedRun:
    """Check corpus, encoder and output folder against the settings.

    Args:
        config: Settings.
        verify: Hash all of the corpus, to find damage. This takes minutes for a large one.

    Raises:
        InputError: See `align`.
    """
    if config.report_to not in REPORTERS:
        hint = did_you_mean(config.report_to, REPORTERS)
        raise InputError(
            f'report_to is "{config.report_to}"; it must be {", ".join(REPORTERS)}{hint}'
        )
    if config.lora and importlib.util.find_spec("peft") is None:
        raise InputError(
            "lora needs the library peft; install it with: pip install 'hexapla[lora]'"
        )
    encoder = check_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
    )
    check_apart(
        config.out, {"encoder": encoder, "corpus": config.corpus, "teacher": config.teacher}
    )
    teacher = check_teacher(config)
    corpus = open_corpus(config.corpus, verify=verify)
    corpus = dataclasses.replace(corpus, languages=_columns(config, corpus))
    base = describe(config.encoder)
    kind = find_kind(config.encoder)
    config = fill_in(config, kind)
    if config.held_out is None:
        # A single column cannot be searched from another.
        share = default_held_out(len(corpus)) if len(corpus.languages) > 1 else 0.0
        config = dataclasses.replace(config, held_out=share)
    n_rows = round((1 - (config.held_out or 0.0)) * len(corpus))
    if config.rows_per_step is None:
        config = dataclasses.replace(config, rows_per_step=default_rows_per_step(n_rows))
    if config.epochs is None:
        epochs = default_epochs(n_rows, config.whiten or "none")
        config = dataclasses.replace(config, epochs=epochs)
    identity = {
        **config.identity(),
        "languages": list(corpus.languages),
        "corpus_sha256": corpus.sha256,
        "encoder_sha256": base.sha256,
        **({"teacher_sha256": teacher.sha256} if teacher else {}),
    }
    is_finished = check_run_folder(
        config.out, "align", identity, done=RESULT, resume=config.resume, overwrite=config.overwrite
    )
    return CheckedRun(
        config=config,
        kind=kind,
        corpus=corpus,
        base=base,
        teacher=teacher,
        identity=identity,
        is_finished=is_finished,
    )


def _columns(config: AlignConfig, corpus: Corpus) -> tuple[str, ...]:
    """Return the columns to train on, the pivot first."""
    chosen = corpus.languages if config.languages is None else config.languages
    if missing := [language for language in chosen if language not in corpus.languages]:
        raise InputError(
            f"{config.corpus}: no column {', '.join(missing)}; it has {', '.join(corpus.languages)}"
        )
    is_pivot_alone = set(chosen) <= {corpus.pivot}
    if is_pivot_alone and config.regime != Regime.PIVOT_ONLY:
        raise InputError(
            f"languages is {corpus.pivot} alone, the pivot; regime {config.regime} needs two "
            "columns or more, so name another (--languages)"
        )
    if is_pivot_alone and config.budget == "converged":
        raise InputError(
            f"budget is converged and languages is {corpus.pivot} alone; held-out rows are "
            "searched across columns, so name another column, or use the budget rows"
        )
    return (corpus.pivot, *(language for language in chosen if language != corpus.pivot))
