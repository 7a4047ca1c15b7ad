"""Embeddings of tokens that no row has are left out of training, and the others trained as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hexapla.alignment import used_embeddings
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.alignment.used_embeddings import UsedEmbeddings
from hexapla.encoder.load import load_encoder
from tests.fixtures.interrupted import assert_resumes_exactly
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_seq2seq
from tests.fixtures.weights import read_weights

TABLE = "embeddings.word_embeddings.weight"
FEW = np.array([5, 7, 7, 9], dtype=np.int32)


@pytest.fixture
def short(settings) -> dict[str, object]:
    """Settings of a few steps on two of the toy languages, so that most tokens are not in use."""
    return {**settings, "languages": LANGUAGES[:2], "epochs": 0.3, "weight_decay": 0.1}


def test_tokens_in_use_are_trained_as_with_all_and_the_others_stay(short, tmp_path, monkeypatch):
    align(AlignConfig(**{**short, "out": tmp_path / "part"}), quiet=True)
    monkeypatch.setattr(used_embeddings, "_LARGEST_SHARE", 0.0)
    align(AlignConfig(**{**short, "out": tmp_path / "whole"}), quiet=True)
    before = read_weights(Path(short["encoder"]))[TABLE]
    part, whole = read_weights(tmp_path / "part"), read_weights(tmp_path / "whole")
    stayed = (part[TABLE] == before).all(dim=1)
    assert 0 < stayed.sum() < len(stayed)
    assert not torch.equal(whole[TABLE][stayed], before[stayed])  # by weight decay
    torch.testing.assert_close(part.pop(TABLE)[~stayed], whole.pop(TABLE)[~stayed])
    torch.testing.assert_close(part, whole)


def test_an_interrupted_run_resumes_to_the_same_weights(short, tmp_path):
    assert_resumes_exactly({**short, "checkpoint_steps": 2}, tmp_path, step=3)


def test_tokens_that_are_not_in_use_keep_their_vectors_meanwhile(tmp_path):
    model = load_encoder(toy_encoder(tmp_path / "toy"))
    table = model[0].auto_model.get_input_embeddings()
    ids = torch.arange(table.num_embeddings)
    before = table(ids)
    with UsedEmbeddings(model, FEW):
        part = model[0].auto_model.get_input_embeddings()
        assert torch.equal(part(ids), before) and part.weight.shape == (3, before.shape[1])
        part(ids).sum().backward()
        assert torch.equal(part.weight.grad, torch.ones_like(part.weight))
        with torch.no_grad():
            part.weight += 1
    assert model[0].auto_model.get_input_embeddings() is table
    moved = (table(ids) != before).all(dim=1)
    assert moved.nonzero().flatten().tolist() == [5, 7, 9]


def test_padding_is_never_trained(tmp_path):
    model = load_encoder(toy_encoder(tmp_path / "toy"))
    padding = model[0].auto_model.get_input_embeddings().padding_idx
    with UsedEmbeddings(model, np.array([padding, 5], dtype=np.int32)):
        assert len(model[0].auto_model.get_input_embeddings().weight) == 1


@pytest.mark.parametrize("kind", ["frozen", "most of it", "shared", "scaled"])
def test_an_encoder_that_does_not_allow_it_is_left_as_it_is(kind, tmp_path):
    make = toy_seq2seq if kind == "scaled" else toy_encoder
    model = load_encoder(make(tmp_path / "toy"))
    table = model[0].auto_model.get_input_embeddings()
    table.requires_grad_(kind != "frozen")
    if kind == "shared":
        model[0].auto_model.head = torch.nn.Embedding.from_pretrained(table.weight, freeze=False)
        model[0].auto_model.head.weight = table.weight
    ids = np.arange(table.num_embeddings, dtype=np.int32) if kind == "most of it" else FEW
    with UsedEmbeddings(model, ids):
        assert model[0].auto_model.get_input_embeddings() is table
