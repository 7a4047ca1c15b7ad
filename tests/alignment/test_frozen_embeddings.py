"""Frozen embeddings stay as they are, and everything else is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.errors import InputError
from tests.fixtures.interrupted import assert_resumes_exactly
from tests.fixtures.weights import read_weights


def test_frozen_embeddings_stay_and_the_rest_is_trained(settings):
    before = read_weights(Path(settings["encoder"]))
    align(AlignConfig(**settings, freeze_embeddings=True), quiet=True)
    after = read_weights(settings["out"])
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    unused = {"pooler.dense.weight", "pooler.dense.bias"}
    assert moved == before.keys() - {"embeddings.word_embeddings.weight", *unused}


def test_lora_trains_no_embeddings_to_freeze(settings):
    with pytest.raises(InputError, match="lora is 4, which trains no embeddings; leave freeze_em"):
        AlignConfig(**settings, lora=4, freeze_embeddings=True)


def test_an_interrupted_run_resumes_to_the_same_weights(settings, tmp_path):
    settings = {**settings, "freeze_embeddings": True, "epochs": 0.5, "checkpoint_steps": 4}
    assert_resumes_exactly(settings, tmp_path, step=6)
