"""The recipes that the package carries pass a dry run, and a whole run on stand-ins.

A stand-in is a tiny model of the same architecture with random weights, in the place of each name
of the Hub; texts and evaluation data are toys too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.reproduce import reproduce
from hexapla.reproduce.config import ReproduceConfig
from hexapla.runs.recipe import carried_recipes
from tests.fixtures.matrix import do_here

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
    if "[align]" not in text:
        text = text.replace("[corpora.", "[align]\n[corpora.", 1)
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
        outcome.n_done == outcome.n_cells == {"paper": 12, "paper-diverse": 12, "domain": 2}[recipe]
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
