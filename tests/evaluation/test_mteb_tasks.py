"""MTEB's tasks: agreement to 1e-6, the subsets of a language, what is refused, and fetched data."""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from pathlib import Path

import pyarrow as pa
import pytest

mteb = pytest.importorskip("mteb")

from hexapla.encoder.load import load_encoder  # noqa: E402
from hexapla.errors import InputError  # noqa: E402
from hexapla.evaluation import fetch, mteb_check  # noqa: E402
from hexapla.evaluation.config import EvaluateConfig  # noqa: E402
from hexapla.evaluation.mteb_table import TASKS, parse_suite, task_subsets  # noqa: E402
from hexapla.evaluation.mteb_tasks import read_mteb  # noqa: E402
from hexapla.evaluation.stage import evaluate  # noqa: E402
from hexapla.evaluation.tasks import sts  # noqa: E402
from hexapla.text import languages as codes  # noqa: E402
from recipes import mteb_subsets  # noqa: E402
from recipes.mteb_folder import write_task  # noqa: E402
from tests.fixtures import mteb_folder as toy_mteb  # noqa: E402
from tests.fixtures.toy import toy_encoder  # noqa: E402

pytestmark = pytest.mark.slow

TOY = "Tatoeba,NTREXBitextMining,STSBenchmarkMultilingualSTS,SIB200Classification"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_mteb.write_all(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(toy_encoder(tmp_path_factory.mktemp("encoder") / "toy"))


@pytest.fixture
def config(tmp_path: Path, data: Path, encoder: str) -> EvaluateConfig:
    return EvaluateConfig(encoder=encoder, out=tmp_path / "out", suite=TOY, data=data)


def by_mteb(encoder: str, data: Path, name: str, subsets: list[str]) -> dict[str, dict[str, float]]:
    """Return MTEB's scores by subset, evaluated with its sentence-transformers wrapper and none of our code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = mteb.get_task(name, hf_subsets=subsets, eval_splits=["test"])
        own = {**task.metadata.dataset, "path": str(data / name), "revision": "toy"}
        task.metadata = task.metadata.model_copy(update={"dataset": own})
        wrapped = mteb.SentenceTransformerEncoderWrapper(load_encoder(encoder))
        named = {"name": "toy/toy", "revision": "1"}
        wrapped.mteb_model_meta = wrapped.mteb_model_meta.model_copy(update=named)
        with mteb_check.no_progress_bars():
            result = mteb.evaluate(
                wrapped, task, cache=None, show_progress_bar=False, co2_tracker=False
            )
    return {scores["hf_subset"]: scores for scores in result.task_results[0].scores["test"]}


def test_scores_equal_mtebs(config: EvaluateConfig, encoder: str, data: Path) -> None:
    ours = {(score.task, score.languages, score.metric): score.value for score in evaluate(config)}
    theirs = by_mteb(encoder, data, "Tatoeba", ["deu-eng", "fra-eng"])
    assert 0 < theirs["deu-eng"]["f1"] < theirs["deu-eng"]["accuracy"] < 1
    for subset, pair in (("deu-eng", "deu_Latn-eng_Latn"), ("fra-eng", "fra_Latn-eng_Latn")):
        for metric in ("f1", "accuracy"):
            assert ours["bitext/Tatoeba", pair, metric] == pytest.approx(
                theirs[subset][metric], abs=1e-6
            )
    pairs = ["eng_Latn-deu_Latn", "deu_Latn-eng_Latn", "eng_Latn-spa_Latn"]
    for subset, scores in by_mteb(encoder, data, "NTREXBitextMining", pairs).items():
        assert ours["bitext/NTREXBitextMining", subset, "f1"] == pytest.approx(
            scores["f1"], abs=1e-6
        )
        assert ours["bitext/NTREXBitextMining", subset, "accuracy"] == pytest.approx(
            scores["accuracy"], abs=1e-6
        )
    for subset, scores in by_mteb(
        encoder, data, "STSBenchmarkMultilingualSTS", ["en", "de"]
    ).items():
        value = ours["sts/STSBenchmarkMultilingualSTS", toy_mteb.SHORT[subset], "spearman"]
        assert value == pytest.approx(scores["cosine_spearman"], abs=1e-6)
    for subset, scores in by_mteb(
        encoder, data, "SIB200Classification", ["eng_Latn", "deu_Latn"]
    ).items():
        value = ours["classification/SIB200Classification", subset, "accuracy"]
        assert value == pytest.approx(scores["accuracy"], abs=1e-6)


def test_mteb_compatible_writes_mtebs_result_files_under_a_unique_name_and_revision(
    config: EvaluateConfig,
) -> None:
    scores = evaluate(dataclasses.replace(config, mteb_compatible=True))
    (folder,) = (Path(config.out) / "mteb" / "results").glob("*/*")
    assert folder.parent.name == "hexapla__toy"
    assert folder.name == scores[0].encoder_sha[:40]
    tatoeba = json.loads((folder / "Tatoeba.json").read_text(encoding="utf-8"))
    (german,) = (one for one in tatoeba["scores"]["test"] if one["hf_subset"] == "deu-eng")
    (ours,) = (
        s
        for s in scores
        if (s.task, s.languages, s.metric) == ("bitext/Tatoeba", "deu_Latn-eng_Latn", "f1")
    )
    assert german["main_score"] == pytest.approx(ours.value, abs=1e-6)


def test_a_score_that_differs_from_mtebs_stops_the_run(
    config: EvaluateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sts, "spearman", lambda cosine, gold: 0.123)
    with pytest.raises(
        mteb_check.MtebDisagreementError, match=r"sts/.* spearman is 0\.12300000, and .* by MTEB"
    ):
        evaluate(
            dataclasses.replace(config, suite="STSBenchmarkMultilingualSTS", mteb_compatible=True)
        )
    assert not (Path(config.out) / "scores.jsonl").exists()


def test_only_the_test_split_is_measured(data: Path) -> None:
    (sts,) = read_mteb(["STSBenchmarkMultilingualSTS"], data=data)
    assert sts.task.eval_splits == ["test"]
    assert {len(pair.gold) for pair in sts.ours[0].pairs.values()} == {40}
    (topics,) = read_mteb(["SIB200Classification"], data=data, languages=["eng_Latn", "deu_Latn"])
    assert {len(side.texts) for side in topics.ours[0].test.values()} == {60}


def test_languages_are_paired_with_english_or_with_pairs_all_with_each_other(data: Path) -> None:
    (pivot,) = read_mteb(["NTREXBitextMining"], data=data, languages=["deu_Latn", "spa_Latn"])
    assert list(pivot.ours[0].rows) == [("eng_Latn", "deu_Latn"), ("eng_Latn", "spa_Latn")]
    (every,) = read_mteb(
        ["NTREXBitextMining"], data=data, languages=["deu_Latn", "spa_Latn"], pairs="all"
    )
    assert len(every.ours[0].rows) == 3


def test_the_table_agrees_with_mtebs_metadata() -> None:
    for name in TASKS:
        expected = list(mteb_subsets.rows(mteb.get_task(name)))
        assert [
            (subset.name, "-".join(subset.languages)) for subset in task_subsets()[name]
        ] == expected, name


@pytest.mark.parametrize(
    ("task", "language", "subset"),
    [
        ("Tatoeba", "zho_Hans", "cmn-eng"),
        ("NTREXBitextMining", "zho_Hans", "zho_Hans"),
        ("NTREXBitextMining", "khk_Cyrl", "mon_Mong"),
        ("MassiveIntentClassification", "zho_Hans", "zh-CN"),
        ("MassiveIntentClassification", "arb_Arab", "ar"),
        ("Tatoeba", "arb_Arab", "ara-eng"),
        ("Tatoeba", "swh_Latn", "swh-eng"),
        ("STS22.v2", "zho_Hans", "zh"),
        ("FloresBitextMining", "zsm_Latn", "zsm_Latn"),
    ],
)
def test_a_language_is_found_under_each_tasks_code_for_it(
    task: str, language: str, subset: str
) -> None:
    assert subset in {one.name for one in task_subsets()[task] if language in one.languages}


def test_every_language_of_the_table_is_known_and_occurs_once_in_a_task() -> None:
    for name, subsets in task_subsets().items():
        assert all(codes.is_language(code) for subset in subsets for code in subset.languages)
        assert len({subset.languages for subset in subsets}) == len(subsets), name


# What is refused


def test_an_unknown_task_is_refused_with_a_suggestion() -> None:
    with pytest.raises(
        InputError, match=r'"Tatoba" is neither a suite nor a task; did you mean "Tatoeba"\?'
    ):
        parse_suite("quick,Tatoba")


def test_languages_that_no_task_has_are_refused_and_those_that_one_lacks_are_logged(
    config: EvaluateConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(
        InputError, match="no task of STS17 has jpn_Jpan; they have arb_Arab, deu_Latn"
    ):
        evaluate(dataclasses.replace(config, suite="STS17", languages=("ja",)))
    with caplog.at_level("INFO", logger="hexapla"):
        evaluate(
            dataclasses.replace(
                config, suite="NTREXBitextMining,IndicCrosslingualSTS", languages=("de", "es")
            )
        )
    assert "IndicCrosslingualSTS has no subset in these languages and is left out" in caplog.text
    with pytest.raises(InputError, match="Tatoeba: its data have no spa-eng; they have deu-eng"):
        evaluate(
            dataclasses.replace(
                config, suite="NTREXBitextMining,Tatoeba", languages=("de", "es"), overwrite=True
            )
        )


def test_a_folder_that_lacks_a_task_says_how_to_get_it(config: EvaluateConfig, data: Path) -> None:
    message = rf"{data} lacks STS17 \(it has NTREXBitextMining, .*\); .* hexapla fetch-data --suite STS17 --out {data}"
    with pytest.raises(InputError, match=message):
        evaluate(dataclasses.replace(config, suite="STS17"))
    assert not Path(config.out).exists()


def test_without_network_and_data_it_says_how_to_get_them(config: EvaluateConfig) -> None:
    with pytest.raises(
        InputError,
        match=r"the data of STS17 cannot be loaded: .*hexapla fetch-data --suite STS17 --out",
    ):
        evaluate(dataclasses.replace(config, suite="STS17", data=None))


def test_an_empty_subset_is_refused(config: EvaluateConfig, tmp_path: Path) -> None:
    none = pa.array([], pa.string())
    write_task(
        tmp_path / "NTREXBitextMining", {"default": {"test": {"eng_Latn": none, "deu_Latn": none}}}
    )
    with pytest.raises(
        InputError, match=r"NTREXBitextMining/default/test\.parquet has no rows; an empty subset"
    ):
        evaluate(
            dataclasses.replace(config, suite="NTREXBitextMining", data=tmp_path, languages=("de",))
        )


def test_a_column_that_the_data_lack_is_named(config: EvaluateConfig, tmp_path: Path) -> None:
    write_task(
        tmp_path / "NTREXBitextMining",
        {"default": {"test": {"eng_Latn": ["a"] * 5, "fra_Latn": ["b"] * 5}}},
    )
    with pytest.raises(
        InputError,
        match="NTREXBitextMining: its data have no deu_Latn; they have eng_Latn, fra_Latn",
    ):
        evaluate(
            dataclasses.replace(config, suite="NTREXBitextMining", data=tmp_path, languages=("de",))
        )


def test_two_folders_of_the_same_name_are_not_confused(tmp_path: Path) -> None:
    for name, word in (("a", "alpha"), ("b", "beta")):
        rows = [f"{word} {number}" for number in range(5)]
        write_task(
            tmp_path / name / "NTREXBitextMining",
            {"default": {"test": {"eng_Latn": rows, "deu_Latn": rows}}},
        )
    for name, word in (("a", "alpha"), ("b", "beta")):
        (loaded,) = read_mteb(["NTREXBitextMining"], data=tmp_path / name)
        assert loaded.ours[0].cells["eng_Latn"][0] == f"{word} 0"


def test_mteb_compatible_is_for_mtebs_tasks(config: EvaluateConfig) -> None:
    with pytest.raises(
        InputError,
        match=re.escape("suite dev has no MTEB task; mteb_compatible is for MTEB's tasks"),
    ):
        dataclasses.replace(config, suite="dev", mteb_compatible=True)


# fetch-data


def test_fetching_copies_a_task_once_at_mtebs_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def download(repository: str, *, repo_type: str, revision: str, local_dir: Path) -> None:
        assert repo_type == "dataset"
        asked.append((repository, revision))
        toy_mteb.write_ntrex(local_dir.parent)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    (folder,) = fetch.fetch_data("NTREXBitextMining", tmp_path)
    assert asked == [("mteb/NTREXBitextMining", "66b8b27efc99658903127730575e9fa0cb9f075c")]
    (loaded,) = read_mteb(["NTREXBitextMining"], data=tmp_path, languages=["deu_Latn"])
    assert loaded.revision == asked[0][1]
    assert fetch.fetch_data("NTREXBitextMining", tmp_path) == [folder]
    assert len(asked) == 1


def test_fetching_without_a_network_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"STS17 \(mteb/sts17-crosslingual-sts\) cannot be fetched: .*needs a network",
    ):
        fetch.fetch_data("STS17", tmp_path)
    with pytest.raises(InputError, match="did you mean"):
        fetch.fetch_data("STS18", tmp_path)


# Every task


@pytest.fixture(scope="module")
def every_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_mteb.write_every_task(tmp_path_factory.mktemp("every"))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_read_from_a_copy_of_its_repository_and_scored_as_mteb_does(
    name: str, every_task: Path, encoder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = EvaluateConfig(
        encoder=encoder, out=tmp_path / "out", suite=name, data=every_task, mteb_compatible=True
    )
    with caplog.at_level("INFO", logger="hexapla"):
        scores = evaluate(config)
    assert {score.task.split("/")[1] for score in scores} == {name}
    (n_equal,) = re.findall(r"(\d+) scores equal those of MTEB's own evaluator", caplog.text)
    assert int(n_equal) > 0
