"""The loss in a training script of one's own, with the trainer of sentence-transformers as it is."""

from __future__ import annotations

from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)

import hexapla
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.missing_cells import missing_as_empty
from tests.fixtures.toy import toy_rows

TINY = Path(hexapla.__file__).parent / "data" / "tiny"


def test_a_row_with_a_gap_is_trained_on_without_further_arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it leaves its checkpoints in the working directory
    model = SentenceTransformer(str(TINY), device="cpu")
    rows = Dataset.from_list(
        [
            {"en": "Good morning.", "de": "Guten Morgen.", "fr": "Bonjour."},
            {"en": "Thank you.", "de": None, "fr": "Merci."},
        ]
    )
    SentenceTransformerTrainer(
        model, train_dataset=missing_as_empty(rows), loss=MultiwayLoss(model)
    ).train()
    before = SentenceTransformer(str(TINY), device="cpu").state_dict()
    after = model.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(after[name], value) for name, value in before.items())


def test_the_loss_trains_in_a_plain_trainer_script(encoder, tmp_path):
    model = SentenceTransformer(encoder, device="cpu")
    args = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=2,
        per_device_train_batch_size=16,
        learning_rate=3e-3,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        use_cpu=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(toy_rows(160)),
        loss=MultiwayLoss(model),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]
