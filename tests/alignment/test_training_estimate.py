"""`hexapla align --dry-run`: the counts of the training, a measured step, and nothing that stays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import datasets
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.prepare import prepare
from hexapla.alignment.stage import align
from hexapla.alignment.token_cache import open_token_cache
from hexapla.alignment.training_estimate import TrainingEstimate, estimate_training
from hexapla.cli.app import main
from hexapla.encoder.load import load_encoder


def files_of(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_the_counts_are_those_of_the_training_and_nothing_is_left(settings):
    run = {**settings, "rows_per_step": 64, "hard_negatives": 3}
    config = AlignConfig(**run, held_out=0.2, epochs=2.0, gradient_accumulation=2)
    cache = datasets.config.HF_DATASETS_CACHE
    before = files_of(Path(cache))
    estimate = estimate_training(config)
    assert files_of(Path(cache)) == before and cache == datasets.config.HF_DATASETS_CACHE
    assert not config.out.exists()
    result = align(config, quiet=True)
    for key in ("n_rows", "n_held_out", "n_unusable", "n_steps", "n_encodings", "n_mined"):
        assert getattr(estimate, key) == result[key], key
    prepared = prepare(AlignConfig(**{**run, "out": config.out / "not"}, held_out=0.2))
    model = load_encoder(config.encoder)
    cells = open_token_cache(prepared.rows, prepared.corpus.languages, model, "", ("test",))
    assert estimate.n_tokens == 2 * len(cells.ids)
    assert estimate.seconds > 0 and estimate.n_rows_measured == config.rows_per_step
    n_weights = sum(each.numel() for each in model.parameters())
    assert estimate.n_trained == estimate.n_parameters == n_weights


@pytest.mark.parametrize(
    "change",
    [
        {"chunk_tokens": 100, "gradient_checkpointing": True},
        {"regime": "en-x", "budget": "converged", "whiten": "start"},
        {"teacher": "tiny", "contrastive_weight": 0.0},
    ],
)
def test_every_kind_of_training_can_be_estimated(settings, change):
    estimate = estimate_training(AlignConfig(**settings, **change))
    assert estimate.seconds > 0 and estimate.memory["activations of a step"] > 0
    assert any("teacher" in line for line in estimate.lines()) == ("teacher" in change)


def test_a_step_is_timed_in_the_precision_of_the_training(settings):
    types = set()
    hook = register_module_forward_hook(
        lambda module, _, out: types.add(out.dtype) if isinstance(module, nn.Linear) else None
    )
    try:
        estimate_training(AlignConfig(**settings, precision="bf16"))
    finally:
        hook.remove()
    assert torch.bfloat16 in types


ESTIMATE = TrainingEstimate(
    encoder="small@4",
    regime="multiway",
    n_languages=7,
    n_rows=1888,
    n_held_out=100,
    n_unusable=12,
    n_steps=30,
    rows_per_step=64,
    n_encodings=13_216,
    n_tokens=320_000,
    n_mined=0,
    n_parameters=106_000_000,
    n_trained=12_000_000,
    n_body=7_000_000,
    memory={"weights": 0.5 * 2**30, "activations of a step": 1.5 * 2**30},
    seconds=125.0,
    device="2 threads of the CPU",
    n_rows_measured=16,
    is_longest=False,
    has_teacher=False,
)


def test_the_lines_say_what_was_measured_and_what_is_assumed():
    # 6 * 7e6 * 320,000 operations at 0.3 * 312e12 take 0.14 s, and 30 steps 0.05 s each.
    assert ESTIMATE.gpu_seconds == pytest.approx(0.1436 + 1.5, abs=1e-3)
    assert ESTIMATE.lines() == [
        "small@4 under multiway: 1,888 rows to train on, in 7 languages; 100 rows held out, 12 "
        "rows with fewer than two of the languages",
        "30 steps of 64 rows, 13,216 sentences, about 320,000 tokens",
        "trained: 12,000,000 of 106,000,000 weights",
        "memory: about 2.0 GiB (weights 0.5, activations of a step 1.5)",
        "time: about 2 min 5 s with 2 threads of the CPU (a step measured on 16 of its 64 rows)",
        "time on an A100 GPU: at least 2 s, not measured: 312 TFLOP/s in bf16 by NVIDIA's data "
        "sheet, 30 % of that and 0.05 s of other work a step assumed",
        "nothing was trained or written",
    ]


def test_what_finds_hard_negatives_counts_as_a_forward_pass():
    mined = dataclasses.replace(ESTIMATE, n_mined=13_216)
    assert mined.lines()[1].endswith("about 320,000 tokens; 13,216 more to find hard negatives")
    assert mined.gpu_seconds - 1.5 == pytest.approx(0.1436 * 8 / 6, abs=1e-3)


def test_the_command_prints_the_estimate_and_writes_nothing(settings, capsys):
    given = {"encoder": settings["encoder"], "out": settings["out"], "rows-per-step": 16}
    flags = [part for key, value in given.items() for part in (f"--{key}", str(value))]
    assert main(["align", str(settings["corpus"]), *flags, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("24 steps of 16 rows, ") and lines[-1].startswith("nothing was")
    assert not settings["out"].exists()
