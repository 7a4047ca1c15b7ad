"""An E5 gets its prompt wherever it lies and whatever its folder is called; others are left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hexapla.encoder import kind
from hexapla.encoder.base_names import base_names
from hexapla.encoder.kind import Kind, e5_prompt, find_kind, find_prompt
from hexapla.encoder.load import load_encoder, save_prompt, training_prompt
from tests.fixtures.toy import toy_encoder, toy_transformer

E5 = "intfloat/multilingual-e5-base"


def configure(folder: Path, name: str) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_name_or_path": name}))
    return folder


def with_card(folder: Path, front_matter: str, text: str = "") -> Path:
    (folder / "README.md").write_text(f"---\n{front_matter}\n---\n{text}")
    return folder


def test_an_e5_in_the_cache_of_the_hub_gets_its_prompt(tmp_path):
    cached = tmp_path / "models--intfloat--multilingual-e5-base" / "snapshots" / "0123abcd"
    toy_transformer(cached)
    link = tmp_path / "encoder"
    link.symlink_to(cached)
    for folder in (cached, link):
        assert find_prompt(folder) == "query: "
        assert training_prompt(load_encoder(folder)) == "query: "
        assert find_kind(folder) == Kind.PROMPTED


@pytest.mark.parametrize("name", [E5, "/models/multilingual-e5-base/", "C:\\models\\e5-base"])
def test_an_e5_gets_its_prompt_by_its_configuration(tmp_path, name):
    folder = configure(toy_transformer(tmp_path / "encoder"), name)
    assert training_prompt(load_encoder(folder)) == "query: "


@pytest.mark.parametrize(
    "front_matter",
    [
        f"tags:\n- mteb\nbase_model: {E5}\nlicense: mit",
        f"base_model:\n- {E5}\n- other/name",
        f"base_model:\n  - '{E5}'",
        f"base_model: [{E5}]",
        "license: mit\nmodel-index:\n- name: multilingual-e5-base\n  results: []",
    ],
)
def test_an_e5_gets_its_prompt_by_its_model_card(tmp_path, front_matter):
    folder = with_card(toy_encoder(tmp_path / "encoder"), front_matter)
    assert find_prompt(folder) == training_prompt(load_encoder(folder)) == "query: "


def test_an_instruct_e5_gets_its_instruction_by_its_model_card(tmp_path):
    folder = with_card(
        toy_encoder(tmp_path / "encoder"), "base_model: intfloat/multilingual-e5-large-instruct"
    )
    assert e5_prompt(folder).startswith("Instruct: ")


@pytest.mark.parametrize(
    ("front_matter", "text"),
    [
        ("license: mit", f"base_model: {E5}"),
        ("base_model: org/made5-easy", "compared with multilingual-e5-base"),
        ("datasets:\n- org/e5-data", ""),
    ],
)
def test_a_card_that_only_mentions_an_e5_gives_no_prompt(tmp_path, front_matter, text):
    folder = with_card(toy_encoder(tmp_path / "encoder"), front_matter, text)
    assert e5_prompt(folder) == ""
    (folder / "README.md").write_bytes(b"\xff\xfe no front matter")
    assert e5_prompt(folder) == ""


def test_files_of_the_hub_show_an_e5_too(tmp_path, monkeypatch):
    folder = with_card(toy_encoder(tmp_path / "here"), f"base_model: {E5}")

    def hub_file(name, file, *, ask_hub):
        return folder / file if name == "org/support" and (folder / file).exists() else None

    monkeypatch.setattr("hexapla.encoder.base_names.hub_file", hub_file)
    monkeypatch.setattr(kind, "hub_file", hub_file)
    assert find_prompt("org/support") == "query: "
    assert find_prompt("org/other") == ""
    assert next(base_names("org/e5-small@v1")) == "e5-small"


def test_a_bare_transformer_of_unknown_origin_gets_a_note(tmp_path, caplog):
    unknown = toy_transformer(tmp_path / "encoder")
    known = configure(toy_transformer(tmp_path / "known"), "FacebookAI/xlm-roberta-base")
    with caplog.at_level("INFO", logger="hexapla"):
        load_encoder(unknown)
    assert "an E5 wants --prompt 'query: '" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", logger="hexapla"):
        load_encoder(known)
        load_encoder(unknown, prompt="")
        load_encoder(unknown, prompt="query: ")
        load_encoder(toy_encoder(tmp_path / "toy"))
    assert "an E5 wants" not in caplog.text


def test_a_given_prompt_takes_the_place_of_the_saved_and_of_the_found_one(tmp_path):
    e5 = configure(toy_encoder(tmp_path / "encoder"), E5)
    assert training_prompt(load_encoder(e5, prompt="passage: ")) == "passage: "
    assert training_prompt(load_encoder(e5, prompt="")) == ""
    model = load_encoder(toy_encoder(tmp_path / "toy"))
    model.prompts, model.default_prompt_name = {"query": "q: ", "web": "w: "}, "web"
    model.save(str(tmp_path / "prompted"))
    assert training_prompt(load_encoder(tmp_path / "prompted")) == "w: "
    assert training_prompt(load_encoder(tmp_path / "prompted", prompt="")) == ""


def test_an_e5_that_was_trained_without_a_prompt_stays_without(tmp_path):
    e5 = configure(toy_encoder(tmp_path / "multilingual-e5-toy"), E5)
    model = load_encoder(e5)
    save_prompt(model, "", ordinary=True)
    model.save(str(tmp_path / "e5-aligned"))
    shutil.copy(e5 / "config.json", tmp_path / "e5-aligned")
    assert find_prompt(tmp_path / "e5-aligned") == ""
    assert training_prompt(load_encoder(tmp_path / "e5-aligned")) == ""
    assert find_kind(tmp_path / "e5-aligned") == Kind.SENTENCE
