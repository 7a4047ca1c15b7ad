"""Loading: code and pickles are refused, the rest gives unit vectors in the order given."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.constants import HF_HUB_CACHE
from safetensors.torch import load_file

from hexapla.encoder import locate
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.encode import encode
from hexapla.encoder.encoder_screen import inspect_encoder
from hexapla.encoder.load import load_encoder, save_prompt, training_prompt
from hexapla.encoder.locate import cached_folder, describe, is_bare
from hexapla.errors import InputError
from tests.fixtures.toy import toy_encoder, toy_transformer


@pytest.fixture
def folder(tmp_path) -> Path:
    return toy_encoder(tmp_path / "toy")


def test_vectors_have_unit_length_and_the_order_given(folder):
    model = load_encoder(folder)
    texts = ["eng03 eng04", "eng01", "eng03 eng04", "deu05 deu06 deu07"]
    together = encode(model, texts, task="STS")
    assert together.shape == (4, 32) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(together[0], together[2])
    for i, text in enumerate(texts):
        np.testing.assert_allclose(encode(model, [text], task="STS")[0], together[i], atol=1e-6)


def test_a_saved_prompt_is_used_for_its_task(folder):
    model = load_encoder(folder)
    plain = encode(model, ["eng01"], task="STS")
    save_prompt(model, "eng09 ")
    assert training_prompt(model) == "eng09 "
    save_prompt(model, "")
    assert training_prompt(model) == ""
    save_prompt(model, "eng09 ")
    prompted = encode(model, ["eng01"], task="STS")
    assert not np.allclose(plain, prompted)
    model.prompts = {}
    np.testing.assert_allclose(prompted, encode(model, ["eng09 eng01"], task="STS"), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("multilingual-e5-base", "query: "),
        ("e5_small", "query: "),
        ("e5-runs/xlmr", ""),
        ("me5ish", ""),
    ],
)
def test_an_e5_without_saved_prompts_gets_the_prompt_of_its_family(tmp_path, name, prompt):
    model = load_encoder(toy_encoder(tmp_path / name))
    assert training_prompt(model) == prompt
    assert {model.prompts.get(task, "") for task in ("BitextMining", "STS", "Classification")} == {
        prompt
    }


def test_a_bare_transformer_gets_mean_pooling_and_normalisation(tmp_path):
    model = load_encoder(toy_transformer(tmp_path / "bare"))
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert model[1].pooling_mode == "mean"


def test_half_precision_weights_are_loaded_in_float32(folder):
    load_encoder(folder).half().save(str(folder / "half"))
    assert (
        load_file(folder / "half" / "model.safetensors")["embeddings.word_embeddings.weight"].dtype
        == torch.float16
    )
    assert load_encoder(folder / "half").dtype == torch.float32


def test_max_tokens_truncates(folder):
    model = load_encoder(folder, max_tokens=3)
    a, b = encode(model, ["eng01 eng02 eng03", "eng01 eng05"], task="STS")
    np.testing.assert_allclose(a, b, atol=1e-6)
    with pytest.raises(InputError, match="max_tokens is 2; it must be 3 or more"):
        load_encoder(folder, max_tokens=2)


def test_pickled_weights_are_refused_unless_asked_for(tmp_path):
    bare = toy_transformer(tmp_path / "bare")
    torch.save(load_file(bare / "model.safetensors"), bare / "pytorch_model.bin")
    (bare / "model.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"pytorch_model.bin: pickled weights can run code when loaded"
    ):
        load_encoder(bare)
    assert encode(load_encoder(bare, allow_pickle=True), ["eng01"], task="STS").shape == (1, 32)


def test_remote_code_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}})
    )
    with pytest.raises(
        InputError, match=r"config.json: asks to run the folder's own code \(auto_map\)"
    ):
        load_encoder(folder)


def test_modules_from_elsewhere_are_refused(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match=r'module "evil.Pooling" is not of sentence-transformers'):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "nowhere: no such encoder folder"),
        ("/no/such/folder", "no such encoder folder"),
        ("two words", "no such encoder folder"),
        ("someone/not-there", "could not be loaded as an encoder"),
    ],
)
def test_missing_encoders_are_named(name, message):
    with pytest.raises(InputError, match=message):
        load_encoder(name)
    with pytest.raises(InputError, match="no such"):
        describe(name)


def test_pickled_weights_of_a_module_are_refused_beside_safe_ones_of_another(folder):
    (folder / "2_Dense").mkdir()
    torch.save({}, folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"2_Dense/pytorch_model.bin: pickled weights"):
        load_encoder(folder)


def test_damaged_weights_are_named(folder):
    (folder / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(InputError, match=r"model.safetensors is damaged: .*; fetch it again"):
        load_encoder(folder)


def test_folders_without_an_encoder_or_weights_are_named(tmp_path, folder):
    with pytest.raises(InputError, match=r"neither modules.json nor config.json"):
        load_encoder(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no weights; an encoder folder holds model.safetensors"):
        load_encoder(folder)


def test_a_damaged_configuration_is_named(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json is damaged: it is not JSON"):
        load_encoder(folder)


def test_description_changes_with_the_weights_and_not_with_the_card(folder):
    first = describe(folder)
    (folder / "README.md").write_text("another card")
    assert describe(folder) == first
    assert (first.regime, first.languages) == (None, ())
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert describe(folder).sha256 != first.sha256


def test_large_files_are_hashed_once_until_they_change(folder, monkeypatch):
    monkeypatch.setattr(locate, "_LARGE", 4096)
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or digest(file, kind)
    )
    weights = folder / "model.safetensors"
    first = describe(folder).sha256
    assert describe(folder).sha256 == first
    assert hashed.count(str(weights)) == 1
    assert hashed.count(str(folder / "config.json")) == 2
    os.utime(weights, ns=(0, 0))
    assert describe(folder).sha256 == first
    assert hashed.count(str(weights)) == 2
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert describe(folder).sha256 != first


@pytest.mark.parametrize("name", ["vocab.txt", "merges.txt", "source.spm", "own_model.py"])
def test_description_changes_with_every_file_that_vectors_depend_on(folder, name):
    (folder / name).write_text("one")
    first = describe(folder).sha256
    (folder / name).write_text("two")
    assert describe(folder).sha256 != first


def test_description_does_not_change_with_notes_and_hidden_folders(folder):
    first = describe(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "state.json").write_text("{}")
    assert describe(folder) == first


def test_inspection_reads_the_folder(folder):
    screen = inspect_encoder(str(folder))
    assert (screen.dim, screen.n_layers, screen.modules) == (
        32,
        1,
        ("Transformer", "Pooling", "Normalize"),
    )


@pytest.fixture
def cache_encoder() -> Iterator[Callable[..., None]]:
    """Return a function that fills the Hub's cache with toy encoders; it is emptied afterwards.

    The last commit is the newest, the first is v1.
    """
    cache = Path(HF_HUB_CACHE)
    assert cache.is_relative_to(os.environ["HF_HOME"])

    def fill(repository: str, *commits: str) -> None:
        folder = cache / f"models--{repository.replace('/', '--')}"
        for seed, commit in enumerate(commits):
            toy_encoder(folder / "snapshots" / commit, seed=seed)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(commits[-1])
        (folder / "refs" / "v1").write_text(commits[0])

    yield fill
    shutil.rmtree(cache)


def test_a_revision_of_the_hub_can_be_named(cache_encoder) -> None:
    commits = ("1" * 40, "2" * 40)
    cache_encoder("org/enc", *commits)
    newest, named, exact = (
        (describe(name).sha256, cached_folder(name).name, first_number(name))
        for name in ("org/enc", "org/enc@v1", "org/enc@" + "1" * 40)
    )
    assert newest[:2] == (commits[1],) * 2 and named[:2] == (commits[0],) * 2 and exact == named
    assert newest[2] != named[2]


def first_number(name: str) -> float:
    return encode(load_encoder(name), ["eins"], task="STS")[0][0]


def test_a_name_without_an_owner_is_one_of_sentence_transformers(cache_encoder) -> None:
    cache_encoder("sentence-transformers/enc", "3" * 40)
    assert (describe("enc").sha256, cached_folder("enc").name) == ("3" * 40, "3" * 40)
    assert not is_bare("enc")
    modules = [type(module).__name__ for module in load_encoder("enc")]
    assert modules == ["Transformer", "Pooling", "Normalize"]


def test_a_pooling_is_refused_where_the_encoder_has_its_own(folder, tmp_path):
    with pytest.raises(InputError, match="has its own pooling; leave --pooling out"):
        check_encoder(folder, has_pooling=True)
    with pytest.raises(InputError, match="has its own pooling; leave --pooling out"):
        load_encoder(folder, pooling="cls")
    bare = toy_transformer(tmp_path / "bare")
    assert check_encoder(bare, has_pooling=True) == bare
    assert load_encoder(bare, pooling="cls")[1].pooling_mode == "cls"


def test_finding_and_describing_an_encoder_loads_nothing_heavy():
    code = (
        "import sys\n"
        "import hexapla.encoder.load\n"
        "from hexapla.encoder.encoder_screen import inspect_encoder\n"
        "from hexapla.encoder.check_encoder import check_encoder\n"
        "from hexapla.encoder.locate import describe\n"
        "check_encoder('tiny', allow_pickle=True, has_pooling=False)\n"
        "assert describe('tiny') == inspect_encoder('tiny').facts\n"
        "from hexapla.encoder.kind import find_kind\n"
        "find_kind('tiny')\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'datasets', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "[]\n", run.stderr
