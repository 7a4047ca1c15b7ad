"""Frozen embeddings stay as they are, and everything else is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.errors import InputError
from tests.alignment.test_trainer import AtStep, interrupt, with_callback
from tests.fixtures.weights import assert_bit_equal, read_weights


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
    align(AlignConfig(**{**settings, "out": tmp_path / "whole"}), quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        with_callback(patch, AtStep(6, interrupt))
        with pytest.raises(KeyboardInterrupt, match="stopped at a step"):
            align(AlignConfig(**settings), quiet=True)
    align(AlignConfig(**settings, resume=True), quiet=True)
    assert_bit_equal(tmp_path / "whole", settings["out"])
