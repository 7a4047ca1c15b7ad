"""Saving an encoder: a folder loads once it is whole, and is finished once it has its record."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from sentence_transformers import SentenceTransformer

from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import describe
from hexapla.encoder.save import save_encoder
from tests.fixtures.merging import write_records
from tests.fixtures.toy import toy_encoder


def test_an_interrupted_save_leaves_a_folder_that_does_not_load(tmp_path, monkeypatch):
    base = toy_encoder(tmp_path / "base")
    write_records(base, base)
    result = json.loads((base / "align.json").read_text())
    model = SentenceTransformer(str(base), device="cpu")
    plain, n_moved, limit = os.replace, 0, 0

    def replace(source, target):
        nonlocal n_moved
        if n_moved == limit:
            raise OSError("killed")
        n_moved += 1
        plain(source, target)

    monkeypatch.setattr(os, "replace", replace)
    out = tmp_path / "out"
    states = []
    for limit in range(100):
        n_moved = 0
        folder = out / str(limit)
        (folder / "checkpoints").mkdir(parents=True)
        try:
            save_encoder(model, folder, result)
        except OSError as error:
            assert str(error) == "killed"
            states.append({path.name for path in folder.iterdir()})
            assert "checkpoints" in states[-1]
        else:
            break
    whole = {path.name for path in folder.iterdir()}
    assert len(states) > 8 and not whole & {".encoder", "checkpoints"}
    assert [state for state in states if "align.json" in state] == []
    (with_modules,) = [state for state in states if "modules.json" in state]
    assert with_modules - {"checkpoints"} == whole - {"align.json"}
    assert SentenceTransformer(str(folder), device="cpu").encode(["eng01"]).shape == (1, 32)
    saved = {**result, "sha256": describe(folder).sha256}
    assert json.loads((folder / "align.json").read_text()) == saved


def test_saving_again_replaces_what_an_interrupted_save_left(tmp_path):
    base = toy_encoder(tmp_path / "base")
    write_records(base, base)
    result = json.loads((base / "align.json").read_text())
    model = SentenceTransformer(str(base), device="cpu")
    out: Path = tmp_path / "out"
    (out / ".encoder").mkdir(parents=True)
    (out / ".encoder" / "stale.txt").write_text("left")
    (out / "1_Pooling").mkdir()
    (out / "1_Pooling" / "stale.txt").write_text("left")
    save_encoder(model, out, result)
    assert list(out.rglob("stale.txt")) == []
    assert (out / "1_Pooling" / "config.json").is_file()
    assert (out / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_files_that_have_changed_since_they_were_saved_are_named_in_a_warning(tmp_path, caplog):
    base = toy_encoder(tmp_path / "base")
    write_records(base, base)
    result = json.loads((base / "align.json").read_text())
    save_encoder(SentenceTransformer(str(base), device="cpu"), tmp_path / "out", result)
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(tmp_path / "out")
    assert "have changed" not in caplog.text
    weights = bytearray((tmp_path / "out" / "model.safetensors").read_bytes())
    weights[-100] ^= 1
    (tmp_path / "out" / "model.safetensors").write_bytes(weights)
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(tmp_path / "out")
    assert (
        "out: its weights, tokenizer or configuration have changed since they were" in caplog.text
    )
