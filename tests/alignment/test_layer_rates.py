"""Learning rates that fall towards the input: of which weights, and exact resume."""

from __future__ import annotations

from collections import Counter

import pytest

from hexapla.alignment import stage
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.layer_rates import find_layers
from hexapla.alignment.stage import align
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from tests.fixtures.interrupted import assert_resumes_exactly
from tests.fixtures.toy import toy_decoder

RATE = 1e-2


@pytest.fixture
def decoder(settings, tmp_path) -> dict[str, object]:
    """Settings of ten steps of an encoder of two layers."""
    folder = str(toy_decoder(tmp_path / "two-layers"))
    short = {"epochs": 0.5, "checkpoint_steps": 4, "learning_rate": RATE}
    return {**settings, "encoder": folder, **short}


def trainer_of(monkeypatch, config: AlignConfig):
    made, plain = [], stage.make_trainer
    monkeypatch.setattr(
        stage, "make_trainer", lambda *args, **more: made.append(plain(*args, **more)) or made[-1]
    )
    align(config, quiet=True)
    return made[0]


def test_the_rate_falls_by_layers_and_norms_are_not_decayed(decoder, monkeypatch):
    trainer = trainer_of(monkeypatch, AlignConfig(**decoder, layer_decay=0.5, weight_decay=0.1))
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    seen = Counter()
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            seen[name] += 1
            layer = next((n for n in (0, 1) if f".layers.{n}." in name), None)
            depth = {0: 1, 1: 0}.get(layer, 2 if "embed_tokens" in name else 0)
            assert group["initial_lr"] == pytest.approx(RATE * 0.5**depth), name
            assert group["weight_decay"] == (0.0 if "norm" in name else 0.1), name
    assert seen == Counter(names.values())


def test_without_a_decay_all_weights_have_one_rate(decoder, monkeypatch):
    groups = trainer_of(monkeypatch, AlignConfig(**decoder)).optimizer.param_groups
    assert {group["initial_lr"] for group in groups} == {RATE} and len(groups) == 2


@pytest.mark.parametrize("changed", [{}, {"lora": 4}, {"freeze_embeddings": True}])
def test_an_interrupted_run_resumes_to_the_same_weights(decoder, tmp_path, changed):
    assert_resumes_exactly({**decoder, **changed, "layer_decay": 0.7}, tmp_path, step=6)


def test_an_encoder_whose_layers_are_not_listed_is_refused(settings):
    model = load_encoder(settings["encoder"])
    assert len(find_layers(model)) == 1
    model[0].auto_model.config.num_hidden_layers = 7  # as of an ALBERT, whose layers are one
    with pytest.raises(InputError, match="this encoder has no layers of which one follows the oth"):
        find_layers(model)
