"""A bare transformer becomes an encoder: its pooling, its normalisation, its prompt."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from tests.fixtures.toy import toy_decoder, toy_encoder, toy_transformer


def test_a_bare_transformer_becomes_an_encoder_and_its_prompt_is_saved(settings, tmp_path, caplog):
    bare = toy_transformer(tmp_path / "multilingual-e5-toy")
    with caplog.at_level("INFO", logger="hexapla"):
        align(AlignConfig(**{**settings, "encoder": str(bare)}, whiten="none"), quiet=True)
    assert "bare transformer: mean pooling and normalisation added" in caplog.text
    model = SentenceTransformer(str(settings["out"]), device="cpu")
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert {model.prompts[task] for task in ("BitextMining", "STS", "Classification")} == {
        "query: "
    }


def test_an_aligned_encoder_reads_with_its_prompt_in_ordinary_use(settings, tmp_path):
    base = toy_encoder(tmp_path / "retriever")
    saved = base / "config_sentence_transformers.json"
    prompts = {"query": "eng07 ", "document": "eng08 ", "web": "eng09 "}
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "prompts": prompts}))
    result = align(AlignConfig(**{**settings, "encoder": str(base)}, prompt="eng59 "), quiet=True)
    assert result["prompt"] == "eng59 "
    assert '- Prompt: `"eng59 "`, before every text' in (settings["out"] / "README.md").read_text()
    model = SentenceTransformer(str(settings["out"]), device="cpu")
    texts = ["eng01 eng02", "deu03"]
    expected = model.encode([f"eng59 {text}" for text in texts], prompt="")
    for way in (model.encode, model.encode_query, model.encode_document):
        np.testing.assert_allclose(way(texts), expected, atol=1e-6)
    ours = encode(load_encoder(settings["out"]), texts, task="STS")
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert model.prompts["web"] == "eng09 "


def test_an_encoder_that_is_aligned_without_its_prompt_has_none_in_ordinary_use(
    settings, tmp_path, capfd
):
    base = toy_encoder(tmp_path / "multilingual-e5-toy")
    result = align(AlignConfig(**{**settings, "encoder": str(base)}, prompt=""), quiet=True)
    assert result["prompt"] == ""
    assert "it/s" not in capfd.readouterr().err  # a bar of a library
    renamed = settings["out"].rename(tmp_path / "e5-aligned")
    model = SentenceTransformer(str(renamed), device="cpu")
    expected = model.encode(["eng01 eng02"], prompt="")
    for way in (model.encode, model.encode_query, model.encode_document):
        np.testing.assert_array_equal(way(["eng01 eng02"]), expected)
    ours = encode(load_encoder(renamed), ["eng01 eng02"], task="STS")
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.slow
def test_a_bare_decoder_is_pooled_at_its_last_token_and_trains_with_an_instruction(
    settings, tmp_path, caplog
):
    bare = toy_decoder(tmp_path / "qwen")
    config = AlignConfig(
        **{**settings, "encoder": str(bare), "learning_rate": 5e-3},
        prompt="eng59 eng58 ",
        held_out=0.2,
        epochs=5,
    )
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(config, quiet=True)
    assert "bare transformer: lasttoken pooling and normalisation added" in caplog.text
    assert "padded" not in caplog.text
    assert result["held_out"][-1]["accuracy"] > result["held_out"][0]["accuracy"] + 0.1
    model = SentenceTransformer(str(settings["out"]), device="cpu")
    assert model[1].pooling_mode == "lasttoken"
    assert model.prompts["STS"] == "eng59 eng58 "
    one, several = (
        model.encode(["eng01 eng02"]),
        model.encode(["eng01 eng02", "eng01 eng02 eng03 eng04 eng05"]),
    )
    torch.testing.assert_close(torch.tensor(several[0]), torch.tensor(one[0]), rtol=1e-4, atol=1e-5)


def test_pooling_is_for_bare_transformers(settings, tmp_path):
    with pytest.raises(InputError, match="has its own pooling; leave --pooling out"):
        align(AlignConfig(**settings, pooling="cls"), quiet=True)
    bare = str(toy_transformer(tmp_path / "bare"))
    align(AlignConfig(**{**settings, "encoder": bare}, pooling="cls"), quiet=True)
    assert SentenceTransformer(str(settings["out"]), device="cpu")[1].pooling_mode == "cls"
