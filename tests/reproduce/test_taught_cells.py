"""A teacher in a recipe is located, hashed and part of a cell's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.reproduce.experiment_reader import read_experiments
from hexapla.reproduce.matrix_plan import plan_matrix
from tests.fixtures.matrix import toy_data, toy_recipe
from tests.fixtures.toy import toy_encoder


def test_a_cells_key_follows_from_the_weights_of_its_teacher(tmp_path: Path) -> None:
    data = toy_data(tmp_path / "data")
    recipe = toy_recipe(tmp_path / "toy.toml")

    def keys() -> dict[str, str]:
        plan = plan_matrix(read_experiments(recipe, data))
        return {cell.regime: cell.key for cell in plan.cells}

    without = keys()
    text = recipe.read_text()
    taught = text.replace('regime = "en-x"', 'regime = "en-x"\nteacher = "DATA/two"')
    recipe.write_text(taught)
    first = keys()
    assert first["multiway"] == without["multiway"] and first["en-x"] != without["en-x"]
    toy_encoder(data / "two", dropout=0.1, seed=2)
    second = keys()
    assert second["multiway"] == first["multiway"] and second["en-x"] != first["en-x"]
    recipe.write_text(taught.replace("DATA/two", "DATA/none"))
    with pytest.raises(InputError, match=r"regimes\.en-x: .*/data/none: no such encoder folder"):
        keys()
