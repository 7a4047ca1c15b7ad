"""Corpus + encoder -> aligned encoder: the wiring of sentence-transformers' trainer, and nothing else.

What rows and cells a step has is in `batches.py`, what is made of them in `losses.py`. The run's folder becomes the
encoder's: `run.json` stands in it from the start, checkpoints while it trains, the encoder at the end and `align.json`,
which says what it took, last of all.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)

from hexapla import languages as codes
from hexapla.align_config import AlignConfig
from hexapla.batches import (
    MultiwayCollator,
    Regime,
    cells_per_row,
    encodings_per_epoch,
    make_batch_sampler,
    usable_rows,
)
from hexapla.corpus import Corpus, open_corpus
from hexapla.encoder import RESULT, EncoderFacts, describe, load_encoder, locate, save_prompt, training_prompt
from hexapla.encoder_card import write_card
from hexapla.errors import InputError, nearest
from hexapla.held_out import METRIC, HeldOutAccuracy
from hexapla.losses import CachedMultiwayLoss, MultiwayLoss
from hexapla.run import check_out, clear, write_json, write_run

if TYPE_CHECKING:
    from datasets import Dataset

_NOT_IDENTITY = ("out", "resume", "overwrite", "trust_remote_code", "allow_pickle", "report_to", "checkpoint_steps")
_EVALUATIONS_AN_EPOCH = 4
__all__ = ["AlignConfig", "Prepared", "align", "make_trainer", "prepare", "save_encoder"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything of a run that can be known and checked before an encoder is loaded."""

    corpus: Corpus
    train: Dataset
    held_out: Dataset | None
    base: EncoderFacts
    epochs: float
    encodings_an_epoch: int
    identity: dict[str, Any]
    finished: bool


def align(config: AlignConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Train an encoder on a multi-way corpus.

    Args:
        config: settings.
        quiet: show no progress; there is none either when stderr is no terminal.

    Returns:
        What is in `align.json`: what was trained on what, and what it took.

    Raises:
        InputError: settings, corpus, encoder or output folder that cannot be used. Nothing is written then.
    """
    prepared = prepare(config)
    if prepared.finished:
        _log.info("%s: this run is finished already", config.out)
        return _read_result(config.out)
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle,
        max_tokens=config.max_tokens,
    )  # fmt: skip
    prompt = config.prompt if config.prompt is not None else training_prompt(model)
    if config.regime == Regime.PIVOT_ONLY and not _has_dropout(model):
        raise InputError(f"{config.encoder}: has no dropout, and only that tells a text from itself under pivot-only; "
                         "take another encoder, or set the dropout in its config.json")  # fmt: skip
    n_truncated = count_truncated(model, prepared.train, prepared.corpus.languages, prompt)
    if n_truncated:
        _log.warning("%d texts are longer than %d tokens and are truncated", n_truncated, model.max_seq_length)
    if config.overwrite:
        clear(config.out)
    if not config.resume:
        write_run(config.out, "align", prepared.identity)

    started = time.monotonic()
    unpads = model[0].unpad_inputs
    model[0].unpad_inputs = False  # the loss sorts cells by length itself
    trainer = make_trainer(config, prepared, model, prompt, quiet=quiet)
    trainer.train(resume_from_checkpoint=_last_checkpoint(config.out / "checkpoints"))
    model[0].unpad_inputs = unpads
    save_prompt(model, prompt)
    result = _result(config, prepared, trainer, n_truncated, prompt, time.monotonic() - started)
    save_encoder(model, config.out, result)
    return result


def prepare(config: AlignConfig) -> Prepared:
    """Check corpus, encoder and output folder against the settings.

    Raises:
        InputError: see `align`.
    """
    if torch.distributed.is_torchelastic_launched():
        raise InputError("started by torchrun; alignment runs in one process, so start it with hexapla alone")
    _check_report_to(config.report_to)
    locate(config.encoder)
    corpus = open_corpus(config.corpus)
    asked = corpus.languages if config.languages is None else config.languages
    if missing := [language for language in asked if language not in corpus.languages]:
        raise InputError(f"{config.corpus}: no column {', '.join(missing)}; it has {', '.join(corpus.languages)}")
    if config.regime != Regime.PIVOT_ONLY and set(asked) <= {corpus.pivot}:
        raise InputError(f"only {corpus.pivot} is asked for; regime {config.regime} needs two columns or more")
    if config.budget == "converged" and set(asked) <= {corpus.pivot}:
        raise InputError(
            f"budget is converged and {corpus.pivot} is the only column; held-out rows are found across columns"
        )
    languages = (corpus.pivot, *(language for language in asked if language != corpus.pivot))
    corpus = dataclasses.replace(corpus, languages=languages)
    base = describe(config.encoder)
    settings = {key: value for key, value in dataclasses.asdict(config).items() if key not in _NOT_IDENTITY}
    identity = {**settings, "languages": list(languages), "corpus_sha256": corpus.sha256, "encoder_sha256": base.sha256}
    finished = check_out(
        config.out, "align", identity, done=RESULT, resume=config.resume, overwrite=config.overwrite
    )  # fmt: skip

    kept, held_out = corpus.split(config.held_out or 0.0)
    rows = kept.dataset()
    counts = cells_per_row(rows, languages)
    usable = usable_rows(counts, config.regime)
    if len(usable) < config.rows_per_step:
        raise InputError(f"{config.corpus}: {len(usable)} rows to train on, fewer than the {config.rows_per_step} of a "
                         "step; lower rows_per_step (--rows-per-step), or give more rows")  # fmt: skip
    if config.held_out and len(held_out) < 2:
        raise InputError(f"{config.corpus}: held_out {config.held_out} leaves {len(held_out)} rows to judge by; "
                         "it takes 2 or more, so give a larger share")  # fmt: skip
    an_epoch = encodings_per_epoch(counts[usable], config.regime)
    epochs = float(config.epochs or 1.0)
    if config.budget == "encodings":
        epochs *= encodings_per_epoch(counts[usable_rows(counts, Regime.MULTIWAY)], Regime.MULTIWAY) / an_epoch
    return Prepared(
        corpus=corpus, train=rows if len(usable) == len(rows) else rows.select(usable.tolist()),
        held_out=held_out.dataset() if config.held_out else None, base=base, epochs=epochs,
        encodings_an_epoch=an_epoch, identity=identity, finished=finished,
    )  # fmt: skip


def make_trainer(
    config: AlignConfig, prepared: Prepared, model: SentenceTransformer, prompt: str, *, quiet: bool
) -> SentenceTransformerTrainer:
    """Wire loss, batches and callbacks into sentence-transformers' trainer."""
    languages = prepared.corpus.languages
    pairs: Literal["all", "pivot"] = "pivot" if config.regime == Regime.STAR else "all"
    settings = (config.temperature, config.margin, config.negatives, pairs)
    loss = (
        MultiwayLoss(model, *settings) if config.mini_batch_size is None
        else CachedMultiwayLoss(model, *settings, config.mini_batch_size)
    )  # fmt: skip
    callbacks: list[TrainerCallback] = []
    report_to = config.report_to
    if report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        callbacks.append(TensorBoardCallback(SummaryWriter(str(config.out / "logs"))))
        report_to = "none"
    if config.budget == "converged":
        callbacks.append(EarlyStoppingCallback(config.patience))
    n_steps = -(-len(prepared.train) // (config.rows_per_step * config.gradient_accumulation))
    trainer = _Trainer(
        model=model,
        args=_arguments(config, prepared.epochs, n_steps, report_to, quiet),
        train_dataset=prepared.train,
        loss=loss,
        evaluator=HeldOutAccuracy(prepared.held_out, languages, prompt) if prepared.held_out is not None else None,
        data_collator=MultiwayCollator(
            preprocess_fn=model.preprocess, prompts=prompt, languages=languages, regime=config.regime, seed=config.seed
        ),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(_Progress)
    return trainer


def _arguments(
    config: AlignConfig, epochs: float, steps_an_epoch: int, report_to: str, quiet: bool
) -> SentenceTransformerTrainingArguments:
    converged = config.budget == "converged"
    eval_steps = max(1, steps_an_epoch // _EVALUATIONS_AN_EPOCH) if converged else steps_an_epoch
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(config.out / "checkpoints"),
        num_train_epochs=epochs,
        per_device_train_batch_size=config.rows_per_step,
        gradient_accumulation_steps=config.gradient_accumulation,
        batch_sampler=make_batch_sampler,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant_with_warmup" if converged else "linear",
        warmup_steps=math.ceil(steps_an_epoch * config.warmup) if converged else config.warmup,
        weight_decay=config.weight_decay,
        bf16=config.precision == "bf16" or (config.precision == "auto" and has_bf16),
        seed=config.seed,
        data_seed=config.seed,
        save_strategy="steps",
        save_steps=eval_steps if converged else config.checkpoint_steps,
        save_total_limit=2,
        eval_strategy="steps" if config.held_out else "no",
        eval_steps=eval_steps,
        load_best_model_at_end=converged,
        metric_for_best_model=METRIC if converged else None,
        greater_is_better=True if converged else None,
        logging_steps=10,
        report_to=report_to,
        disable_tqdm=quiet or not sys.stderr.isatty(),
        use_cpu=not torch.cuda.is_available(),
        # Early stopping counts evaluations without improvement; a resumed run must not count anew.
        restore_callback_states_from_checkpoint=True,
    )
    if arguments.n_gpu > 1:  # DataParallel would give each GPU a part of the rows, and so fewer negatives
        arguments._n_gpu = 1
    return arguments


def _check_report_to(name: str) -> None:
    allowed = ("tensorboard", "none", *sorted(set(INTEGRATION_TO_CALLBACK) - {"tensorboard"}))
    if name not in allowed:
        raise InputError(f'report_to is "{name}"; it must be {", ".join(allowed)}{nearest(name, allowed)}')
    if name != "none" and name not in get_available_reporting_integrations():
        raise InputError(f'report_to is "{name}", whose package is not installed; install it, or take another')


def _has_dropout(model: SentenceTransformer) -> bool:
    return any(isinstance(module, torch.nn.Dropout) and module.p > 0 for module in model.modules())


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The trainer without its statistics of the data on the model card: they cannot hold a missing cell."""

    train_dataset: Any

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        dataset, self.train_dataset = self.train_dataset, None
        super().add_model_card_callback(default_args_dict)
        self.train_dataset = dataset


class _Progress(ProgressCallback):  # type: ignore[misc]
    """The trainer's bar with the loss on it, in place of a line on stdout per report."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        shown = {name: logs[key] for name, key in (("loss", "loss"), ("held-out", METRIC)) if logs and key in logs}
        if self.training_bar is not None and shown:
            self.training_bar.set_postfix({name: f"{float(value):.4f}" for name, value in shown.items()})


def count_truncated(model: SentenceTransformer, rows: Dataset, languages: tuple[str, ...], prompt: str) -> int:
    """Count the texts that are longer than the encoder takes.

    Only texts that could be are tokenised: no tokenizer makes more than four tokens of a character (its UTF-8 bytes).
    """
    limit = model.max_seq_length
    if limit is None:
        return 0
    n_truncated = 0
    for language in languages:
        for batch in rows.select_columns([language]).iter(batch_size=10_000):
            long = [prompt + text for text in batch[language] if text and len(prompt + text) > limit // 4]
            if long:
                ids = model.tokenizer(long, truncation=False, verbose=False)["input_ids"]
                n_truncated += sum(len(line) > limit for line in ids)
    return n_truncated


def save_encoder(model: SentenceTransformer, out: Path, result: dict[str, Any]) -> None:
    """Write the encoder beside the run's records, `modules.json` and then `align.json` last; drop the checkpoints."""
    partial = out / ".encoder"
    shutil.rmtree(partial, ignore_errors=True)
    model.model_card_data.generate_widget_examples = False
    model.model_card_data.language = [codes.to_bcp47(language) for language in result["languages"]]
    model.save(str(partial), safe_serialization=True)
    write_card(partial / "README.md", result)
    for path in partial.rglob("*.safetensors"):
        path.chmod(0o644)  # it is written for the owner alone, and a shared encoder is of use to others
    for path in sorted(partial.iterdir(), key=lambda path: path.name == "modules.json"):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    partial.rmdir()
    write_json(out / RESULT, result)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def _result(
    config: AlignConfig,
    prepared: Prepared,
    trainer: SentenceTransformerTrainer,
    n_truncated: int,
    prompt: str,
    seconds: float,
) -> dict[str, Any]:
    history = trainer.state.log_history
    curve = [{"step": entry["step"], "accuracy": entry[METRIC]} for entry in history if METRIC in entry]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    epochs = float(trainer.state.epoch or 0.0)
    corpus = prepared.corpus
    return {
        "regime": str(config.regime),
        "budget": config.budget,
        "negatives": config.negatives,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "pivot": corpus.pivot,
        "languages": [corpus.pivot] if config.regime == Regime.PIVOT_ONLY else list(corpus.languages),
        "columns": corpus.manifest.get("columns", {}),
        "base": prepared.base.name,
        "base_sha256": prepared.base.sha256,
        "prompt": prompt,
        "seed": config.seed,
        "temperature": config.temperature,
        "margin": config.margin,
        "learning_rate": config.learning_rate,
        "rows_per_step": config.rows_per_step,
        "device": trainer.args.device.type,
        "precision": "bf16" if trainer.args.bf16 else "fp32",
        "n_rows": len(prepared.train),
        "n_steps": trainer.state.global_step,
        "epochs": round(epochs, 4),
        "n_rows_seen": round(epochs * len(prepared.train)),
        "n_encodings": round(epochs * prepared.encodings_an_epoch),
        "n_truncated": n_truncated,
        "seconds": round(seconds, 1),
        "loss": float(np.mean(losses[-10:])) if losses else None,
        "held_out": curve,
        "best_step": trainer.state.best_global_step if config.budget == "converged" else None,
    }


def _read_result(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / RESULT).read_text(encoding="utf-8")))


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest whole checkpoint; one that a kill cut short has no whole trainer_state.json, and is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            _log.warning("%s is not whole, and is removed", path)
            shutil.rmtree(path)
        else:
            return str(path)
    return None
