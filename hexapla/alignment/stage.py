"""Corpus + encoder -> aligned encoder: what is checked, loaded, trained and written, in that order.

What rows and cells a step has is in `batches.py`, what is made of them in `multiway.py`, what the
trainer does with it in `trainer.py`. The run's folder becomes the encoder's: `run.json` stands in
it from the start, checkpoints while it trains, the encoder at the end and `align.json`, which says
what it took, last of all. Under `torchrun` every process comes through here; the first alone
writes.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    set_seed,
)
from transformers.integrations import TensorBoardCallback

from hexapla.alignment.batches import CellCollator, RowBatchSampler, shared_texts
from hexapla.alignment.config import AlignConfig, Regime
from hexapla.alignment.lora import Lora
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.packing import Packing
from hexapla.alignment.prepare import Prepared, prepare
from hexapla.alignment.token_cache import TokenCache, open_token_cache
from hexapla.alignment.trainer import (
    Loader,
    LogAtCheckpoints,
    MultiwayTrainer,
    Progress,
    last_checkpoint,
    processes_of,
)
from hexapla.encoder.encoder_card import write_card
from hexapla.encoder.held_out import METRIC, HeldOutAccuracy
from hexapla.encoder.load import encode, load_encoder, save_prompt, training_prompt
from hexapla.encoder.locate import RESULT
from hexapla.encoder.whitening import append_dense, whiten
from hexapla.errors import InputError
from hexapla.runs.atomic import write_json
from hexapla.runs.record import clear, write_run
from hexapla.text import languages as codes

_EVALUATIONS_AN_EPOCH = 4
_FALL = (
    0.3  # of the learning rate, whenever held-out rows have not improved for `patience` evaluations
)
_PATIENCES = 3  # without improvement until training ends: two falls and what they bring
_POINTS_OF_A_CURVE = 500  # of the loss, kept in align.json
__all__ = ["AlignConfig", "align", "make_trainer", "save_encoder"]

_log = logging.getLogger(__name__)


def align(config: AlignConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Train an encoder on a multi-way corpus.

    Args:
        config: settings.
        quiet: show no progress; there is none either when stderr is no terminal.

    Returns:
        What is in `align.json`: what was trained on what, and what it took.

    Raises:
        InputError: settings, corpus, encoder or output folder that cannot be used. Nothing is
            written then.
        TrainingError: the loss is not finite, memory does not do for a single text, or a checkpoint
            cannot be written.
    """
    processes = PartialState(cpu=not torch.cuda.is_available())
    if not processes.is_main_process:
        logging.getLogger("hexapla").setLevel(logging.ERROR)  # what there is to say, the first says
    prepared = prepare(config, n_processes=processes.num_processes)
    if prepared.finished:
        _log.info("%s: this run is finished already", config.out)
        return _read_result(config.out)
    set_seed(
        config.seed
    )  # of adapters, and of what an encoder's file lacks, such as a pooler that is not used
    model = load_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        max_tokens=config.max_tokens,
        pooling=config.pooling,
    )
    _check_encoder(config, model)
    prompt = config.prompt if config.prompt is not None else training_prompt(model)
    with processes.main_process_first():
        cells = open_token_cache(
            prepared.rows,
            prepared.corpus.languages,
            model,
            prompt,
            (prepared.corpus.sha256, prepared.base.sha256),
        )
    if cells.n_truncated:
        _log.warning(
            "%d texts are longer than %d tokens and are truncated",
            cells.n_truncated,
            model.max_seq_length,
        )
    processes.wait_for_everyone()  # all have looked at the folder
    if processes.is_main_process:
        if config.overwrite:
            clear(config.out)
        if not config.resume:
            write_run(config.out, "align", prepared.identity)
    processes.wait_for_everyone()

    started = time.monotonic()
    checkpoint = _checkpoint_to_resume(config, processes.num_processes) if config.resume else None
    n_whitened = _whiten(prepared, model, prompt) if config.whiten == "start" else 0
    reference = _reference(config, prepared, model, prompt) if config.preserve else None
    lora = Lora(model, config.lora) if config.lora else None
    if config.gradient_checkpointing:
        model[0].auto_model.gradient_checkpointing_enable(
            gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    with Packing(model, wanted=not config.compile) as packing:
        trainer = make_trainer(
            config, prepared, model, cells, prompt, reference=reference, quiet=quiet
        )
        trainer.loss.passes.packs, trainer.loss.passes.offset = packing.packs, packing.offset
        trainer.loss.passes.even = trainer.is_fsdp_enabled
        if config.compile:
            inner = model[
                0
            ].auto_model  # whose forward is what sentence-transformers calls, not the module itself
            inner.forward = torch.compile(inner.forward, dynamic=True)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if config.compile:
            del inner.forward
    if trainer.is_fsdp_enabled:
        model = _whole_encoder(config, trainer)
    elif lora:
        lora.merge()
    if config.whiten == "end" and (processes.is_main_process or not trainer.is_fsdp_enabled):
        n_whitened = _whiten(prepared, model, prompt)
    save_prompt(model, prompt)
    result = _result(config, prepared, trainer, prompt, time.monotonic() - started)
    result |= {"n_truncated": cells.n_truncated, "n_whitened": n_whitened}
    if processes.is_main_process:
        save_encoder(model, config.out, result)
    processes.wait_for_everyone()
    return result


def _check_encoder(config: AlignConfig, model: SentenceTransformer) -> None:
    """Refuse what only the loaded encoder shows."""
    if config.regime == Regime.PIVOT_ONLY and not _has_dropout(model):
        raise InputError(
            f"{config.encoder}: has no dropout, and only that tells a text from itself under pivot-only; "
            "take another encoder, or set the dropout in its config.json"
        )
    dim = model.get_embedding_dimension() or 0
    if config.matryoshka and max(config.matryoshka) > dim:
        raise InputError(
            f"matryoshka asks for {max(config.matryoshka)} dimensions; {config.encoder} has {dim}"
        )


def _whole_encoder(config: AlignConfig, trainer: MultiwayTrainer) -> SentenceTransformer:
    """Gather the sharded weights into an encoder of this process."""
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    model = load_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        max_tokens=config.max_tokens,
        pooling=config.pooling,
    )
    if config.whiten == "start":
        append_dense(model)
    lora = Lora(model, config.lora) if config.lora else None
    if PartialState().is_main_process:
        model.load_state_dict(weights)
    if lora:
        lora.merge()
    return model


def _checkpoint_to_resume(config: AlignConfig, n_processes: int) -> Path | None:
    """Return the newest whole checkpoint; the batches are the same for any number of processes."""
    found = last_checkpoint(config.out / "checkpoints")
    if found and (before := processes_of(found)) != n_processes:
        _log.warning(
            "%d processes go on with what %d began: rows keep their order, dropout draws anew",
            n_processes,
            before,
        )
    return found


def _whiten(prepared: Prepared, model: SentenceTransformer, prompt: str) -> int:
    """Append the whitening layer; return how many sentences were encoded for it."""
    return whiten(model, prepared.rows, prepared.corpus.languages, prompt)


def _uses_bf16(config: AlignConfig) -> bool:
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return config.precision == "bf16" or (config.precision == "auto" and has_bf16)


def _reference(
    config: AlignConfig, prepared: Prepared, model: SentenceTransformer, prompt: str
) -> NDArray[np.float32]:
    """Return (R, D) the unit vectors that the encoder gives the pivots before it is trained."""
    pivots = list(prepared.rows[prepared.corpus.pivot])
    before = dict(model.prompts)
    save_prompt(model, prompt)
    vectors = encode(model, pivots, task="STS")
    model.prompts = before
    return vectors


def make_trainer(
    config: AlignConfig,
    prepared: Prepared,
    model: SentenceTransformer,
    cells: TokenCache,
    prompt: str,
    *,
    reference: NDArray[np.float32] | None = None,
    quiet: bool,
) -> MultiwayTrainer:
    """Wire loss, batches and callbacks into the trainer."""
    pairs: Literal["all", "pivot"] = "pivot" if config.regime == Regime.STAR else "all"
    loss = MultiwayLoss(
        model,
        config.temperature,
        config.margin,
        config.negatives,
        pairs,
        chunk_tokens=config.chunk_tokens,
        matryoshka=config.matryoshka,
        preserve=config.preserve,
    )
    callbacks: list[TrainerCallback] = [LogAtCheckpoints()]
    report_to = config.report_to
    processes = PartialState()
    if report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        if processes.is_main_process:
            callbacks.append(TensorBoardCallback(SummaryWriter(str(config.out / "logs"))))
        report_to = "none"
    if config.budget == "converged":
        callbacks.append(EarlyStoppingCallback(_PATIENCES * config.patience))
    sampler = RowBatchSampler(
        shared_texts(cells.texts[prepared.usable]),
        len(prepared.usable),
        config.rows_per_step,
        seed=config.seed,
        rank=processes.process_index,
        n_ranks=processes.num_processes,
    )
    ids = prepared.rows.select_columns(["row_id"])
    keys = np.array([int(row_id[:16], 16) for row_id in ids["row_id"]], dtype=np.uint64)
    collator = CellCollator(
        cache=cells, regime=config.regime, keys=keys, sampler=sampler, reference=reference
    )
    n_steps = -(-len(sampler) // config.gradient_accumulation)
    languages = prepared.corpus.languages
    trainer = MultiwayTrainer(
        model=model,
        args=_arguments(config, prepared.epochs, n_steps, report_to, quiet),
        loader=Loader(sampler, prepared.usable.tolist(), collator),
        row_ids=ids,
        loss=loss,
        evaluator=HeldOutAccuracy(prepared.held_out, languages, prompt)
        if prepared.held_out is not None
        else None,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(Progress)
    return trainer


def _arguments(
    config: AlignConfig, epochs: float, steps_an_epoch: int, report_to: str, quiet: bool
) -> SentenceTransformerTrainingArguments:
    converged = config.budget == "converged"
    eval_steps = max(1, steps_an_epoch // _EVALUATIONS_AN_EPOCH) if converged else steps_an_epoch

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(config.out / "checkpoints"),
        num_train_epochs=epochs,
        per_device_train_batch_size=max(1, config.rows_per_step // PartialState().num_processes),
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="reduce_lr_on_plateau" if converged else "linear",
        # It waits for one evaluation more than its patience says.
        lr_scheduler_kwargs=dict(
            mode="max", factor=_FALL, patience=config.patience - 1, threshold=0.0
        )
        if converged
        else None,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        bf16=_uses_bf16(config),
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
        # What the trainer would set, with a warning; our batches are as they are.
        dataloader_drop_last=PartialState().num_processes > 1,
        # Each process makes as many passes as its cells take, and a broadcast in each would wait
        # for the others.
        ddp_broadcast_buffers=False,
        # Early stopping counts evaluations without improvement; a resumed run must not count anew.
        restore_callback_states_from_checkpoint=True,
    )
    if (
        arguments.n_gpu > 1
    ):  # DataParallel would give each GPU a part of the rows, and so fewer negatives
        arguments._n_gpu = 1
    return arguments


def _has_dropout(model: SentenceTransformer) -> bool:
    return any(isinstance(module, torch.nn.Dropout) and module.p > 0 for module in model.modules())


def save_encoder(model: SentenceTransformer, out: Path, result: dict[str, Any]) -> None:
    """Write the encoder beside the run's records, `modules.json` and then `align.json` last; drop the checkpoints."""
    partial = out / ".encoder"
    shutil.rmtree(partial, ignore_errors=True)
    model.model_card_data.generate_widget_examples = False
    model.model_card_data.language = [codes.to_bcp47(language) for language in result["languages"]]
    model.save(str(partial), safe_serialization=True)
    write_card(partial / "README.md", result)
    for path in partial.rglob("*.safetensors"):
        path.chmod(
            0o644
        )  # it is written for the owner alone, and a shared encoder is of use to others
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
    trainer: MultiwayTrainer,
    prompt: str,
    seconds: float,
) -> dict[str, Any]:
    history = trainer.state.log_history
    curve = [
        {"step": entry["step"], "accuracy": entry[METRIC]} for entry in history if METRIC in entry
    ]
    losses = [
        {"step": entry["step"], "loss": entry["loss"]} for entry in history if "loss" in entry
    ]
    every = -(-len(losses) // _POINTS_OF_A_CURVE) or 1
    epochs = float(trainer.state.epoch or 0.0)
    corpus = prepared.corpus
    return {
        "regime": str(config.regime),
        "budget": config.budget,
        "negatives": config.negatives,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "pivot": corpus.pivot,
        "languages": [corpus.pivot]
        if config.regime == Regime.PIVOT_ONLY
        else list(corpus.languages),
        "columns": corpus.manifest.get("columns", {}),
        "base": prepared.base.name,
        "base_sha256": prepared.base.sha256,
        "prompt": prompt,
        "seed": config.seed,
        "temperature": config.temperature,
        "margin": config.margin,
        "matryoshka": list(config.matryoshka),
        "whiten": config.whiten,
        "preserve": config.preserve,
        "lora": config.lora,
        "learning_rate": config.learning_rate,
        "rows_per_step": config.rows_per_step,
        "n_processes": PartialState().num_processes,
        "chunk_tokens": trainer.loss.passes.chunk_tokens,
        "device": trainer.args.device.type,
        "precision": "bf16" if trainer.args.bf16 else "fp32",
        "n_rows": len(prepared.usable),
        "n_steps": trainer.state.global_step,
        "epochs": round(epochs, 4),
        "n_rows_seen": round(epochs * len(prepared.usable)),
        "n_encodings": round(epochs * prepared.encodings_an_epoch),
        "seconds": round(seconds, 1),
        "loss": float(np.mean([point["loss"] for point in losses[-10:]])) if losses else None,
        "losses": losses[::every],
        "held_out": curve,
        "best_step": trainer.state.best_global_step if config.budget == "converged" else None,
    }


def _read_result(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / RESULT).read_text(encoding="utf-8")))
