"""A finished training -> what `align.json` records of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from accelerate import PartialState

from hexapla.alignment.card_example import EXAMPLE_ROWS, card_example
from hexapla.alignment.config import AlignConfig, Regime
from hexapla.alignment.prepare import Prepared
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.encoder.base_names import hub_name
from hexapla.encoder.held_out import METRIC

_MAX_LOSSES = 500  # points of the loss curve that are kept


def record_training(
    config: AlignConfig,
    prepared: Prepared,
    trainer: MultiwayTrainer,
    prompt: str,
    seconds: float,
    accuracy: float | None = None,
) -> dict[str, Any]:
    """Return what was trained on what, what it took, and the accuracy before and after.

    Args:
        config: Settings.
        prepared: The rows.
        trainer: The trainer after training.
        prompt: Text that was put before every text.
        seconds: Time from the first measurement to the last.
        accuracy: Of the finished encoder on the held-out rows; None if there are none.
    """
    history = trainer.state.log_history
    losses = [{"step": each["step"], "loss": each["loss"]} for each in history if "loss" in each]
    curve = [{"step": each["step"], "accuracy": each[METRIC]} for each in history if METRIC in each]
    every = -(-len(losses) // _MAX_LOSSES) or 1
    epochs = float(trainer.state.epoch or 0.0)
    corpus = prepared.corpus
    is_pivot_only = config.regime == Regime.PIVOT_ONLY
    languages = [corpus.pivot] if is_pivot_only else list(corpus.languages)
    first = prepared.rows[:EXAMPLE_ROWS]
    return {
        "regime": str(config.regime),
        "budget": config.budget,
        "negatives": config.negatives,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "pivot": corpus.pivot,
        "languages": languages,
        "columns": corpus.manifest.get("columns", {}),
        "base": prepared.base.name,
        "base_sha256": prepared.base.sha256,
        "base_model": hub_name(config.encoder),
        "prompt": prompt,
        "example": card_example({code: first[code] for code in languages}, corpus.pivot),
        "seed": config.seed,
        "cells_per_row": config.cells_per_row or "all",
        "hard_negatives": config.hard_negatives,
        "temperature": config.temperature,
        "margin": config.margin,
        "matryoshka": list(config.matryoshka),
        "whiten": config.whiten,
        "preserve": config.preserve,
        "alpha": config.alpha,
        "contrastive_weight": config.contrastive_weight,
        "teacher": prepared.teacher.name if prepared.teacher else None,
        "teacher_sha256": prepared.teacher.sha256 if prepared.teacher else None,
        "teacher_weight": config.teacher_weight,
        "teacher_loss": config.teacher_loss,
        "lora": config.lora,
        "learning_rate": config.learning_rate,
        "rows_per_step": config.rows_per_step,
        "n_processes": PartialState().num_processes,
        "chunk_tokens": trainer.loss.passes.chunk_tokens,
        "device": trainer.args.device.type,
        "precision": "bf16" if trainer.args.bf16 else "fp32",
        "n_rows": len(prepared.usable),
        "n_unusable": len(prepared.rows) - len(prepared.usable),
        "held_out_share": config.held_out,
        "n_held_out": len(prepared.held_out or ()),
        "n_steps": trainer.state.global_step,
        "epochs": round(epochs, 4),
        "n_rows_seen": round(epochs * len(prepared.usable)),
        "n_encodings": round(epochs * prepared.encodings_per_epoch),
        "n_mined": prepared.n_mined(epochs),
        "seconds": round(seconds, 1),
        "loss": float(np.mean([point["loss"] for point in losses[-10:]])) if losses else None,
        "losses": losses[::every],
        "held_out": curve,
        "accuracy_before": curve[0]["accuracy"] if curve else None,
        "accuracy_after": accuracy,
        "best_step": trainer.state.best_global_step if config.budget == "converged" else None,
    }
