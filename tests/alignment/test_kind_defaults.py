"""Settings that were not given are the defaults of the encoder's kind, wherever settings are recorded."""

from __future__ import annotations

import dataclasses
import json

import pytest

from hexapla.alignment.check_alignment import check_alignment
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.kind_defaults import fill_in
from hexapla.alignment.stage import align
from hexapla.encoder.kind import Kind
from hexapla.runs.recipe import read_recipe
from tests.fixtures.toy import toy_transformer


@pytest.fixture
def plain(settings) -> dict[str, object]:
    return {key: value for key, value in settings.items() if key != "learning_rate"}


def test_the_learning_rate_follows_from_the_kind_and_makes_the_run(plain, tmp_path):
    bare = str(toy_transformer(tmp_path / "bare"))
    for encoder, rate in ((plain["encoder"], 1e-4), (bare, 2e-5)):
        config = AlignConfig(**{**plain, "encoder": encoder}, held_out=0.0)
        checked = check_alignment(config)
        assert checked.config == dataclasses.replace(config, learning_rate=rate)
        assert checked.identity["learning_rate"] == rate
        explicit = check_alignment(dataclasses.replace(config, learning_rate=rate))
        assert explicit.identity == checked.identity
        assert check_alignment(dataclasses.replace(config, learning_rate=0.5)).config == (
            dataclasses.replace(config, learning_rate=0.5)
        )


@pytest.mark.parametrize("kind", list(Kind))
def test_a_recipe_that_says_everything_is_the_same_for_every_kind(plain, kind):
    recipe = read_recipe("paper", "align", AlignConfig)
    config = AlignConfig(**{**plain, **recipe})
    assert fill_in(config, kind) == config and config.learning_rate == 2e-5


def test_a_run_records_and_says_what_it_was_trained_with(plain, caplog):
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(AlignConfig(**plain), quiet=True)
    assert result["learning_rate"] == 1e-4
    written = json.loads((plain["out"] / "run.json").read_text())
    assert written["config"]["learning_rate"] == 1e-4
    assert "toy is a sentence encoder: mean pooling, prompt '', learning rate 0.0001" in caplog.text
    assert align(AlignConfig(**plain, resume=True), quiet=True) == result
