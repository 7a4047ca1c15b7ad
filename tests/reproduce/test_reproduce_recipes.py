"""Recipes: a mistake in one is named by its place, before anything is made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.encoder.kind import Kind
from hexapla.errors import InputError
from hexapla.reproduce import reproduce
from hexapla.reproduce.config import ReproduceConfig
from hexapla.reproduce.experiment_reader import read_experiments
from hexapla.reproduce.matrix import MatrixKeys, make_cells
from hexapla.runs.recipe import carried_recipes
from tests.fixtures.matrix import do_here, toy_recipe
from tests.fixtures.toy import LANGUAGES, toy_rows


def test_a_recipe_is_printed_to_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "domain", "--print"]) == 0
    assert capsys.readouterr().out == carried_recipes("experiments")["domain"].read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'title = "Toy matrix"',
            "titel = 3",
            r'the recipe has the unknown key "titel"; did you mean "title"\?',
        ),
        ("epochs = 2", "epoch = 2", r'align has the unknown key "epoch"; did you mean "epochs"\?'),
        (
            "epochs = 2",
            "epochs = -2",
            "align: epochs is -2; it must be a number above 0",
        ),
        ("epochs = 2", "temperature = 0", "temperature is 0; it must be a number above 0"),
        (
            "n_rows = 32",
            "n_row = 32",
            r'corpora.toy has the unknown key "n_row"; did you mean "n_rows"\?',
        ),
        (
            "n_rows = 32",
            "n_rows = 1",
            "corpora.toy: n_rows is 1; it must be a whole number from 2 to",
        ),
        (
            "n_rows = 32",
            "n_rows = 32\nn_cells = 99",
            "n_rows is 32 and n_cells 99; either determines the number of rows, so give one",
        ),
        (
            "n_rows = 32",
            "missing = 1.5",
            "missing is 1.5; it must be a number of 0 or more and below 1",
        ),
        (
            "n_rows = 32",
            "noise_share = 0.1",
            "noise is None and noise_share 0.1; give both or neither",
        ),
        (
            "n_rows = 32",
            'noise = "swaped"\nnoise_share = 0.1',
            r'noise is "swaped"; it must be swapped or truncated; did you mean "swapped"\?',
        ),
        (
            "n_rows = 32",
            'n_rows = [32]\n[corpora.toy-32]\npath = "DATA/corpus"',
            "there are two corpora toy-32",
        ),
        ("n_rows = 32", "n_rows = [8, 16]\nmissing = [0.1]", "n_rows and missing both have lists"),
        (
            "n_rows = 32",
            "n_rows = [16, 16]",
            r"corpora.toy.n_rows is \[16, 16\]; a list has one value or more, each",
        ),
        ("n_rows = 32", "n_rows = []", r"corpora.toy.n_rows is \[\]; a list has one value or more"),
        ('path = "DATA/corpus"', "", "corpora.toy: a corpus has a path"),
        (
            'regimes = ["base", "en-x", "multiway"]',
            'regimes = ["base", "multway"]',
            r'did you mean "multiway"\?',
        ),
        (
            'regimes = ["base", "en-x", "multiway"]',
            'regimes = ["en-x"]',
            "a comparison needs two or more",
        ),
        (
            'baseline = "en-x"',
            'baseline = "star"',
            'experiments.main.baseline is "star"; it must be one of its regimes',
        ),
        (
            "seeds = [0]",
            "seeds = [-1]",
            r"experiments.main.seeds is \[-1\]; it must be a list of whole numbers",
        ),
        (
            "seeds = [0]",
            "seeds = [4294967296]",
            r"seeds is \[4294967296\]; it must be a list of whole numbers from 0 to 4,294,967,295",
        ),
        (
            "seeds = [0]",
            f"seeds = {list(range(5_000))}",
            r"experiments.main: .* 5,000 seeds are 15,000 cells; at most 10,000 are allowed",
        ),
        (
            "seeds = [0]",
            'seeds = [0]\nbudgets = ["row"]',
            r'budgets has "row"; .*did you mean "rows"\?',
        ),
        (
            'suites = ["toy"]',
            'suites = ["toys"]',
            r'suites has "toys"; it may have toy; did you mean "toy"\?',
        ),
        (
            'suite = "bitext"',
            'suite = "bitxt"',
            r'suites.toy: "bitxt" is neither a suite nor a task; did you mean "bitext"',
        ),
        (
            "[regimes.en-x]",
            "[regimes.base]",
            "regimes.base: this name stands for the encoder as it is; choose another",
        ),
        (
            "[encoders.one]",
            '[encoders."a b"]',
            r'encoders."a b": a name consists of letters, digits',
        ),
        ("page = false", 'page = "no"', 'experiments.main: page is "no"; it must be true or false'),
        (
            'data = "DATA/test"',
            'data = "CORPUS"',
            "suites.toy measures on 0.05 of the corpus's rows and regimes.en-x has",
        ),
        (
            'regime = "multiway"',
            'regime = "pivot-only"',
            "under pivot-only an encoder sees the pivot alone, and under en-x other languages too; say which count",
        ),
    ],
)
def test_a_mistake_in_a_recipe_is_told_by_its_place(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    path = toy_recipe(tmp_path / "toy.toml")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        read_experiments(path, tmp_path)


def test_rows_that_say_when_to_stop_are_not_measured_on(tmp_path: Path) -> None:
    path = toy_recipe(tmp_path / "toy.toml")
    text = (
        path.read_text()
        .replace('data = "DATA/test"', 'data = "CORPUS"')
        .replace("epochs = 2", "held_out = 0.05")
    )
    path.write_text(text)
    read_experiments(path, tmp_path)
    path.write_text(text + 'budgets = ["converged"]\n')
    with pytest.raises(
        InputError,
        match=r"suites\.toy measures on the rows by which regimes\.en-x stops under budget",
    ):
        read_experiments(path, tmp_path)


@pytest.mark.slow
def test_pivot_only_beside_others_takes_a_word_on_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fixtures.matrix import toy_config, toy_data

    do_here(monkeypatch)
    data = toy_data(tmp_path / "data")
    path = toy_recipe(tmp_path / "toy.toml")
    text = path.read_text().replace('regime = "multiway"', 'regime = "pivot-only"')
    path.write_text(
        text.replace('data = "DATA/test"', f'data = "DATA/test"\nseen = {list(LANGUAGES)}')
    )
    outcome = reproduce(toy_config(path, data, tmp_path / "out"))
    assert (outcome.failures, outcome.lacking, outcome.n_done) == ({}, {}, 3)


def test_a_regime_is_what_its_table_is_called(tmp_path: Path) -> None:
    path = toy_recipe(tmp_path / "toy.toml")
    text = path.read_text().replace(
        '[regimes.en-x]\nregime = "en-x"', "[regimes.en-x]\nlearning_rate = 1e-3"
    )
    path.write_text(
        text.replace(
            '[regimes.multiway]\nregime = "multiway"', '[regimes.multiway]\nregime = "star"'
        )
    )
    found = read_experiments(path, tmp_path)
    assert [found.settings("one", name)["regime"] for name in ("en-x", "multiway")] == [
        "en-x",
        "star",
    ]


def test_recipes_behind_published_numbers_can_be_read() -> None:
    folder = Path(__file__).parents[2] / "recipes"
    found = [
        path
        for path in sorted(folder.rglob("*.toml"))
        if read_experiments(path, Path("/data")).experiments
    ]
    assert {path.relative_to(folder).with_suffix("").as_posix() for path in found} == {
        "choose",
        "minilm",
        "study",
        *(f"tiny/{name}" for name in ("choose", "piles", "study", "sweeps")),
    }


@pytest.mark.slow
def test_an_encoder_as_it_is_is_read_as_the_trainings_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hexapla.evaluation.scores import read_scores
    from tests.fixtures.matrix import toy_config, toy_data
    from tests.fixtures.toy import toy_transformer

    do_here(monkeypatch)
    data = toy_data(tmp_path / "data")
    toy_transformer(data / "bare")
    path = toy_recipe(tmp_path / "toy.toml")
    text = path.read_text().replace('"DATA/one"', '"DATA/bare"')
    prompt = toy_rows(1)[0]["eng_Latn"]
    align = f'align = {{pooling = "cls", prompt = "{prompt} ", max_tokens = 12}}'
    values, signatures = [], []
    for more in ("", align):
        path.write_text(text.replace('"DATA/bare"', f'"DATA/bare"\n{more}'))
        out = tmp_path / f"out{len(values)}"
        assert reproduce(toy_config(path, data, out)).lacking == {}
        (folder,) = (out / "scores").glob("one.base*/toy-*")
        values.append([score.value for score in read_scores(folder)])
        signatures.append(read_scores(folder)[0].signature)
    assert values[0] != values[1]
    assert f"prompt:{prompt} " in signatures[1] and "max_tokens:12" in signatures[1]


def test_what_a_recipe_names_and_is_not_there_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    from tests.fixtures.matrix import toy_data

    data = toy_data(tmp_path / "data")
    recipe = toy_recipe(tmp_path / "toy.toml")
    whole = recipe.read_text().replace("epochs = 2", "held_out = 0.05")
    rows = [f"{row['eng_Latn']}\t{row['deu_Latn']}\n" for row in toy_rows(30)]
    (data / "twice.tsv").write_text("".join(["eng_Latn\tdeu_Latn\n", *rows, *rows]))
    shutil.copytree(data / "one", data / "pickled")
    (data / "pickled" / "model.safetensors").rename(data / "pickled" / "pytorch_model.bin")
    for old, new, message in (
        (
            "n_rows = 32",
            'languages = ["eng_Latn", "kor_Hang"]',
            "corpora.toy: .*no column kor_Hang; it has eng_Latn",
        ),
        ("n_rows = 32", "n_rows = 999", "corpora.toy: .*999 rows are asked for; there are 60"),
        (
            "n_rows = 32",
            "n_rows = 5",
            "corpora.toy: 5 rows, fewer than the 8 of a step under regimes.en-x",
        ),
        ("n_rows = 32", 'filters = "DATA/none.toml"', "corpora.toy: .*none.toml"),
        ("n_rows = 32", "n_languages = 9", "corpora.toy: n_languages is 9; there are 4"),
        (
            'data = "DATA/test"',
            'data = "DATA/test"\nlanguages = ["eng_Latn", "kor_Hang"]',
            "suites.toy: .*has no kor_Hang",
        ),
        ('data = "DATA/test"', 'data = "DATA/nothing"', "suites.toy: .*nothing"),
        (
            'suite = "bitext"\ndata = "DATA/test"',
            'suite = "bitext"\ndata = "CORPUS"\nlanguages = ["eng_Latn", "kor_Hang"]'
            '\n[regimes.x]\nregime = "star"',
            "suites.toy: corpora.toy has no kor_Hang; it has eng_Latn",
        ),
        (
            "[regimes.en-x]\n",
            '[regimes.en-x]\nregime = "multiway"\ntemperature = 0.02\n[regimes.x]\n',
            "experiments.main: regimes en-x and multiway are the same training",
        ),
        (
            'path = "DATA/corpus"\nn_rows = 32',
            'path = "DATA/twice.tsv"\nn_rows = 40',
            "corpora.toy: .*40 rows are asked for; there are 30",
        ),
        ('name = "DATA/one"', 'name = "DATA/pickled"', r"encoders.one: .*set allow_pickle"),
        ('name = "DATA/one"', 'name = "DATA/none"', "none: no such encoder folder"),
        (
            'path = "DATA/corpus"\nn_rows = 32',
            'build = {texts = "DATA/none.txt", to = ["deu_Latn"], translator = "DATA/nmt"}',
            "corpora.toy: .*none.txt: no such file or folder",
        ),
        (
            'path = "DATA/corpus"\nn_rows = 32',
            'build = {texts = "DATA/twice.tsv", to = ["deu_Latn"], translator = "DATA/nmt"}',
            "corpora.toy: .*nmt",
        ),
    ):
        assert old in whole
        recipe.write_text(whole.replace(old, new))
        with pytest.raises(InputError, match=message):
            reproduce(ReproduceConfig(recipe=recipe, data=data, out=tmp_path / "out"))
        assert not (tmp_path / "out").exists()


def test_a_translator_that_lacks_a_language_is_told_even_by_a_dry_run(tmp_path: Path) -> None:
    from hexapla.reproduce import estimate
    from tests.fixtures.matrix import toy_data
    from tests.fixtures.nmt import toy_nmt

    data = toy_data(tmp_path / "data")
    (data / "text.txt").write_text("It is raining today.\n")
    recipe = toy_recipe(tmp_path / "toy.toml")
    build = f'build = {{texts = "DATA/text.txt", to = ["deu_Latn"], translator = "{toy_nmt("marian", tmp_path / "nmt")}"}}'
    recipe.write_text(
        recipe.read_text().replace(
            'path = "DATA/corpus"\nn_rows = 32', build.replace("deu_Latn", "kor_Hang")
        )
    )
    with pytest.raises(InputError, match=r"corpora.toy: .*(Korean|kor_Hang)"):
        estimate(ReproduceConfig(recipe=recipe, data=data, out=tmp_path / "out"))


def test_the_first_seed_of_every_experiment_comes_before_the_second_of_any(tmp_path: Path) -> None:
    more = toy_recipe(tmp_path / "x.toml").read_text().partition("[experiments.main]")[2]
    recipe = toy_recipe(
        tmp_path / "toy.toml",
        seeds=(5, 6),
        more=f"\n[experiments.more]{more}".replace('"one"', '"two"'),
    )
    recipe.write_text(recipe.read_text().replace("seeds = [0]", "seeds = [5, 6]"))
    kinds = {"one": Kind.SENTENCE, "two": Kind.SENTENCE}
    keys = MatrixKeys(
        corpora={"toy": "c"},
        encoders={"one": "1", "two": "2"},
        kinds=kinds,
        suites={"toy": "s"},
    )
    cells = make_cells(read_experiments(recipe, tmp_path), keys)
    assert [(cell.encoder, cell.seed) for cell in cells if cell.is_trained] == [
        ("one", 5),
        ("one", 5),
        ("two", 5),
        ("two", 5),
        ("one", 6),
        ("one", 6),
        ("two", 6),
        ("two", 6),
    ]


def test_a_default_of_the_encoders_kind_is_part_of_the_key(tmp_path: Path) -> None:
    path = toy_recipe(tmp_path / "toy.toml")

    def keys(kind: Kind) -> set[str]:
        hashes = {"corpora": {"toy": "c"}, "encoders": {"one": "1"}, "suites": {"toy": "s"}}
        cells = make_cells(
            read_experiments(path, tmp_path), MatrixKeys(**hashes, kinds={"one": kind})
        )
        return {cell.key for cell in cells if cell.is_trained}

    text = path.read_text()
    stated = 'learning_rate = 3e-3\nwhiten = "none"\npreserve = 3.0'
    path.write_text(text.replace("learning_rate = 3e-3", stated))
    given = keys(Kind.SENTENCE)
    assert keys(Kind.MASKED) == given
    path.write_text(path.read_text().replace("learning_rate = 3e-3\n", ""))
    assert len(keys(Kind.SENTENCE) | keys(Kind.MASKED) | given) == 3 * len(given)
