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
from tests.fixtures.toy import toy_decoder, toy_encoder, toy_transformer

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


def test_tensors_without_a_place_are_named_in_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(folder, lambda tensors: tensors.update({"encoder.extra": torch.zeros(2)}))
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(folder)
    assert "1 tensors of the weights are not used (encoder.extra)" in caplog.text


@pytest.mark.parametrize("n_layers", [0, 1])
def test_layers_that_the_configuration_leaves_out_are_refused(
    tmp_path: Path, n_layers: int
) -> None:
    folder = toy_decoder(tmp_path / "toy")
    edit_json(folder / "config.json", num_hidden_layers=n_layers)
    edit_json(folder / "config.json", layer_types=["full_attention"] * n_layers)
    with pytest.raises(
        InputError,
        match=rf"config.json has {n_layers} layers, and the weights have 2 \(layers\), so that "
        rf"{2 - n_layers} would be left out",
    ):
        load_encoder(folder)


def test_weights_in_several_files_are_checked_alike(tmp_path: Path) -> None:
    bare = toy_transformer(tmp_path / "toy")
    change(bare, lambda tensors: tensors.pop("encoder.layer.0.output.dense.weight"))
    tensors = load_file(bare / "model.safetensors")
    (bare / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002": names[::2], "model-00002-of-00002": names[1::2]}
    for file, keys in parts.items():
        save_file({key: tensors[key] for key in keys}, bare / f"{file}.safetensors")
    places = {key: f"{file}.safetensors" for file, keys in parts.items() for key in keys}
    index = {"metadata": {}, "weight_map": places}
    (bare / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(InputError, match=r"1 tensors .*\(encoder.layer.0.output.dense.weight\)"):
        load_encoder(bare)
    (bare / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match=r"toy: .*model-00002-of-00002.safetensors"):
        load_encoder(bare)


def test_pickled_weights_are_checked_alike(tmp_path: Path) -> None:
    bare = toy_transformer(tmp_path / "bare")
    tensors = load_file(bare / "model.safetensors")
    tensors.pop("encoder.layer.0.output.dense.weight")
    torch.save(tensors, bare / "pytorch_model.bin")
    (bare / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"1 tensors .*\(encoder.layer.0.output.dense.weight\)"):
        load_encoder(bare, allow_pickle=True)


def test_a_pooler_whose_output_is_the_vector_may_not_be_missing(folder: Path) -> None:
    modes = {"text": {"method": "forward", "method_output_name": "pooler_output"}}
    edit_json(
        folder / "sentence_bert_config.json",
        transformer_task="feature-extraction",
        modality_config=modes,
        module_output_name="sentence_embedding",
    )
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    (folder / "modules.json").write_text(json.dumps([modules[0], modules[2]]), encoding="utf-8")
    load_encoder(folder)
    change(folder, lambda tensors: [tensors.pop(k) for k in [*tensors] if "pooler" in k])
    with pytest.raises(InputError, match=r"2 tensors .*\(pooler.dense.bias, pooler.dense.weight\)"):
        load_encoder(folder)


def test_a_lora_adapter_without_its_tensors_is_refused(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    bare = toy_transformer(tmp_path / "bare")
    model = load_encoder(bare)
    settings = peft.LoraConfig(r=2, target_modules=["query"], task_type="FEATURE_EXTRACTION")
    model[0].auto_model.add_adapter(settings)
    model.save(str(tmp_path / "adapted"))
    assert (tmp_path / "adapted" / "adapter_config.json").is_file()
    load_encoder(tmp_path / "adapted")
    file = tmp_path / "adapted" / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors.popitem()
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 tensors .*lora_"):
        load_encoder(tmp_path / "adapted")


def test_half_precision_loads_and_whole_numbers_are_refused(folder: Path) -> None:
    change(folder, lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()}))
    assert load_encoder(folder).dtype == torch.float32
    change(
        folder, lambda tensors: tensors.update({k: v.to(torch.int8) for k, v in tensors.items()})
    )
    with pytest.raises(InputError, match=r"the weights are of type I8 \(.*\), quantized without"):
        load_encoder(folder)


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
