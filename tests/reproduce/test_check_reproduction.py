"""A mistake in a recipe is answered before a heavy library is loaded, also by a dry run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.build.test_check_build import SCRIPT
from tests.fixtures.matrix import toy_data, toy_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_data(tmp_path_factory.mktemp("check") / "data")


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epoch = 2", 'unknown key "epoch"; did you mean "epochs"?'),
        ("n_rows = 32", "n_rows = 999", "999 rows are asked for; there are 60"),
        ('path = "DATA/corpus"', 'path = "DATA/none"', "corpora.toy: "),
        ('name = "DATA/one"', 'name = "DATA/none"', "encoders.one: "),
        ('data = "DATA/test"', 'data = "DATA/none"', "suites.toy: "),
        (
            'path = "DATA/corpus"\nn_rows = 32',
            'build = {texts = "DATA/none.txt", to = ["deu_Latn"], translator = "org/nmt"}',
            "corpora.toy: ",
        ),
    ],
)
def test_a_mistake_in_a_recipe_is_answered_before_a_heavy_library_is_loaded(
    tmp_path: Path, data: Path, old: str, new: str, message: str, dry_run: bool
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))
    command = ["reproduce", str(recipe), "--data", str(data), "--out", str(tmp_path / "out")]
    _assert_light([*command, "--dry-run"] if dry_run else command, message)
    assert not (tmp_path / "out").exists()


def test_an_unknown_recipe_and_a_folder_in_use_are_answered_before_a_heavy_library_is_loaded(
    tmp_path: Path, data: Path
) -> None:
    _assert_light(["reproduce", "papr", "--out", str(tmp_path / "out")], 'did you mean "paper"?')
    (tmp_path / "file").write_text("")
    recipe = str(toy_recipe(tmp_path / "toy.toml"))
    command = ["reproduce", recipe, "--data", str(data), "--out", str(tmp_path)]
    _assert_light(command, "it holds no results of reproduce")


def _assert_light(command: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command], capture_output=True, text=True, check=False
    )
    assert message in done.stderr
    assert done.stdout.strip() == "[] 2"
