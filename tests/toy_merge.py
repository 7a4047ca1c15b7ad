"""Encoders that were aligned by hand, with the records that `align` would have left, for the tests of merging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from hexapla.encoder.load import describe
from hexapla.encoder.encoder_card import write_card
from tests.toy import LANGUAGES, N_WORDS, word

WORDS = "0.model.embeddings.word_embeddings.weight"
HELD_OUT = 0.3


def write_records(folder: Path, base: Path, **changed: Any) -> None:
    """Write what `align` would of an encoder made from `base`."""
    made = {
        "regime": "multiway", "budget": "rows", "negatives": "target", "corpus": "toy", "corpus_sha256": "c0ffee",
        "pivot": "eng_Latn", "languages": list(LANGUAGES), "columns": {}, "base": base.name,
        "base_sha256": describe(base).sha256, "prompt": "", "seed": 7, "temperature": 0.05, "margin": 0.0,
        "learning_rate": 2e-5, "rows_per_step": 16, "n_rows": 210, "n_steps": 14, "epochs": 1.0, "n_encodings": 840,
        "held_out": [{"step": 14, "accuracy": 0.123}], "best_step": None,
    }  # fmt: skip
    (folder / "align.json").write_text(json.dumps({**made, **changed}))
    write_card(folder / "README.md", made)
    (folder / "run.json").write_text(json.dumps({"command": "align", "config": {"held_out": HELD_OUT}}))


def make_aligned(base: Path, folder: Path, *, pivot_moves: bool) -> Path:
    """Save `base` with other word vectors, and the records of an alignment."""
    model = SentenceTransformer(str(base), device="cpu")
    vocabulary = model.tokenizer.get_vocab()
    table = model.state_dict()[WORDS]
    drawn = torch.randn(N_WORDS, table.shape[1], generator=torch.Generator().manual_seed(5)) * 0.3
    for number in range(N_WORDS):
        pivot = drawn[number] if pivot_moves else table[vocabulary[word("eng_Latn", number)]].clone()
        for language in LANGUAGES:
            table[vocabulary[word(language, number)]] = pivot
    model.prompts = {"BitextMining": "", "STS": "", "Classification": "", "query": "kept: "}
    model.save(str(folder))
    write_records(folder, base)
    return folder
