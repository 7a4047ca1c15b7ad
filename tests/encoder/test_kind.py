"""The kind of an encoder, by its files: what defaults and prompts follow from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hexapla.encoder import kind, locate
from hexapla.encoder.encode import encode
from hexapla.encoder.kind import Kind, find_kind
from hexapla.encoder.load import load_encoder, training_prompt
from tests.fixtures.toy import toy_decoder, toy_encoder, toy_seq2seq, toy_transformer

TASKS = ("BitextMining", "STS", "Classification")


def save_prompts(folder: Path, prompts: dict[str, str], default: str | None = None) -> Path:
    path = folder / "config_sentence_transformers.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "prompts": prompts, "default_prompt_name": default}))
    return folder


def test_folders_are_of_the_kind_that_their_files_show(tmp_path):
    toy = toy_encoder(tmp_path / "toy")
    assert find_kind(toy) == find_kind("tiny") == Kind.SENTENCE
    assert find_kind(save_prompts(toy, {"query": "", "document": ""})) == Kind.SENTENCE
    assert find_kind(save_prompts(toy, {"query": "q: "})) == Kind.PROMPTED
    assert find_kind(toy_transformer(tmp_path / "multilingual-e5-toy")) == Kind.PROMPTED
    assert find_kind(toy_transformer(tmp_path / "bare")) == Kind.MASKED
    assert find_kind(toy_seq2seq(tmp_path / "mbart")) == Kind.MASKED
    decoder = toy_decoder(tmp_path / "decoder")
    assert find_kind(decoder) == Kind.CAUSAL
    config = json.loads((decoder / "config.json").read_text())
    config |= {"model_type": "new", "architectures": ["NewForCausalLM"]}
    (decoder / "config.json").write_text(json.dumps(config))
    assert find_kind(decoder) == Kind.CAUSAL


@pytest.mark.parametrize("is_bare", [True, False])
def test_an_encoder_of_the_hub_is_of_the_kind_that_its_files_show(tmp_path, monkeypatch, is_bare):
    folder = (toy_transformer if is_bare else toy_encoder)(tmp_path / "here")
    asked = []

    def hub_file(name, file, *, ask_hub):
        asked.append(ask_hub)
        return folder / file if name == "org/name" and (folder / file).exists() else None

    monkeypatch.setattr(locate, "hub_file", hub_file)
    monkeypatch.setattr(kind, "hub_file", hub_file)
    assert find_kind("org/name", ask_hub=False) == (Kind.MASKED if is_bare else Kind.SENTENCE)
    assert asked and not any(asked)
    assert find_kind("org/e5-name") == Kind.PROMPTED


@pytest.mark.parametrize(
    ("saved", "default", "expected"),
    [
        ({"query": "q: ", "document": "d: "}, None, ("q: ",) * 3),
        ({"query": "q: ", "other": "o: "}, "other", ("o: ",) * 3),
        ({"document": "d: "}, None, ("",) * 3),
        ({"web": "w: ", "sts_query": "s: ", "bitext_query": "b: "}, None, ("b: ", "s: ", "s: ")),
        ({"STS": "s: ", "query": "q: "}, None, ("", "s: ", "")),
    ],
)
def test_an_encoder_is_judged_with_the_prompt_that_it_is_trained_with(
    tmp_path, saved, default, expected
):
    model = load_encoder(save_prompts(toy_encoder(tmp_path / "toy"), saved, default))
    assert tuple(model.prompts.get(task, "") for task in TASKS) == expected
    if "STS" not in saved:
        assert training_prompt(model) == expected[0]


@pytest.mark.parametrize("name", ["multilingual-e5-large-instruct", "e5-mistral-7b-instruct"])
def test_an_e5_that_follows_instructions_gets_one(tmp_path, name, caplog):
    with caplog.at_level("INFO", logger="hexapla"):
        model = load_encoder(toy_transformer(tmp_path / name, max_tokens=40))
    prompt = "Instruct: Retrieve semantically similar text.\nQuery: "
    assert {model.prompts[task] for task in TASKS} == {prompt}
    assert f"the prompt {prompt!r} is put before every text" in caplog.text


def test_an_encoder_decoder_is_pooled_over_its_encoder(tmp_path):
    model = load_encoder(toy_seq2seq(tmp_path / "mbart"))
    assert model[1].pooling_mode == "mean"
    inner = model[0].auto_model.eval()
    ids = model.tokenizer("eng01 eng02", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = inner.encoder(input_ids=ids).last_hidden_state.mean(dim=1)
    expected = torch.nn.functional.normalize(states).numpy()
    got = encode(model, ["eng01 eng02"], task="STS")
    np.testing.assert_allclose(got, expected, atol=1e-6)
    model.save(str(tmp_path / "saved"))
    again = encode(load_encoder(tmp_path / "saved"), ["eng01 eng02"], task="STS")
    np.testing.assert_allclose(again, expected, atol=1e-6)
