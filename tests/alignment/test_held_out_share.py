"""Rows are held out by default where there are enough, and never where a study has to train on all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hexapla.alignment.check_alignment import check_alignment
from hexapla.alignment.config import AlignConfig, default_held_out
from hexapla.reproduce.experiment_reader import read_experiments
from hexapla.runs.recipe import read_recipe
from tests.fixtures.toy import toy_encoder


@pytest.mark.parametrize(
    ("n_rows", "share", "n_held_out"),
    [
        (499, 0.0, 0),
        (500, 0.1, 50),
        (1_000, 0.1, 100),
        (2_000, 0.05, 100),
        (10_000, 0.05, 500),
        (76_000, 0.0066, 502),
    ],
)
def test_a_twentieth_of_the_rows_is_held_out_or_up_to_a_tenth_to_make_fifty_to_five_hundred(
    n_rows, share, n_held_out
):
    assert default_held_out(n_rows) == share
    assert round(default_held_out(n_rows) * n_rows) == n_held_out


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "rows.tsv"
    lines = [f"sentence {number}\tSatz {number}" for number in range(2_000)]
    path.write_text("\n".join(["en\tde", *lines, ""]))
    return path


def test_the_share_is_part_of_the_run_and_a_given_one_is_kept(table, tmp_path):
    given = {"corpus": str(table), "encoder": str(toy_encoder(tmp_path / "toy"))}
    config = AlignConfig(**given, out=tmp_path / "out")
    checked = check_alignment(config)
    assert checked.config.held_out == checked.identity["held_out"] == 0.05
    for share in (0.0, 0.3):
        asked = check_alignment(dataclasses.replace(config, held_out=share))
        assert asked.config.held_out == asked.identity["held_out"] == share
    alone = AlignConfig(**given, out=tmp_path / "out", languages="en", regime="pivot-only")
    assert check_alignment(alone).config.held_out == 0.0  # there is no column to search in


def test_the_recipe_of_the_paper_and_the_cells_of_a_study_train_on_all_rows():
    assert read_recipe("paper", "align", AlignConfig)["held_out"] == 0.0
    recipe = read_experiments("paper")
    assert recipe.training("me5-base", "multiway", "rows")["held_out"] == 0.0
    assert "held_out" not in recipe.training("me5-base", "multiway", "converged")
