"""Whole evaluations with known scores: what is refused, embedded, scored and written."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.per_item import read_per_item
from hexapla.evaluation.scores import Score, read_scores
from hexapla.evaluation.signature import parse_signature
from hexapla.evaluation.stage import evaluate
from tests.fixtures.oracle import N_ROWS, Oracle, write
from tests.fixtures.toy import toy_encoder, toy_rows


def by_key(scores: list[Score]) -> dict[tuple[str, str, str], Score]:
    keyed = {(score.task, score.languages, score.metric): score for score in scores}
    assert len(keyed) == len(scores)
    return keyed


def test_the_test_suite_gives_the_known_scores(oracle: Oracle, config: EvaluateConfig) -> None:
    scores = by_key(evaluate(config))
    for task in ("bitext/sib200", "bitext/tatoeba"):
        for metric in ("f1", "accuracy", "margin_accuracy"):
            assert scores[task, "eng_Latn-deu_Latn", metric].value == 1
            assert scores[task, "deu_Latn-eng_Latn", metric].value == 1
            assert scores[task, "fra_Latn-eng_Latn", metric].value < 0.2
    for task, languages in (
        ("sts/stsb-mt", "deu_Latn"),
        ("sts-across/stsb-mt", "deu_Latn-eng_Latn"),
    ):
        assert scores[task, languages, "spearman"].value == pytest.approx(1)
    assert scores["topics/sib200", "deu_Latn", "accuracy"].value == 1
    assert scores["topics-zero-shot/sib200", "eng_Latn-deu_Latn", "accuracy"].value == 1
    assert scores["topics-zero-shot/sib200", "eng_Latn-fra_Latn", "accuracy"].value < 0.8
    n_bitext, n_sts, n_topics = 2 * 2 * 2 * 4, 2 + 2, 3 + 2
    n_pool, n_identity, n_xsim = 3 * 2, 3, 2 * 2
    assert len(scores) == n_bitext + n_sts + n_topics + n_pool + n_identity + n_xsim
    assert scores["pool/sib200", "deu_Latn", "accuracy"].value == 1
    identified = [
        scores["language-identity/sib200", code, "identified"].value
        for code in ("eng_Latn", "deu_Latn")
    ]
    # English and German have the same vectors, so one of the two is predicted for both.
    assert sum(identified) == 1
    assert scores["xsim/sib200", "deu_Latn-eng_Latn", "xsim"].value == 0


def test_the_dev_suite_is_bitext_on_train_and_sts_on_dev(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    scores = evaluate(dataclasses.replace(config, suite="dev"))
    tasks = {(score.task, score.split) for score in scores}
    assert tasks == {
        ("bitext/sib200", "train"),
        ("sts/stsb-mt", "dev"),
        ("sts-across/stsb-mt", "dev"),
        ("pool/sib200", "train"),
        ("language-identity/sib200", "train"),
        ("xsim/sib200", "train"),
    }


def test_returned_scores_are_those_written_and_the_means_of_their_tables(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    scores = evaluate(config)
    assert read_scores(config.out) == scores
    for score in scores:
        table = read_per_item(score, config.out)
        assert len(set(table.column("item").to_pylist())) == score.n
        if score.metric != "spearman":
            assert np.mean(table.column(score.metric).to_numpy()) == pytest.approx(
                score.value, abs=1e-12
            )


def test_every_distinct_text_is_embedded_once(oracle: Oracle, config: EvaluateConfig) -> None:
    evaluate(config)
    assert max(Counter(oracle.encoded).values()) == 1
    # SIB-200 and Tatoeba have the same sentences here, and the first STS pair is one sentence twice.
    assert len(oracle.encoded) == 3 * N_ROWS + 2 * (30 + 29)


def test_task_types_with_different_prompts_have_different_vectors(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    oracle.prompts = {"BitextMining": "query: ", "STS": "", "Classification": "topic: "}
    scores = by_key(evaluate(config))
    times = Counter(oracle.encoded)
    assert (times["deu_Latn 7"], times["deu_Latn 7 21"]) == (2, 1)  # bitext and topics; STS
    prompts = {
        task: parse_signature(score.signature).get("prompt")
        for (task, _, _), score in scores.items()
    }
    assert (prompts["bitext/sib200"], prompts["topics/sib200"]) == ("query: ", "topic: ")
    assert prompts["sts/stsb-mt"] is None


def test_a_default_prompt_is_in_the_signature(oracle: Oracle, config: EvaluateConfig) -> None:
    oracle.prompts, oracle.default_prompt_name = {"query": "query: ", "document": ""}, "query"
    (first, *_) = evaluate(dataclasses.replace(config, suite="dev"))
    assert parse_signature(first.signature)["prompt"] == "query: "


def test_a_score_is_seen_if_all_its_languages_are(oracle: Oracle, config: EvaluateConfig) -> None:
    scores = by_key(evaluate(config))
    assert scores["bitext/sib200", "eng_Latn-deu_Latn", "f1"].seen is True
    assert scores["bitext/sib200", "fra_Latn-eng_Latn", "f1"].seen is False
    assert scores["topics/sib200", "eng_Latn", "accuracy"].seen is True
    assert scores["topics/sib200", "fra_Latn", "accuracy"].seen is False


@pytest.mark.parametrize(
    ("languages", "given", "expected"),
    [
        ((), None, None),
        ((), ("en", "French"), {"deu_Latn": False, "fra_Latn": True}),
        (("eng_Latn", "deu_Latn"), ("eng_Latn", "fra_Latn"), {"deu_Latn": False, "fra_Latn": True}),
        (("eng_Latn", "deu_Latn"), (), {"deu_Latn": False, "fra_Latn": False}),
    ],
)
def test_seen_languages_are_the_given_ones_or_the_encoders_or_unknown(
    oracle: Oracle,
    config: EvaluateConfig,
    data: Path,
    languages: tuple[str, ...],
    given: tuple[str, ...] | None,
    expected: dict[str, bool] | None,
) -> None:
    oracle.languages = languages
    own = dataclasses.replace(
        config, suite="bitext", data=data / "sib200" / "test.parquet", seen=given
    )
    scores = [score for score in evaluate(own) if score.languages.startswith("eng_Latn-")]
    seen = {score.languages.split("-")[1]: score.seen for score in scores}
    assert seen == (expected or {"deu_Latn": None, "fra_Latn": None})


def test_the_signature_names_data_metric_encoder_and_software(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    scores = by_key(evaluate(config))
    fields = parse_signature(
        scores["bitext/sib200", "eng_Latn-deu_Latn", "margin_accuracy"].signature
    )
    assert list(fields) == [
        "task",
        "data",
        "split",
        "languages",
        "metric",
        "metric_version",
        "k",
        "n",
        "max_tokens",
        "dtype",
        "hexapla",
        "sentence-transformers",
        "torch",
    ]
    assert (fields["k"], fields["n"], fields["max_tokens"], fields["dtype"]) == (
        "4",
        "40",
        "64",
        "float32",
    )
    topics = parse_signature(scores["topics/sib200", "deu_Latn", "accuracy"].signature)
    assert (topics["draws"], topics["per_label"], topics["seed"]) == ("10", "8", "42")


def test_changed_data_change_the_signature(
    oracle: Oracle, config: EvaluateConfig, data: Path, tmp_path: Path
) -> None:
    before = by_key(evaluate(config))
    file = data / "tatoeba" / "deu_Latn.parquet"
    cells = pq.read_table(file).to_pydict()
    cells["deu_Latn"][0] = "deu_Latn 1"
    write(file, cells)
    after = by_key(evaluate(dataclasses.replace(config, out=tmp_path / "again")))
    changed = {
        (task, pair)
        for (task, pair, metric), score in after.items()
        if score.signature != before[task, pair, metric].signature
    }
    assert changed == {
        ("bitext/tatoeba", "deu_Latn-eng_Latn"),
        ("bitext/tatoeba", "eng_Latn-deu_Latn"),
    }


def test_own_data_are_named_by_the_stem_of_their_path(
    oracle: Oracle, config: EvaluateConfig, data: Path
) -> None:
    cases = {
        "bitext": ("tatoeba", "bitext/tatoeba"),
        "sts": ("stsb-mt/dev", "sts/dev"),
        "topics": ("sib200", "topics/sib200"),
    }
    for kind, (path, task) in cases.items():
        own = dataclasses.replace(config, suite=kind, data=data / path, overwrite=True)
        assert task in {score.task for score in evaluate(own)}


def test_held_out_rows_are_a_split(oracle: Oracle, config: EvaluateConfig, data: Path) -> None:
    own = dataclasses.replace(
        config,
        suite="bitext",
        data=data / "sib200/test.parquet",
        split="held-out",
        held_out=0.4,
    )
    scores = evaluate(own)
    assert {score.split for score in scores} == {"held-out-0.4"}
    assert 4 <= scores[0].n < N_ROWS


def test_only_english_and_the_chosen_languages_are_measured(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    scores = evaluate(dataclasses.replace(config, languages=("French",)))
    assert {code for score in scores for code in score.languages.split("-")} == {
        "eng_Latn",
        "fra_Latn",
    }
    assert {score.task for score in scores} >= {
        "sts/stsb-mt",
        "bitext/tatoeba",
        "topics-zero-shot/sib200",
    }


# What is refused


def test_mistakes_are_reported_before_an_encoder_is_loaded(
    oracle: Oracle, config: EvaluateConfig, data: Path
) -> None:
    for change, message in (
        ({"languages": ("swh_Latn",)}, "has no swh_Latn; it has deu_Latn, eng_Latn, fra_Latn"),
        ({"suite": "bitext", "data": data / "none"}, "none"),
        (
            {"suite": "dev", "data": data / "sib200"},
            r"suite dev needs .*sib200/sib200/train\.parquet, .*stsb-mt/dev; ",
        ),
        (
            {"suite": "bitext", "data": data / "sib200/test.parquet", "languages": ("eng_Latn",)},
            "nothing to measure",
        ),
        (
            {"out": data / "sib200"},
            "sib200: not empty, and what it holds is no run of hexapla evaluate; give another",
        ),
        (
            {"out": data / "sib200/test.parquet"},
            r"test\.parquet is a file; the output must be a folder",
        ),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(dataclasses.replace(config, **change))
    assert oracle.loaded == 0
    assert not Path(config.out).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"suite": "tests"},
            '"tests" is neither a suite nor a task; did you mean "test"?; suites of MTEB\'s tasks: paper, ',
        ),
        ({"pairs": "both"}, 'pairs is "both"; it must be pivot or all'),
        ({"split": "train"}, 'split is "train"; it must be all or held-out'),
        (
            {"split": "held-out"},
            "split is held-out and suite is test; only bitext on your own corpus has",
        ),
        ({"held_out": 1.0}, "held_out is 1.0; it must be a number above 0 and below 1"),
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number from 1 to 8,192"),
        ({"pooling": "max"}, 'pooling is "max"; it must be mean, cls or lasttoken'),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0 to 4,294,967,295"),
    ],
)
def test_a_setting_out_of_range_is_refused(
    config: EvaluateConfig, change: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        dataclasses.replace(config, **change)


def test_bf16_gives_nearly_the_same_scores_and_the_signature_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    from hexapla.corpus.writer import write_corpus
    from tests.fixtures.toy import LANGUAGES as TOY

    write_corpus(toy_rows(60), tmp_path / "rows", languages=TOY)
    encoder = str(toy_encoder(tmp_path / "encoder"))
    whole, half = (
        evaluate(
            EvaluateConfig(
                encoder=encoder,
                out=tmp_path / precision,
                suite="bitext",
                data=tmp_path / "rows",
                precision=precision,
            )  # type: ignore[arg-type]
        )
        for precision in ("fp32", "bf16")
    )
    assert [parse_signature(scores[0].signature)["dtype"] for scores in (whole, half)] == [
        "float32",
        "bfloat16",
    ]
    assert caplog.text.count("precision is bf16, for which this CPU has no instructions") == 1
    apart = [abs(one.value - other.value) for one, other in zip(whole, half, strict=True)]
    assert 0 < max(apart) < 0.1, "another precision, and nearly the same scores"
    with pytest.raises(InputError, match='precision is "fp8"; it must be fp32 or bf16'):
        EvaluateConfig(
            encoder=encoder, out=tmp_path / "x", suite="bitext", data="sample", precision="fp8"
        )  # type: ignore[arg-type]


def test_vectors_that_are_not_finite_are_refused(oracle: Oracle, config: EvaluateConfig) -> None:
    oracle.broken = True
    with pytest.raises(
        InputError, match=r"vectors that are not finite for 1 texts, the first of them '"
    ):
        evaluate(config)
    assert not config.out.exists(), "nothing was measured that could be resumed"


def test_a_real_encoder_gives_the_same_scores_twice(tmp_path: Path) -> None:
    rows = toy_rows(30, missing=0.2)
    write(tmp_path / "toy.parquet", {code: [row[code] for row in rows] for code in rows[0]})
    encoder = str(toy_encoder(tmp_path / "encoder"))
    config = EvaluateConfig(
        encoder=encoder,
        out=tmp_path / "a",
        suite="bitext",
        data=tmp_path / "toy.parquet",
        pairs="all",
    )
    first = evaluate(config)
    assert first == evaluate(dataclasses.replace(config, out=tmp_path / "b"))
    assert len(first) == 6 * 2 * 4 + 4 * 2  # bitext of each pair, and the pool
    assert {score.seen for score in first} == {None}
    assert parse_signature(first[0].signature)["max_tokens"] == "16"
    assert 0 < first[0].value < 1
