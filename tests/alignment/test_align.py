"""Alignment: a run improves retrieval on rows it never saw, spends its budget, records what it took."""

from __future__ import annotations

import json

import pytest
import torch
from sentence_transformers import (
    SentenceTransformer,
)

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.held_out import HeldOutAccuracy
from hexapla.errors import InputError
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.mark.slow
def test_alignment_finds_rows_that_it_never_saw(settings):
    result = align(AlignConfig(**settings, held_out=0.2, epochs=6), quiet=True)
    curve = [point["accuracy"] for point in result["held_out"]]
    assert curve[-1] > 0.7 > 0.35 > curve[0]
    assert result["n_rows"] == pytest.approx(240, abs=25)
    assert result["n_rows_seen"] == 6 * result["n_rows"]
    assert result["regime"] == "multiway" and result["languages"] == list(LANGUAGES)


def test_the_folder_is_an_encoder_with_its_records_and_nothing_else(settings):
    out = settings["out"]
    plain = {**settings, "report_to": "tensorboard", "whiten": "none"}
    result = align(AlignConfig(**plain), quiet=True)
    model = SentenceTransformer(str(out), device="cpu")
    assert model.encode(["eng01 eng02"]).shape == (1, 32)
    names = {path.name for path in out.iterdir()}
    records = {"run.json", "align.json", "logs", "README.md"}
    tokenizer = {"tokenizer.json", "tokenizer_config.json"}
    modules = {
        "modules.json",
        "config.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
    }
    assert names == records | tokenizer | modules | {
        "model.safetensors",
        "1_Pooling",
        "2_Normalize",
    }
    assert (out / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert json.loads((out / "align.json").read_text()) == result
    run = json.loads((out / "run.json").read_text())
    assert run["config"]["rows_per_step"] == 16 and run["versions"]["torch"] == torch.__version__
    card = (out / "README.md").read_text()
    for expected in ("German (`deu_Latn`)", "Regime: `multiway`", "pivot `eng_Latn`"):
        assert expected in card
    assert list((out / "logs").glob("events*"))


@pytest.mark.slow
def test_a_finished_run_is_neither_overwritten_nor_trained_again(settings):
    first = align(AlignConfig(**settings), quiet=True)
    before = (settings["out"] / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(InputError, match="holds a finished run; --overwrite replaces it"):
        align(AlignConfig(**settings), quiet=True)
    assert align(AlignConfig(**settings, resume=True), quiet=True) == first
    assert (settings["out"] / "model.safetensors").stat().st_mtime_ns == before
    again = align(AlignConfig(**settings, overwrite=True), quiet=True)
    assert again["loss"] == first["loss"]
    assert (settings["out"] / "model.safetensors").stat().st_mtime_ns != before


@pytest.mark.slow
def test_a_log_has_lines_with_steps_rate_time_left_loss_and_accuracy(
    settings, monkeypatch, caplog, capfd
):
    monkeypatch.setattr("hexapla.runs.progress.LOG_EVERY_S", 0.0)
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(AlignConfig(**settings, held_out=0.2, epochs=3, checkpoint_steps=7))
    lines = [line for line in caplog.messages if line.startswith("training: ")]
    n_steps = result["n_steps"]
    assert lines[0].startswith(f"training: 0 of {n_steps} steps (0 %)")
    assert any(" left" in line for line in lines)
    accuracy = result["held_out"][-1]["accuracy"]
    (last,) = [line for line in lines if f" {n_steps} of {n_steps} steps (100 %)" in line]
    assert last == lines[-1] and f"held-out accuracy {accuracy:.4f}" in last
    assert f"loss {result['losses'][-1]['loss']:.4f}" in last
    shown = capfd.readouterr()
    assert f"/{n_steps} [" not in shown.err + shown.out  # no bar of the trainer


def test_a_quiet_run_shows_no_progress(settings, monkeypatch, caplog, capfd):
    monkeypatch.setattr("hexapla.runs.progress.LOG_EVERY_S", 0.0)
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(AlignConfig(**settings), quiet=True)
    assert not [line for line in caplog.messages if "training: " in line]
    shown = capfd.readouterr()
    assert shown.out == "" and f"/{result['n_steps']} [" not in shown.err


@pytest.mark.slow
def test_budgets_of_rows_and_of_encodings_are_kept_by_every_regime(settings, tmp_path, monkeypatch):
    took, n_texts = {}, {}
    settings = {**settings, "encoder": str(toy_encoder(tmp_path / "dropout", dropout=0.1))}
    counted = [0]

    class Counted(MultiwayLoss):
        def forward(self, features, labels=None):
            counted[0] += len(labels)
            return super().forward(features, labels)

    monkeypatch.setattr("hexapla.alignment.trainer_setup.MultiwayLoss", Counted)
    for regime in ("multiway", "star", "en-x", "sampled-pair", "pivot-only"):
        for budget in ("rows", "encodings"):
            config = AlignConfig(
                **{**settings, "out": tmp_path / f"{regime}-{budget}"}, regime=regime, budget=budget
            )
            counted[0] = 0
            took[regime, budget] = align(config, quiet=True)
            n_texts[regime, budget] = counted[0]
    cells = took["multiway", "rows"]["n_encodings"]
    for (regime, budget), result in took.items():
        # Batches differ by a row.
        assert n_texts[regime, budget] == pytest.approx(result["n_encodings"], rel=0.01)
        if budget == "rows":
            n_rows = 299  # one of the 300 lost all its translations, and is not in the corpus
            assert result["n_rows_seen"] == result["n_rows"] == n_rows
            assert result["n_encodings"] == (
                cells if regime in ("multiway", "star") else 2 * n_rows
            )
        else:
            # To within a step.
            assert result["n_encodings"] == pytest.approx(cells, rel=2 * 16 / 300)
    drawn = {**settings, "out": tmp_path / "drawn", "budget": "encodings", "cells_per_row": 2}
    result = align(AlignConfig(**drawn), quiet=True)
    assert result["epochs"] == pytest.approx(cells / (2 * 299), rel=0.1)
    assert (result["cells_per_row"], took["multiway", "rows"]["cells_per_row"]) == (2, "all")
    assert result["n_encodings"] == pytest.approx(cells, rel=2 * 16 / 300)


@pytest.mark.slow
def test_the_converged_budget_stops_when_held_out_rows_stop_improving(settings):
    result = align(
        AlignConfig(**settings, budget="converged", held_out=0.2, patience=2, epochs=40), quiet=True
    )
    curve = [point["accuracy"] for point in result["held_out"]]
    assert result["epochs"] < 40
    assert max(curve[-6:]) <= max(curve[:-6])
    best = next(point["step"] for point in result["held_out"] if point["accuracy"] == max(curve))
    assert result["best_step"] == best
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()
    judge = HeldOutAccuracy(held_out, LANGUAGES, "")
    saved = SentenceTransformer(str(settings["out"]), device="cpu")
    # The weights of the best step, not of the last.
    assert judge(saved)["held_out_accuracy"] == pytest.approx(max(curve))


def test_long_texts_are_truncated_counted_and_named(settings, tmp_path, caplog):
    rows = toy_rows(40)
    rows[3]["deu_Latn"] = " ".join(["deu01"] * 30)
    rows[4]["eng_Latn"] = " ".join(["eng02"] * 15)  # 15 words and two special tokens: one too many
    rows[5]["eng_Latn"] = " ".join(["eng03"] * 14)
    write_corpus(rows, tmp_path / "long", languages=LANGUAGES)
    result = align(AlignConfig(**{**settings, "corpus": str(tmp_path / "long")}), quiet=True)
    assert result["n_truncated"] == 2
    assert "2 texts are longer than 16 tokens and are truncated" in caplog.text


def test_pivot_only_needs_dropout_and_sees_only_the_pivot(settings, tmp_path):
    with pytest.raises(InputError, match="has no dropout"):
        align(AlignConfig(**settings, regime="pivot-only"), quiet=True)
    assert not settings["out"].exists()
    dropout = str(toy_encoder(tmp_path / "dropout", dropout=0.1))
    result = align(AlignConfig(**{**settings, "encoder": dropout}, regime="pivot-only"), quiet=True)
    assert result["languages"] == ["eng_Latn"]
