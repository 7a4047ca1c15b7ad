"""Weights that are missing, of another shape or not numbers are refused; spare ones are named."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from tests.fixtures.text_files import edit_json
from tests.fixtures.toy import toy_encoder, toy_transformer

Edit = Callable[[dict[str, Tensor]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_encoder(tmp_path / "toy")


def change(folder: Path, edit: Edit) -> None:
    """Edit the tensors of an encoder's weights in place."""
    file = next(folder.rglob("model.safetensors"))
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def test_one_missing_tensor_is_named(folder: Path) -> None:
    change(folder, lambda tensors: tensors.pop("encoder.layer.0.output.dense.weight"))
    with pytest.raises(
        InputError,
        match=r"1 tensors that config.json asks for are not in the weights "
        r"\(encoder.layer.0.output.dense.weight\); random values would take their place",
    ):
        load_encoder(folder)


def test_layers_that_the_configuration_adds_are_missing(folder: Path) -> None:
    config = next(folder.rglob("config.json"))
    n_layers = json.loads(config.read_text(encoding="utf-8"))["num_hidden_layers"]
    edit_json(config, num_hidden_layers=n_layers + 1)
    with pytest.raises(InputError, match=rf"encoder.layer.{n_layers}\..* and \d+ more\)"):
        load_encoder(folder)


def test_layers_that_the_configuration_leaves_out_are_named_in_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(folder, lambda tensors: tensors.update({"encoder.layer.7.extra": torch.zeros(2)}))
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(folder)
    assert "1 tensors of the weights are not used (encoder.layer.7.extra)" in caplog.text


def test_a_shape_that_the_configuration_contradicts_is_named(folder: Path) -> None:
    config = next(folder.rglob("config.json"))
    size = json.loads(config.read_text(encoding="utf-8"))["intermediate_size"]
    edit_json(config, intermediate_size=size + 8)
    with pytest.raises(InputError, match=r"another shape than config.json says \(encoder"):
        load_encoder(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(folder: Path, value: float) -> None:
    def spoil(tensors: dict[str, Tensor]) -> None:
        tensors["embeddings.word_embeddings.weight"][3, 0] = value

    change(folder, spoil)
    with pytest.raises(
        InputError, match=r"values that are NaN or infinite \(.*word_embeddings.weight\)"
    ):
        load_encoder(folder)


def test_a_pooler_may_be_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = toy_transformer(tmp_path / "bare")
    change(folder, lambda tensors: [tensors.pop(k) for k in [*tensors] if "pooler" in k])
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(folder)
    assert "tensors" not in caplog.text


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("modules.json", "[{}]"),
        ("modules.json", "[]"),
        ("config.json", '{"model_type": "nothing"}'),
        ("config.json", '{"model_type": ["bert"]}'),
        ("config.json", '{"model_type": "bert", "hidden_size": "wide"}'),
        ("1_Pooling/config.json", '{"pooling_mode": 7}'),
        ("1_Pooling/config.json", "[]"),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", '{"model": {"type": "WordLevel"}}'),
        ("config_sentence_transformers.json", '{"prompts": 5}'),
        ("sentence_bert_config.json", '{"max_seq_length": "long"}'),
    ],
)
def test_damaged_files_end_in_an_error_of_input(folder: Path, file: str, content: str) -> None:
    path = next(iter(folder.rglob(file)), folder / file)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"toy"):
        load_encoder(folder)
