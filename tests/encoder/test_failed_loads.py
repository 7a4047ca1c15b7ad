"""A command whose encoder does not load ends with 2 and one line, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from hexapla.cli.app import main
from tests.fixtures.merging import write_records
from tests.fixtures.text_files import edit_json, write_file
from tests.fixtures.toy import toy_encoder, toy_rows

COMMANDS = {
    "align": "align rows.jsonl --encoder ENC --regime en-x --out out",
    "merge": "merge ENC aligned --corpus rows.jsonl --alpha 0:1:0.5 --held-out 0.3 --out out",
    "evaluate": "evaluate ENC --suite bitext --data rows.jsonl --out out",
    "mine": "mine one.txt two.txt --encoder ENC --out out.tsv",
    "score": "score pairs.tsv --encoder ENC --out out.tsv",
    "align-documents": "align-documents one.txt two.txt --encoder ENC --out out.tsv",
    "explore": "explore ENC rows.jsonl",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder that lacks one tensor, and what the commands read beside it."""
    folder = tmp_path_factory.mktemp("failed")
    rows = [json.dumps(row) for row in toy_rows(120)]
    write_file(folder / "rows.jsonl", "\n".join(rows))
    lines = [f"eng{number:02d}" for number in range(30)]
    write_file(folder / "one.txt", "\n".join(lines))
    write_file(folder / "two.txt", "\n".join(reversed(lines)))
    write_file(folder / "pairs.tsv", "source\ttarget\n" + "\n".join(f"{x}\t{x}" for x in lines))
    whole = toy_encoder(folder / "ENC")
    write_records(toy_encoder(folder / "aligned", seed=1), whole)
    tensors = load_file(whole / "model.safetensors")
    del tensors["encoder.layer.0.output.dense.bias"]
    save_file(tensors, whole / "model.safetensors", metadata={"format": "pt"})
    edit_json(folder / "aligned" / "config.json", hidden_dropout_prob=0.0)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_encoder_does_not_load_leaves_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    assert main(COMMANDS[command].split()) == 2
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("hexapla: ENC: 1 tensors that config.json asks for are not in the")
    assert sorted(folder.rglob("*")) == before
