"""A resumed evaluation gives the same scores, encodes nothing twice, and never reuses another encoder's vectors."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from hexapla.corpus.writer import write_corpus
from hexapla.encoder import packed_passes
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.evaluation import resume as unfinished
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.stage import evaluate
from tests.fixtures import mteb_folder as toy_mteb
from tests.fixtures.extras import needs
from tests.fixtures.toy import toy_encoder

pytestmark = [pytest.mark.slow, needs("mteb", "evaluate")]


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    toy_mteb.write_all(folder / "data")
    toy_encoder(folder / "toy")
    return folder


@pytest.fixture
def config(tmp_path: Path, made: Path) -> EvaluateConfig:
    tasks = "Tatoeba,NTREXBitextMining,STSBenchmarkMultilingualSTS,SIB200Classification"
    return EvaluateConfig(
        encoder=str(made / "toy"),
        out=tmp_path / "out",
        suite=tasks,
        data=made / "data",
        pairs="all",
    )


def files(folder: Path) -> dict[str, bytes]:
    kept = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def stop_after(monkeypatch: pytest.MonkeyPatch, module: object, name: str, n_calls: int) -> None:
    """Let a function of a module be called a few times, and then kill the run."""
    original, left = getattr(module, name), [n_calls]

    def counted(*arguments: object, **options: object) -> object:
        if not left[0]:
            raise Stopped("killed")
        left[0] -= 1
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, counted)


@pytest.mark.parametrize(
    ("module", "name", "n_calls"),
    [
        (packed_passes, "run_passes", 3),
        (unfinished, "record_measurement", 0),
        (unfinished, "record_measurement", 26),
    ],
)
def test_resumed_equals_uninterrupted(
    config: EvaluateConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    name: str,
    n_calls: int,
) -> None:
    monkeypatch.setattr("hexapla.encoder.encode.TEXTS_PER_STEP", 64)
    whole = evaluate(dataclasses.replace(config, out=tmp_path / "whole"))
    with monkeypatch.context() as interrupted:
        stop_after(interrupted, module, name, n_calls)
        with pytest.raises(Stopped, match="killed"):
            evaluate(config)
    with pytest.raises(InputError, match="holds an unfinished run; --resume continues it"):
        evaluate(config)
    resumed = evaluate(dataclasses.replace(config, resume=True))
    assert resumed == whole
    assert files(Path(config.out)) == files(tmp_path / "whole")
    assert evaluate(dataclasses.replace(config, resume=True)) == whole


def test_a_resumed_run_embeds_and_measures_nothing_again(
    config: EvaluateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hexapla.encoder.encode.TEXTS_PER_STEP", 64)
    encoded: list[str] = []
    original = packed_passes.tokenise_step

    def noted(model: object, texts: Sequence[str], **options: object) -> object:
        encoded.extend(texts)
        return original(model, texts, **options)

    monkeypatch.setattr(packed_passes, "tokenise_step", noted)
    with monkeypatch.context() as interrupted:
        stop_after(interrupted, unfinished, "record_measurement", 10)
        with pytest.raises(Stopped, match="killed"):
            evaluate(config)
    assert len(encoded) == len(set(encoded))
    n_encoded = len(encoded)
    measured: list[object] = []
    original_add = unfinished.record_measurement
    monkeypatch.setattr(
        unfinished,
        "record_measurement",
        lambda *given: measured.append(given) or original_add(*given),
    )
    scores = evaluate(dataclasses.replace(config, resume=True))
    assert len(encoded) == n_encoded
    assert len(measured) == len({(score.task, score.languages) for score in scores}) - 10


def test_an_incomplete_line_and_a_missing_table_are_measured_again(
    config: EvaluateConfig, tmp_path: Path
) -> None:
    whole = evaluate(dataclasses.replace(config, out=tmp_path / "whole"))
    monkey = pytest.MonkeyPatch()
    stop_after(monkey, unfinished, "record_measurement", 9)
    with pytest.raises(Stopped, match="killed"):
        evaluate(config)
    monkey.undo()
    out = Path(config.out)
    record = out / unfinished.UNFINISHED
    record.write_bytes(record.read_bytes()[:-40])
    next(out.rglob("per_item/**/*.parquet")).unlink()
    assert len(unfinished.read_unfinished(out)) == 7
    assert evaluate(dataclasses.replace(config, resume=True)) == whole


def test_a_changed_encoder_of_the_same_name_inherits_neither_scores_nor_vectors(
    config: EvaluateConfig, made: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "vectors"
    sound = evaluate(dataclasses.replace(config, vectors=kept, mteb_compatible=True))
    broken = tmp_path / "other" / "toy"
    shutil.copytree(made / "toy", broken)
    weights = broken / "model.safetensors"
    save_file(
        {key: np.roll(value, 7) for key, value in load_file(weights).items()},
        weights,
        metadata={"format": "pt"},
    )
    again = dataclasses.replace(config, encoder=str(broken), vectors=kept, mteb_compatible=True)
    with pytest.raises(InputError, match=r"holds another run .*encoder_sha256 was"):
        evaluate(dataclasses.replace(again, resume=True))
    scores = evaluate(dataclasses.replace(again, out=tmp_path / "again"))
    assert scores[0].encoder == sound[0].encoder == "toy"
    assert scores[0].encoder_sha != sound[0].encoder_sha
    same = [one.value == other.value for one, other in zip(scores, sound, strict=True)]
    assert sum(same) < len(same) / 2
    assert scores == evaluate(dataclasses.replace(again, out=tmp_path / "fresh", vectors=None))


def test_vectors_are_removed_or_kept_on_request_and_then_serve_other_tasks(
    config: EvaluateConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(config)
    assert not (Path(config.out) / "vectors").exists()
    kept = dataclasses.replace(config, vectors=tmp_path / "vectors", suite="NTREXBitextMining")
    first = evaluate(dataclasses.replace(kept, out=tmp_path / "first"))
    monkeypatch.setattr(packed_passes, "run_passes", lambda *_, **__: pytest.fail("encoded again"))
    assert evaluate(dataclasses.replace(kept, out=tmp_path / "second")) == first


# Files beside the scores


def test_examples_are_the_same_rows_in_every_language_with_their_vectors(
    config: EvaluateConfig,
) -> None:
    evaluate(config)
    table = pq.read_table(Path(config.out) / "examples.parquet").to_pydict()
    assert Counter(table["language"]) == dict.fromkeys(toy_mteb.NTREX.values(), 40)
    assert len(set(table["item"])) == 40
    model = load_encoder(config.encoder)
    vectors = model.encode(table["text"], normalize_embeddings=True)
    assert np.abs(np.array(table["vector"], dtype=np.float32) - vectors).max() < 1e-3


def test_evaluation_sentences_are_searched_for_in_the_training_corpus(
    config: EvaluateConfig, made: Path, tmp_path: Path
) -> None:
    corpus = write_corpus(
        pq.read_table(
            made / "data/NTREXBitextMining/default/test.parquet", columns=["eng_Latn", "deu_Latn"]
        )
        .slice(0, 5)
        .to_pylist(),
        tmp_path / "corpus",
        languages=("eng_Latn", "deu_Latn"),
    )
    aligned = tmp_path / "aligned"
    shutil.copytree(made / "toy", aligned)
    result = {
        "regime": "multiway",
        "corpus": "x",
        "corpus_sha256": corpus.sha256,
        "languages": list(corpus.languages),
    }
    (aligned / "align.json").write_text(json.dumps(result), encoding="utf-8")
    (aligned / "run.json").write_text(
        json.dumps({"config": {"corpus": str(corpus.path)}}), encoding="utf-8"
    )
    evaluate(dataclasses.replace(config, encoder=str(aligned)))
    found = json.loads((Path(config.out) / "contamination.json").read_text(encoding="utf-8"))
    by_task = {one["task"]: one["n_found"] for one in found["tasks"]}
    assert by_task["bitext/NTREXBitextMining"] == 10  # of five rows, in the corpus's two languages
    assert by_task["sts/STSBenchmarkMultilingualSTS"] == 0
    assert set(by_task) >= {"bitext/Tatoeba", "classification/SIB200Classification"}
