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
    return {key: settings[key] for key in settings.keys() - {"learning_rate", "cells_per_row"}}


def test_defaults_follow_from_the_kind_and_from_a_teacher_and_make_the_run(plain, tmp_path):
    bare = str(toy_transformer(tmp_path / "bare"))
    contrastive = {"temperature": 0.02, "margin": 0.4}
    loss = {**contrastive, "preserve": 10.0, "alpha": 0.5}
    started = {"whiten": "start", "preserve": 3.0, "alpha": 0.85}
    bare_loss = {**contrastive, **started, "learning_rate": 2e-5}
    untouched = {"whiten": "none", "preserve": 0.0, "alpha": 1.0}
    taught = {"temperature": 0.05, "margin": 0.0, **untouched}
    part, whole = {"cells_per_row": 3}, {"cells_per_row": 0}
    for given, expected in (
        ({}, {"learning_rate": 3e-5, "whiten": "none", "epochs": 1.0, **loss, **part}),
        ({"cells_per_row": 0}, {**loss, **whole}),
        ({"encoder": bare}, {**bare_loss, **part}),
        ({"encoder": bare, "teacher": "tiny"}, {"learning_rate": 2e-5, **taught, **part}),
        ({"regime": "en-x"}, {**loss, **whole}),
        ({"encoder": bare, "alpha": 0.3}, {"whiten": "start", "preserve": 3.0, **part}),
        ({"encoder": bare, "whiten": "none"}, {"preserve": 3.0, "alpha": 1.0, **part}),
        ({"regime": "pivot-only"}, {"margin": 0.4, **untouched, **whole}),
        ({"learning_rate": 1e-4}, {**loss, "alpha": 1.0}),
        ({"whiten": "start", "teacher": "tiny"}, {"preserve": 0.0, "alpha": 1.0, **part}),
        ({"whiten": "start"}, {**started, "epochs": 4.0, **part}),
        ({"whiten": "start", "learning_rate": 5e-4}, {**started, **part}),
        ({"whiten": "start", "alpha": 1.0}, {"preserve": 3.0, **part}),
        ({"whiten": "end"}, {"preserve": 0.0, "alpha": 1.0, **part}),
    ):
        config = AlignConfig(**{**plain, **given}, held_out=0.0)
        checked = check_alignment(config)
        assert expected.items() <= checked.identity.items()
        explicit = check_alignment(dataclasses.replace(config, **expected))
        assert explicit.identity == checked.identity
        given = check_alignment(dataclasses.replace(config, learning_rate=0.5, margin=0.1)).config
        assert (given.learning_rate, given.margin) == (0.5, 0.1)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_recipe_that_says_everything_is_the_same_for_every_kind(plain, kind):
    recipe = read_recipe("paper", "align", AlignConfig)
    config = AlignConfig(**{**plain, **recipe})
    assert fill_in(config, kind) == config and config.learning_rate == 2e-5


def test_a_run_records_and_says_what_it_was_trained_with(plain, caplog):
    with caplog.at_level("INFO", logger="hexapla"):
        result = align(AlignConfig(**plain), quiet=True)
    assert result["learning_rate"] == 3e-5
    written = json.loads((plain["out"] / "run.json").read_text())
    assert written["config"]["learning_rate"] == 3e-5
    assert "toy is a sentence encoder: mean pooling, prompt '', learning rate 3e-05" in caplog.text
    assert align(AlignConfig(**plain, resume=True), quiet=True) == result
