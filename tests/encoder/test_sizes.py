"""Configurations that ask for far more weights than are stored are refused before they are made."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from hexapla.encoder.check_sizes import check_sizes
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from tests.fixtures.text_files import edit_json
from tests.fixtures.toy import toy_encoder, toy_transformer


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_transformer(tmp_path_factory.mktemp("sizes") / "bare")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("num_hidden_layers", 10**9, "num_hidden_layers is 1000000000, and the weights have 2"),
        ("num_hidden_layers", 201, "num_hidden_layers is 201"),
        ("max_position_embeddings", 10**12, "max_position_embeddings is 1000000000000; a size is"),
        ("hidden_size", 2**40, "hidden_size is 1099511627776; a size is less than"),
        ("hidden_size", 40_000, r"asks for [\d,]+ weights, and [\d,]+ are stored"),
        ("vocab_size", 2**31 - 1, r"asks for [\d,]+ weights, and [\d,]+ are stored"),
        ("max_position_embeddings", 10**8, r"asks for [\d,]+ weights, and [\d,]+ are stored"),
        ("intermediate_size", 10**7, r"asks for [\d,]+ weights, and [\d,]+ are stored"),
    ],
)
def test_a_size_that_the_weights_cannot_have_is_refused(
    bare: Path, key: str, value: int, message: str
) -> None:
    original = (bare / "config.json").read_text(encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        edit_json(bare / "config.json", **{key: value})
        with pytest.raises(InputError, match=message):
            load_encoder(bare)
    finally:
        (bare / "config.json").write_text(original, encoding="utf-8")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("sizes", [{"in_features": 10**5, "out_features": 10**5}])
def test_a_linear_layer_larger_than_its_weights_is_refused(
    tmp_path: Path, sizes: dict[str, Any]
) -> None:
    model = SentenceTransformer(str(toy_encoder(tmp_path / "toy")), device="cpu")
    model.append(Dense(32, 32))
    model.append(Normalize())
    model.save(str(tmp_path / "dense"))
    load_encoder(tmp_path / "dense")
    edit_json(tmp_path / "dense" / "3_Dense" / "config.json", **sizes)
    with pytest.raises(InputError, match=r"3_Dense/config.json: asks for 10,000,000,000 weights"):
        load_encoder(tmp_path / "dense")


def test_an_activation_that_would_be_replaced_is_refused(tmp_path: Path) -> None:
    model = SentenceTransformer(str(toy_encoder(tmp_path / "toy")), device="cpu")
    model.append(Dense(32, 32))
    model.save(str(tmp_path / "dense"))
    edit_json(tmp_path / "dense" / "3_Dense" / "config.json", activation_function="own.Swish")
    with pytest.raises(InputError, match=r'activation_function "own.Swish" is not of PyTorch'):
        load_encoder(tmp_path / "dense")


@pytest.mark.parametrize("config", [{}, {"model_type": "unknown"}, {"rope_theta": 10**11}])
def test_what_is_no_size_or_no_known_model_is_left_to_loading(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    check_sizes(tmp_path)
