"""Settings of an alignment run -> its trainer: loss, batches, arguments and callbacks."""

from __future__ import annotations

import logging

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback

from hexapla.alignment.batches import CellCollator, CellLoader, RowBatchSampler, shared_texts
from hexapla.alignment.callbacks import AccuracyBefore, LogAtCheckpoints, TrainingProgress
from hexapla.alignment.config import AlignConfig, Regime
from hexapla.alignment.hard_negatives import HardNegatives
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.prepare import Prepared
from hexapla.alignment.reference import Reference
from hexapla.alignment.token_cache import TokenCache
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.encoder.held_out import METRIC, HeldOutAccuracy
from hexapla.encoder.packing import Packing
from hexapla.encoder.precision import cpu_has_bf16
from hexapla.runs.progress import Progress

_log = logging.getLogger(__name__)
_EVALUATIONS_PER_EPOCH = 4
# The learning rate is multiplied by this when held-out rows have not improved for `patience`
# evaluations.
_LEARNING_RATE_FACTOR = 0.3
# Training ends after this many times `patience` evaluations without improvement: two lower learning
# rates have been tried by then.
_PATIENCES = 3


def make_trainer(
    config: AlignConfig,
    prepared: Prepared,
    model: SentenceTransformer,
    cells: TokenCache,
    prompt: str,
    *,
    packing: Packing,
    progress: Progress,
    reference: Reference | None = None,
    accuracy: float | None = None,
) -> MultiwayTrainer:
    """Wire loss, batches and callbacks into a trainer.

    Args:
        config: Settings.
        prepared: The rows.
        model: The encoder.
        cells: The tokens of the rows.
        prompt: Text that is put before every text.
        packing: The entered `Packing` of the encoder.
        progress: Where the steps are shown.
        reference: What cells are drawn to besides each other; None if to nothing.
        accuracy: On held-out rows before training; None if it was not measured in this process.
    """
    assert config.temperature is not None and config.margin is not None  # `check_alignment`
    loss = MultiwayLoss(
        model,
        config.temperature,
        config.margin,
        config.negatives,
        "pivot" if config.regime == Regime.STAR else "all",
        chunk_tokens=config.chunk_tokens,
        matryoshka=config.matryoshka,
        contrastive_weight=config.contrastive_weight,
        reference_weight=config.teacher_weight or config.preserve or 0.0,
        reference_loss=config.teacher_loss or "cosine",
        packing=packing,
    )
    row_ids = prepared.rows.select_columns(["row_id"])
    bf16 = _uses_bf16(config)
    hard_negatives = None
    if config.hard_negatives:
        languages = prepared.corpus.languages
        hard_negatives = HardNegatives(
            model,
            prepared.rows.select(prepared.usable).select_columns(list(languages)),
            languages,
            cells.texts[prepared.usable] != 0,
            prompt,
            n=config.hard_negatives,
            seed=config.seed,
            bf16=bf16,
            bar=progress.add("hard negatives", prepared.n_mined(prepared.epochs), unit="sentences"),
        )
    loader = _make_loader(config, prepared, cells, row_ids, reference, hard_negatives)
    n_steps = -(-len(loader) // config.gradient_accumulation)
    arguments = _arguments(config, prepared.epochs, n_steps, bf16=bf16)
    trainer = MultiwayTrainer(
        model=model,
        args=arguments,
        loader=loader,
        row_ids=row_ids,
        loss=loss,
        evaluator=make_judge(prepared, prompt),
        callbacks=[AccuracyBefore(accuracy), *_callbacks(config, progress)],
    )
    # It prints a line on stdout for each log entry.
    trainer.remove_callback(PrinterCallback)
    return trainer


def make_judge(prepared: Prepared, prompt: str) -> HeldOutAccuracy | None:
    """Return what measures accuracy on the held-out rows, or None if there are none."""
    if prepared.held_out is None:
        return None
    return HeldOutAccuracy(prepared.held_out, prepared.corpus.languages, prompt)


def _make_loader(
    config: AlignConfig,
    prepared: Prepared,
    cells: TokenCache,
    row_ids: Dataset,
    reference: Reference | None,
    hard_negatives: HardNegatives | None,
) -> CellLoader:
    """Make the batches of this process."""
    processes = PartialState()
    sampler = RowBatchSampler(
        shared_texts(cells.texts[prepared.usable]),
        len(prepared.usable),
        config.rows_in_step,
        seed=config.seed,
        rank=processes.process_index,
        n_ranks=processes.num_processes,
        hard_negatives=hard_negatives,
    )
    keys = np.array([int(row_id[:16], 16) for row_id in row_ids["row_id"]], dtype=np.uint64)
    collator = CellCollator(
        cache=cells,
        regime=config.regime,
        keys=keys,
        sampler=sampler,
        cells_per_row=config.cells_per_row or 0,
        reference=reference,
    )
    return CellLoader(sampler, prepared.usable.tolist(), collator)


def _callbacks(config: AlignConfig, progress: Progress) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = [LogAtCheckpoints(), TrainingProgress(progress)]
    if config.report_to == "tensorboard" and PartialState().is_main_process:
        from torch.utils.tensorboard import SummaryWriter

        callbacks.append(TensorBoardCallback(SummaryWriter(str(config.out / "logs"))))
    if config.budget == "converged":
        callbacks.append(EarlyStoppingCallback(_PATIENCES * config.patience))
    return callbacks


def _arguments(
    config: AlignConfig, epochs: float, steps_per_epoch: int, *, bf16: bool
) -> SentenceTransformerTrainingArguments:
    """Return the trainer's arguments for a run."""
    converged = config.budget == "converged"
    eval_steps = steps_per_epoch
    schedule: dict[str, object] = {"lr_scheduler_type": "linear"}
    if converged:
        eval_steps = max(1, steps_per_epoch // _EVALUATIONS_PER_EPOCH)
        # The scheduler waits for one evaluation more than its patience says.
        lowering = dict(
            mode="max",
            factor=_LEARNING_RATE_FACTOR,
            patience=config.patience - 1,
            threshold=0.0,
        )
        schedule = {
            "lr_scheduler_type": "reduce_lr_on_plateau",
            "lr_scheduler_kwargs": lowering,
            "load_best_model_at_end": True,
            "metric_for_best_model": METRIC,
            "greater_is_better": True,
        }
    n_processes = PartialState().num_processes
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(config.out / "checkpoints"),
        num_train_epochs=epochs,
        per_device_train_batch_size=max(1, config.rows_in_step // n_processes),
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        bf16=bf16,
        seed=config.seed,
        data_seed=config.seed,
        save_strategy="steps",
        save_steps=eval_steps if converged else config.checkpoint_steps,
        save_total_limit=2,
        eval_strategy="steps" if config.held_out else "no",
        eval_steps=eval_steps,
        logging_steps=10,
        # TensorBoard's callback is made here, to log into the output folder.
        report_to="none" if config.report_to == "tensorboard" else config.report_to,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        # The trainer would set this itself, with a warning; our batches are not affected.
        dataloader_drop_last=n_processes > 1,
        # Each rank makes as many passes as its cells need, and a broadcast in each pass would wait
        # for the others.
        ddp_broadcast_buffers=False,
        # Early stopping counts evaluations without improvement; a resumed run continues the count.
        restore_callback_states_from_checkpoint=True,
        **schedule,
    )
    if arguments.n_gpu > 1:
        # DataParallel would give each GPU a part of the rows, and so fewer negatives.
        arguments._n_gpu = 1
    return arguments


def _uses_bf16(config: AlignConfig) -> bool:
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if config.precision == "bf16" and not torch.cuda.is_available() and not cpu_has_bf16():
        _log.warning(
            "precision is bf16, for which this CPU has no instructions; a step takes about 9 times "
            "as long as in fp32, so use that (--precision fp32)"
        )
    return config.precision == "bf16" or (config.precision == "auto" and has_bf16)
