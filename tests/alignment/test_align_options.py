"""LoRA, gradient checkpointing, compilation, Matryoshka, preserved pivots and bf16 do what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from sentence_transformers import (
    SentenceTransformer,
)

from hexapla.alignment import stage, trainer_setup
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.encoder.held_out import HeldOutAccuracy
from hexapla.errors import InputError
from tests.fixtures.toy import LANGUAGES
from tests.fixtures.weights import read_weights


@pytest.mark.slow
def test_cached_and_accumulated_steps_train(settings):
    result = align(
        AlignConfig(**settings, chunk_tokens=100, gradient_accumulation=2, held_out=0.2, epochs=4),
        quiet=True,
    )
    assert result["held_out"][-1]["accuracy"] > result["held_out"][0]["accuracy"]
    assert result["n_steps"] == pytest.approx(4 * result["n_rows"] / 32, abs=5)


@pytest.mark.slow
def test_lora_trains_the_adapters_alone_and_leaves_an_ordinary_encoder(settings, encoder):
    result = align(
        AlignConfig(**settings, lora=8, held_out=0.2, epochs=8, whiten="none"), quiet=True
    )
    assert result["lora"] == 8
    assert "LoRA of rank 8" in (settings["out"] / "README.md").read_text()
    assert result["held_out"][-1]["accuracy"] > result["held_out"][0]["accuracy"] + 0.03
    before, after = read_weights(Path(encoder)), read_weights(settings["out"])
    assert before.keys() == after.keys()  # no adapter is left in it
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("dense" in name or "attention" in name for name in changed)
    assert "embeddings.word_embeddings.weight" not in changed
    change = (
        after["encoder.layer.0.attention.self.query.weight"]
        - before["encoder.layer.0.attention.self.query.weight"]
    )
    assert torch.linalg.matrix_rank(change, rtol=1e-4) == 8


def test_lora_without_its_package_is_refused_before_anything_is_written(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(
        stage, "load_encoder", lambda *args, **kwargs: pytest.fail("a model was loaded")
    )
    with pytest.raises(
        InputError, match=r"needs the library peft; install it with: pip install 'hexapla\[lora\]'"
    ):
        align(AlignConfig(**settings, lora=8), quiet=True)
    assert not settings["out"].exists()


@pytest.mark.slow
def test_gradient_checkpointing_changes_nothing_but_the_memory(settings, tmp_path):
    align(AlignConfig(**settings), quiet=True)
    align(
        AlignConfig(**{**settings, "out": tmp_path / "other"}, gradient_checkpointing=True),
        quiet=True,
    )
    first, second = read_weights(settings["out"]), read_weights(tmp_path / "other")
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=0, atol=1e-6, msg=name)


def test_what_is_compiled_is_what_encodes(settings, monkeypatch):
    calls = []

    def compiled(function, dynamic):  # the real one takes half a minute
        def called(*args, **kwargs):
            calls.append(dynamic)
            return function(*args, **kwargs)

        return called

    monkeypatch.setattr(torch, "compile", compiled)
    result = align(AlignConfig(**settings, compile=True), quiet=True)
    assert len(calls) >= result["n_steps"] and all(calls)


@pytest.mark.slow
def test_matryoshka_makes_the_leading_dimensions_useful_alone(settings, tmp_path):
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()

    def accuracy(folder: Path) -> float:
        model = SentenceTransformer(str(folder), device="cpu", truncate_dim=4)
        return HeldOutAccuracy(held_out, LANGUAGES, "")(model)["held_out_accuracy"]

    plain = {**settings, "held_out": 0.2, "epochs": 5, "temperature": 0.05, "margin": 0.0}
    align(AlignConfig(**plain), quiet=True)
    align(AlignConfig(**{**plain, "out": tmp_path / "nested"}, matryoshka="32,4"), quiet=True)
    assert accuracy(tmp_path / "nested") > accuracy(settings["out"]) + 0.05
    with pytest.raises(InputError, match=r"matryoshka asks for 33 dimensions; .* has 32"):
        align(AlignConfig(**{**plain, "out": tmp_path / "large"}, matryoshka=(33, 4)), quiet=True)
    assert not (tmp_path / "large").exists()


@pytest.mark.slow
def test_preserve_keeps_the_pivots_structure_and_alignment_still_rises(settings, encoder, tmp_path):
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()
    pivots = list(held_out["eng_Latn"])

    def structure(folder: str | Path) -> torch.Tensor:
        vectors = torch.tensor(SentenceTransformer(str(folder), device="cpu").encode(pivots))
        return vectors @ vectors.T

    moved, accuracy = {}, {}
    for name, weight in (("free", 0.0), ("kept", 10.0)):
        changed = {"out": tmp_path / name, "preserve": weight, "whiten": "none"}
        config = AlignConfig(**{**settings, **changed}, held_out=0.2, epochs=5)
        curve = align(config, quiet=True)["held_out"]
        accuracy[name] = [point["accuracy"] for point in curve]
        moved[name] = (structure(tmp_path / name) - structure(encoder)).square().mean().item()
    assert moved["kept"] < 0.5 * moved["free"]
    assert accuracy["kept"][-1] > accuracy["kept"][0] + 0.05


@pytest.mark.parametrize(
    "changes", [{}, {"lora": 4}, {"whiten": "start"}, {"whiten": "end", "preserve": 0.0}]
)
def test_alpha_saves_weights_between_the_encoder_and_what_was_trained(
    settings, encoder, tmp_path, changes
):
    given = {**settings, "held_out": 0.2, "epochs": 2, **changes}
    results, weights = {}, {}
    for alpha in (1.0, 0.25):
        out = tmp_path / str(alpha)
        results[alpha] = align(AlignConfig(**{**given, "out": out, "alpha": alpha}), quiet=True)
        weights[alpha] = read_weights(out)
    base = read_weights(Path(encoder))
    for name, weight in base.items():
        between = torch.lerp(weight, weights[1.0][name], 0.25)
        torch.testing.assert_close(weights[0.25][name], between, rtol=0, atol=1e-6)
    assert any(not torch.equal(base[name], weights[0.25][name]) for name in base)
    # The accuracy is that of the saved encoder, not of what was trained.
    held_out = open_corpus(settings["corpus"]).split(0.2)[1].dataset()
    saved = SentenceTransformer(str(tmp_path / "0.25"), device="cpu")
    judge = HeldOutAccuracy(held_out, LANGUAGES, "")
    assert results[0.25]["accuracy_after"] == judge(saved)["held_out_accuracy"]
    assert results[0.25]["alpha"] == 0.25
    assert results[0.25]["losses"] == results[1.0]["losses"]


@pytest.mark.parametrize("has_bf16", [True, False])
def test_bf16_is_warned_of_on_a_cpu_that_has_no_instructions_for_it(
    settings, monkeypatch, caplog, has_bf16
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_bf16})
    assert trainer_setup._uses_bf16(AlignConfig(**settings, precision="bf16"))
    warned = "precision is bf16, for which this CPU has no instructions" in caplog.text
    assert warned == (not has_bf16)
    caplog.clear()
    assert not trainer_setup._uses_bf16(AlignConfig(**settings, precision="auto"))
    assert not caplog.records
