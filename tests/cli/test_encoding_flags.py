"""Every command that encodes hands --prompt, --max-tokens and --pooling to what loads the encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hexapla.cli.app import main
from hexapla.encoder.locate import locate
from hexapla.errors import InputError
from hexapla.explore import open_explorer
from hexapla.explore.config import ExploreConfig
from hexapla.explore.stage import load_encoders
from hexapla.filters.cosine import Cosine
from tests.fixtures.merging import write_records
from tests.fixtures.toy import toy_encoder, toy_transformer

LOADERS = {
    "mine": "hexapla.mine.stage",
    "score": "hexapla.mine.score_bitext",
    "align-documents": "hexapla.mine.documents",
    "explore": "hexapla.explore.stage",
    "evaluate": "hexapla.evaluation.stage",
    "align": "hexapla.alignment.stage",
    "trim": "hexapla.encoder.load",
    "export": "hexapla.encoder.load",
    "merge": "hexapla.merge.sweep",
}


class LoadedError(InputError):
    """Raised in place of loading, with the arguments of the loader."""


def refuse_to_load(name: str, **settings: Any) -> None:
    chosen = {key: settings.get(key) for key in ("prompt", "max_tokens", "pooling")}
    raise LoadedError(f"loading {chosen}")


def arguments(command: str, bare: Path, folder: Path) -> list[str]:
    """Return what a command needs besides the flags of encoding."""
    for name in ("one.txt", "two.txt"):
        (folder / name).write_text("".join(f"eng{number:02d}\n" for number in range(9)))
    (folder / "bitext.tsv").write_text("source\ttarget\n" + "a\tb\nc\td\ne\tf\ng\th\n")
    one, two, bitext = (str(folder / name) for name in ("one.txt", "two.txt", "bitext.tsv"))
    out = ["--out", str(folder / "out")]
    given = {
        "mine": [one, two, "--encoder", bare, "--out", folder / "out.tsv"],
        "score": [bitext, "--encoder", bare, "--out", folder / "out.tsv"],
        "align-documents": [one, two, "--encoder", bare, "--out", folder / "out.tsv"],
        "explore": [bare, "sample", "--port", "0"],
        "evaluate": [bare, "--suite", "bitext", "--data", "sample", *out],
        "align": ["sample", "--encoder", bare, *out],
        "trim": [bare, "--languages", "en", "--corpus", "sample", *out],
        "export": [bare, "--format", "static", *out],
        "merge": [bare, folder / "aligned", "--corpus", "sample", *out],
    }
    return [str(argument) for argument in given[command]]


def bare_tiny(folder: Path) -> Path:
    """Copy the transformer of "tiny", whose tokenizer can be trimmed."""
    folder.mkdir()
    tiny = locate("tiny")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        shutil.copyfile(tiny / name, folder / name)
    return folder


@pytest.mark.parametrize("command", LOADERS)
def test_the_flags_of_encoding_reach_the_loader(command, tmp_path, monkeypatch, capsys):
    bare = bare_tiny(tmp_path / "bare") if command == "trim" else toy_transformer(tmp_path / "bare")
    pooling = "cls"
    if command == "merge":  # everything but the weights is the aligned encoder's
        pooling = None
        write_records(toy_encoder(tmp_path / "aligned", seed=1), bare)
    monkeypatch.setattr(f"{LOADERS[command]}.load_encoder", refuse_to_load)
    flags = ["--prompt", "eng01 ", "--max-tokens", "8", *(["--pooling", "cls"] if pooling else [])]
    assert main([command, *arguments(command, bare, tmp_path), *flags]) == 2
    expected = {"prompt": "eng01 ", "max_tokens": 8, "pooling": pooling}
    assert f"loading {expected}" in " ".join(capsys.readouterr().err.split())


def test_the_filter_by_cosine_takes_a_prompt(monkeypatch):
    monkeypatch.setattr("hexapla.encoder.load.load_encoder", refuse_to_load)
    with pytest.raises(LoadedError, match=r"loading \{'prompt': 'q: ', 'max_tokens': 8"):
        _ = Cosine(encoder="tiny", prompt="q: ", max_tokens=8)._model


@pytest.mark.parametrize("command", ["mine", "score", "align-documents", "explore", "trim"])
def test_a_pooling_is_refused_for_an_encoder_that_has_its_own(command, tmp_path, capsys):
    given = arguments(command, toy_encoder(tmp_path / "toy"), tmp_path)
    assert main([command, *given, "--pooling", "cls"]) == 2
    assert "has its own pooling; leave --pooling out" in capsys.readouterr().err


def test_explore_shows_the_base_with_the_prompt_of_the_alignment(tmp_path, monkeypatch):
    base, aligned = toy_encoder(tmp_path / "base"), toy_encoder(tmp_path / "aligned", seed=1)
    write_records(aligned, base, prompt="eng01 ")
    run = {"command": "align", "config": {"encoder": str(base)}}
    (aligned / "run.json").write_text(json.dumps(run))
    asked: dict[str, str | None] = {}

    def refuse(name: str, *, prompt: str | None, **_: Any) -> None:
        asked[Path(name).name] = prompt
        raise LoadedError(name)

    monkeypatch.setattr("hexapla.explore.stage.load_encoder", refuse)
    config = ExploreConfig(encoder=str(aligned), corpus="sample", port=0)
    with pytest.raises(LoadedError, match="aligned"):
        load_encoders(open_explorer(config), config, quiet=True)
    assert asked == {"base": "eng01 ", "aligned": None}
