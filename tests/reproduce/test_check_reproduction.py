"""A mistake in a recipe is answered before a heavy library is loaded, also by a dry run."""

from __future__ import annotations

import pytest

from tests.fixtures.light_process import Answer, answers
from tests.fixtures.matrix import toy_data, toy_recipe

# What is wrong: the text of the recipe, what stands in its place, and the answer.
MISTAKES = {
    "key": ("epochs = 2", "epoch = 2", 'unknown key "epoch"; did you mean "epochs"?'),
    "rows": ("n_rows = 32", "n_rows = 999", "999 rows are asked for; there are 60"),
    "corpus": ('path = "DATA/corpus"', 'path = "DATA/none"', "corpora.toy: "),
    "encoder": ('name = "DATA/one"', 'name = "DATA/none"', "encoders.one: "),
    "suite": ('data = "DATA/test"', 'data = "DATA/none"', "suites.toy: "),
    "texts": (
        'path = "DATA/corpus"\nn_rows = 32',
        'build = {texts = "DATA/none.txt", to = ["deu_Latn"], translator = "org/nmt"}',
        "corpora.toy: ",
    ),
}
HERE = ["data", "full", *sorted(f"{name}.toml" for name in MISTAKES), "toy.toml"]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("check")
    toy_data(folder / "data")
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("")
    text = toy_recipe(folder / "toy.toml").read_text()
    given = ["--data", "data", "--out"]
    commands = {
        "unknown": ["reproduce", "papr", "--out", "out"],
        "full": ["reproduce", "toy.toml", *given, "full"],
    }
    for name, (old, new, _) in MISTAKES.items():
        assert old in text
        (folder / f"{name}.toml").write_text(text.replace(old, new))
        commands[name] = ["reproduce", f"{name}.toml", *given, "out"]
        commands[f"{name}, dry run"] = [*commands[name], "--dry-run"]
    return answers(commands, folder)


@pytest.mark.parametrize("dry_run", ["", ", dry run"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_recipe_is_answered_before_a_heavy_library_is_loaded(
    light: dict[str, Answer], mistake: str, dry_run: str
) -> None:
    _assert_light(light[mistake + dry_run], MISTAKES[mistake][2])


def test_an_unknown_recipe_and_a_folder_in_use_are_answered_before_a_heavy_library_is_loaded(
    light: dict[str, Answer],
) -> None:
    _assert_light(light["unknown"], 'did you mean "paper"?')
    _assert_light(light["full"], "it holds no results of reproduce")


def _assert_light(answer: Answer, message: str) -> None:
    assert message in answer.err
    assert (answer.status, answer.out, answer.heavy, answer.left) == (2, "", [], sorted(HERE))
