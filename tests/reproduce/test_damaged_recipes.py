"""Whatever stands in a recipe, it is refused by table and key, or every value is one of its kind."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hexapla.alignment.config import AlignConfig
from hexapla.errors import InputError
from hexapla.reproduce import experiment_reader
from hexapla.runs import recipe as recipes
from hexapla.runs.recipe import carried_recipes, read_recipe
from tests.fixtures.damaged_values import TOML_VALUES, replaced


@pytest.mark.parametrize(
    "stride", [pytest.param(40, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.fuzz)]
)
def test_any_value_of_any_key_of_carried_experiments_is_checked(
    monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    n_refused = 0
    for path in carried_recipes("experiments").values():
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for place, value, changed in replaced(content, TOML_VALUES, stride):
            monkeypatch.setattr(experiment_reader, "read_toml", lambda _, made=changed: made)
            try:
                experiment_reader.read_experiments(path, Path("data"))
            except InputError as error:
                n_refused += 1
                assert "\n" not in str(error), (place, value)
    assert n_refused > 1000 / stride


@pytest.mark.parametrize("name", carried_recipes())
def test_any_value_of_any_key_of_carried_settings_is_checked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tomllib.loads(carried_recipes()[name].read_text(encoding="utf-8"))
    n_refused = 0
    for place, value, changed in replaced(content, TOML_VALUES, 3):
        monkeypatch.setattr(recipes, "read_toml", lambda _, made=changed: made)
        try:
            read_recipe(name, "align", AlignConfig)
        except InputError as error:
            n_refused += 1
            assert "\n" not in str(error), (place, value)
            assert str(place[-1]) in str(error) or place == ("align",), (place, value, error)
    assert n_refused > 10


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("seed = -1", r"\[align\] seed is -1; it must be a whole number from 0"),
        ("languages = [5]", r"\[align\] languages\.0 is 5; it must be a text"),
        ("languages = 5", r"\[align\] languages is 5; it must be a list"),
        ("epochs = 2020-01-01", r"\[align\] epochs is datetime\.date\(2020, 1, 1\); it must be"),
        ("seed = 1" + "0" * 30, r"an integer of more than 64 bits"),
        ("seed = 1" + "0" * 5000, r"not a TOML file: Exceeds the limit"),
        ("seed = " + "[" * 100_000, r"nested too deep"),
        ("seed = " + "[" * 99 + "]" * 99, r"nested deeper than 64 levels"),
    ],
)
def test_a_recipe_is_refused_by_table_and_key(tmp_path: Path, settings: str, told: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"[align]\n{settings}\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"own\.toml: .*{told}"):
        read_recipe(path, "align", AlignConfig)
