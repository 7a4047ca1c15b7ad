"""The recipe that lays original data out as MTEB's repositories: MTEB's own loaders read them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("mteb")

from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.mteb_tasks import read_mteb
from hexapla.evaluation.stage import evaluate
from recipes.mteb_folder import unquote, write_all
from tests.fixtures.toy import toy_encoder, toy_rows

pytestmark = pytest.mark.slow

N_ROWS = 24
# How many of our scores each task's layout gives MTEB to compare: F1 and accuracy of a pair, or one
# score of each language.
LAYOUTS = {
    "AmazonCounterfactualClassification": 3,
    "SemRel24STS": 2,
    "NusaX-senti": 2,
    "NusaXBitextMining": 2,
}


def texts(code: str, seed: int) -> list[str]:
    return [str(row[code]) for row in toy_rows(N_ROWS, seed=seed)]


def write(path: Path, **columns: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write made-up rows as the sources of the four tasks have them."""
    data = tmp_path_factory.mktemp("original")
    for seed, split in enumerate(("train", "valid", "test")):
        for code in ("eng_Latn", "deu_Latn", "jpn_Jpan"):
            quoted = [f'"""{text}"" yes"' for text in texts("eng_Latn", seed)]
            write(
                data / "amazon-counterfactual" / split / f"{code}.parquet",
                text=quoted,
                label=[row % 2 for row in range(N_ROWS)],
            )
        write(
            data / "nusax" / f"{split}.parquet",
            id=[str(row) for row in range(N_ROWS)],
            topic=[("positive", "negative", "neutral")[row % 3] for row in range(N_ROWS)],
            eng_Latn=texts("eng_Latn", seed),
            ind_Latn=texts("deu_Latn", seed),
        )
    for seed, code in enumerate(("eng_Latn", "hin_Deva")):
        write(
            data / "semrel24" / f"{code}.parquet",
            sentence1=texts("eng_Latn", seed),
            sentence2=texts("deu_Latn", seed + 5),
            score=[row / N_ROWS for row in range(N_ROWS)],
        )
    return data


@pytest.fixture(scope="module")
def laid_out(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("laid-out")
    write_all(original, out)
    return out


def test_the_layouts_are_read_by_mtebs_loaders_and_scored_as_mteb_does(
    laid_out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = EvaluateConfig(
        encoder=str(toy_encoder(tmp_path / "toy")),
        out=tmp_path / "out",
        suite=",".join(LAYOUTS),
        data=laid_out,
        mteb_compatible=True,
    )
    with caplog.at_level("INFO", logger="hexapla"):
        scores = evaluate(config)
    assert {score.task.split("/")[1] for score in scores} >= set(LAYOUTS)
    (n_equal,) = re.findall(r"(\d+) scores equal those of MTEB's own evaluator", caplog.text)
    assert int(n_equal) == sum(LAYOUTS.values())


def test_the_rows_of_the_layouts_are_those_of_the_sources(laid_out: Path) -> None:
    loaded = {one.task.metadata.name: one for one in read_mteb(list(LAYOUTS), data=laid_out)}
    english = texts("eng_Latn", 2)
    reviews = loaded["AmazonCounterfactualClassification"].task.dataset["ja"]["test"]
    assert list(reviews["text"]) == [f'"{text}" yes' for text in english]
    assert list(reviews["label"])[:3] == [0, 1, 0]
    sentiment = loaded["NusaX-senti"].task.dataset["ind"]["test"]
    assert list(sentiment["text"]) == texts("deu_Latn", 2)
    assert list(sentiment["label"])[:3] == [2, 0, 1]
    pairs = loaded["NusaXBitextMining"]
    assert pairs.split == "train"
    (bitext,) = pairs.ours
    assert dict(bitext.cells) == {
        "eng_Latn": texts("eng_Latn", 0),
        "ind_Latn": texts("deu_Latn", 0),
    }


def test_a_task_whose_data_are_missing_is_left_out_and_named(
    original: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_all(original, tmp_path)
    assert {folder.name for folder in tmp_path.iterdir()} == set(LAYOUTS)
    assert f"Tatoeba is left out: there is no {original / 'tatoeba'}" in caplog.text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('"He said ""yes""."', 'He said "yes".'),
        ('"""Yes."" he said."', '"Yes." he said.'),
        ('"Yes", he said, "no"', '"Yes", he said, "no"'),
        ('He said "yes".', 'He said "yes".'),
        ('"', '"'),
    ],
)
def test_quoting_of_a_tsv_file_is_undone_where_a_text_has_it(raw: str, text: str) -> None:
    assert unquote(raw) == text
