"""`hexapla inspect` on an encoder: how it reads a text, what is next, and what is not at hand."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from hexapla.cli.app import main
from hexapla.encoder.encoder_screen import inspect_encoder
from tests.fixtures.toy import toy_decoder, toy_encoder, toy_transformer


def screen(folder: Path) -> str:
    output = io.StringIO()
    shown = inspect_encoder(str(folder))
    shown.render(Console(file=output, width=200))
    return output.getvalue()


def test_kind_pooling_and_prompt_are_shown(tmp_path):
    folder = toy_encoder(tmp_path / "toy")
    assert "a sentence encoder: mean pooling, no prompt" in screen(folder)
    config = folder / "config_sentence_transformers.json"
    config.write_text(json.dumps({"prompts": {"query": "query: "}}))
    assert 'a sentence encoder with a prompt: mean pooling, prompt "query: "' in screen(folder)


def test_pooling_is_read_from_older_folders_too(tmp_path):
    folder = toy_encoder(tmp_path / "toy")
    older = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "include_prompt": 1}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(older))
    assert "a sentence encoder: cls and mean pooling" in screen(folder)


def test_a_bare_transformer_says_which_pooling_it_gets(tmp_path):
    masked = screen(toy_transformer(tmp_path / "masked"))
    assert "a bare language model that is not causal: gets mean pooling, no prompt" in masked
    causal = screen(toy_decoder(tmp_path / "causal"))
    assert "a bare causal language model: gets lasttoken pooling, no prompt" in causal


def test_the_next_step_of_an_encoder_depends_on_its_alignment(tmp_path):
    folder = toy_encoder(tmp_path / "toy")
    assert inspect_encoder(str(folder)).next_step(str(folder)) == (
        f"next: hexapla align CORPUS --encoder {folder} --out aligned"
    )


@pytest.fixture
def no_hub(monkeypatch):
    """Nothing may be fetched to look at a name."""
    monkeypatch.setattr("huggingface_hub.hf_hub_download", None)


def test_a_name_that_is_not_at_hand_is_not_taken_for_a_corpus(
    no_hub, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "intfloat/multilingual-e5-base"]) == 2
    assert capsys.readouterr().err.strip() == (
        "hexapla: intfloat/multilingual-e5-base: no file or folder here, and the Hub's cache on "
        "this machine has no encoder of this name; inspect fetches nothing, so give a folder or a "
        "table file"
    )
    assert main(["inspect", "xlm-roberta-base"]) == 2
    assert "xlm-roberta-base: no file or folder here, and" in capsys.readouterr().err
    assert main(["inspect", "name-"]) == 2  # no name on the Hub ends so
    assert "name-: no file or folder here, and" in capsys.readouterr().err
    assert main(["inspect", "sampel"]) == 2
    assert 'did you mean "sample"' in capsys.readouterr().err
    assert main(["inspect", "./nowhere"]) == 2
    assert "there is no corpus at nowhere" in capsys.readouterr().err
    Path("rows.tsv").touch()
    assert main(["inspect", "row.tsv"]) == 2
    assert 'row.tsv: there is no such file; did you mean "rows.tsv"?' in capsys.readouterr().err


def test_an_encoder_in_the_cache_of_the_hub_is_shown(no_hub, capsys, tmp_path, monkeypatch):
    toy_encoder(tmp_path / "toy")
    snapshot = tmp_path / "hub" / "models--org--toy" / "snapshots" / "abc"
    shutil.copytree(tmp_path / "toy", snapshot)
    refs = tmp_path / "hub" / "models--org--toy" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert main(["inspect", "org/toy"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("org/toy: XLMRobertaModel, 1 layers, 32 dimensions")
    assert "next: hexapla align CORPUS --encoder org/toy --out aligned" in printed
