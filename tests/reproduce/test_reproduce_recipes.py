"""Recipes: those that are carried pass a dry run and a whole run on stand-ins; a mistake in one is told by its place.

A stand-in is a tiny model of the same architecture with random weights, in the place of each name
of the Hub; texts and evaluation data are toys too.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.reproduce import reproduce
from hexapla.reproduce.config import ReproduceConfig
from hexapla.reproduce.experiment_reader import read_experiments
from hexapla.reproduce.matrix import MatrixKeys, make_cells
from hexapla.runs.recipe import carried_recipes
from tests.fixtures.matrix import do_here, toy_recipe
from tests.fixtures.toy import LANGUAGES, toy_rows

ARCHITECTURES = {
    "FacebookAI/xlm-roberta-base": "xlm-roberta",
    "google-bert/bert-base-multilingual-cased": "bert",
    "intfloat/multilingual-e5-base": "xlm-roberta",
    "intfloat/multilingual-e5-small": "bert",
}


def stand_in(name: str, folder: Path) -> Path:
    """Save a bare encoder of a model's architecture, with random weights and the tiny encoder's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    from hexapla.encoder.locate import locate

    path = folder / name.rpartition("/")[2]
    tokenizer = AutoTokenizer.from_pretrained(locate("tiny"))
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 140,
        "pad_token_id": 1,
    }
    torch.manual_seed(len(name))  # equal weights would make two encoders of a recipe one
    model = (
        BertModel(BertConfig(**shape))
        if ARCHITECTURES[name] == "bert"
        else XLMRobertaModel(XLMRobertaConfig(**shape))
    )
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def swapped(recipe: str, folder: Path) -> Path:
    """Write a carried recipe with a stand-in for every name of the Hub, few rows, small steps and toy evaluation data."""
    from tests.fixtures.mteb_folder import write_all
    from tests.fixtures.nmt import ENGLISH, toy_nmt
    from tests.fixtures.nmt import LANGUAGES as TRANSLATED

    text = carried_recipes("experiments")[recipe].read_text()
    for name in ARCHITECTURES:
        if name in text:
            text = text.replace(f'"{name}"', f'"{stand_in(name, folder)}"')
    text = re.sub(r'"facebook/nllb-[^"]*"', f'"{toy_nmt("nllb", folder / "nllb")}"', text)
    (folder / "tickets.txt").write_text("\n".join(ENGLISH * 1))
    text = re.sub(r'texts = ".*"', f'texts = "{folder / "tickets.txt"}"', text)
    text = re.sub(r"sample = .*\n|field = .*\n", "", text)
    text = re.sub(
        r"\nto = .*", f"\nto = {list(TRANSLATED[:3])}\nmax_loss = 1.0\nnear_duplicates = 1.0", text
    )
    text = re.sub(r'suite = "Tatoeba.*"', 'suite = "quick"', text)
    text = text.replace("[suites.paper]", '[suites.paper]\nsuite = "quick"')
    text = re.sub(
        r"\nlanguages = \[[^\]]*\]",
        f'\nlanguages = ["eng_Latn", "deu_Latn", "fra_Latn"]\ndata = "{write_all(folder / "mteb")}"',
        text,
    )
    text = text.replace("[align]", "[align]\nrows_per_step = 4", 1).replace(
        "rows_per_step = 64\n", ""
    )
    text = (
        text.replace("seeds = [0, 1, 2]", "seeds = [0]")
        .replace("= 0.1 ", "= 0.2 ")
        .replace("= 0.1\n", "= 0.2\n")
    )
    if recipe != "domain":
        text += "page = false\n"  # pages take the longest, and one recipe that has them will do
    path = folder / f"{recipe}.toml"
    path.write_text(text)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["paper", pytest.param("paper-diverse", marks=pytest.mark.fuzz), "domain"]
)
def test_a_carried_recipe_runs_on_stand_ins(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_here(monkeypatch)
    path = swapped(recipe, tmp_path)
    outcome = reproduce(ReproduceConfig(recipe=path, data=tmp_path, out=tmp_path / "out"))
    assert (outcome.failures, outcome.lacking) == ({}, {})
    assert (
        outcome.n_done == outcome.n_cells == {"paper": 12, "paper-diverse": 12, "domain": 3}[recipe]
    )
    corpus = open_corpus(next((tmp_path / "out" / "corpora").glob("built-*")))
    assert len(corpus.languages) == 4 and len(corpus) == 20
    assert re.search(
        r"^\| (wikipedia|tickets) \| \d+ \| 20 \| 4 \|",
        (tmp_path / "out/results.md").read_text(),
        re.M,
    )
    assert len(list((tmp_path / "out" / "comparisons").glob("*/comparison.json"))) == {
        "domain": 2
    }.get(recipe, 6)
    assert len(list((tmp_path / "out" / "comparisons").glob("*/report.html"))) == {"domain": 2}.get(
        recipe, 0
    )


@pytest.mark.slow
@pytest.mark.fuzz  # what it runs, the recipe `paper` on its stand-ins runs too
def test_mini_runs_on_stand_in_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    do_here(monkeypatch)
    text = carried_recipes("experiments")["mini"].read_text()
    text = text.replace("n_rows = 3000", "n_rows = 24").replace(
        "rows_per_step = 64", "rows_per_step = 8"
    )
    text = text.replace(
        '[suites.test]\ndata = "DATA"', '[suites.test]\nsuite = "bitext"\ndata = "sample"'
    )
    text = re.sub(
        r"\nlanguages = \[[^\]]*\]", '\nlanguages = ["eng_Latn", "deu_Latn", "fra_Latn"]', text
    )
    text = text.replace("seeds = [0, 1, 2]", "seeds = [0]")
    (tmp_path / "mini.toml").write_text(text + "page = false\n")
    data = tmp_path / "data" / "stsb-mt"
    data.mkdir(parents=True)
    import pyarrow as pa
    import pyarrow.parquet as pq

    sample = open_corpus("sample")
    pq.write_table(
        pa.table({code: sample.cells(code) for code in sample.languages}), data / "train.parquet"
    )
    outcome = reproduce(
        ReproduceConfig(recipe=tmp_path / "mini.toml", data=tmp_path / "data", out=tmp_path / "out")
    )
    assert (outcome.failures, outcome.lacking, outcome.n_done) == ({}, {}, 4)


@pytest.mark.parametrize("recipe", sorted(carried_recipes("experiments")))
def test_a_carried_recipe_passes_a_dry_run(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "tickets.txt").write_text("My printer is on fire.\n")
    if recipe == "mini":
        text = carried_recipes("experiments")["mini"].read_text()
        assert main(["reproduce", "mini", "--out", str(tmp_path / "out"), "--dry-run"]) == 2
        assert (
            '"DATA/stsb-mt/train.parquet" lies in a folder of data that is not given'
            in capsys.readouterr().err
        )
        path = tmp_path / "mini.toml"
        path.write_text(
            text.replace("DATA/stsb-mt/train.parquet", "sample")
            .replace("n_rows = 3000\n", "")
            .replace(
                '[suites.test]\ndata = "DATA"', '[suites.test]\nsuite = "bitext"\ndata = "sample"'
            )
            .replace('"ita_Latn", "pol_Latn", "ukr_Cyrl", "tur_Latn", "hin_Deva",', '"ita_Latn"')
        )
        recipe = str(path)
    assert (
        main(
            ["reproduce", recipe, "--data", str(data), "--out", str(tmp_path / "out"), "--dry-run"]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert re.search(r"\d+ cells to do: about .* on this machine, [\d.,]+ GiB of disk", said)
    assert not (tmp_path / "out").exists()


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
            "experiments.main, encoder one, regime en-x: epochs is -2; it must be a number above 0",
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
            "corpora.toy: n_rows is 1; it must be a whole number of 2 or more",
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
        for path in sorted(folder.glob("*.toml"))
        if read_experiments(path, Path("/data")).experiments
    ]
    assert [path.stem for path in found] == ["choose", "minilm", "piles", "study", "sweeps"]


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
            '[regimes.en-x]\nregime = "multiway"\ntemperature = 0.05\n[regimes.x]\n',
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
    keys = MatrixKeys(corpora={"toy": "c"}, encoders={"one": "1", "two": "2"}, suites={"toy": "s"})
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
