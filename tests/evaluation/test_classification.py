"""Classification: the draws, what each probe is fitted and tested on, and the measured rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.tasks.classification import read_classification
from hexapla.evaluation.tasks.few_shot import correctness, few_shot_draws, fit_probes

TOPICS = ["travel", "health", "sports"]


def test_a_draw_has_eight_rows_of_each_label_and_all_of_a_rare_one() -> None:
    labels = ["a"] * 30 + ["b"] * 30 + ["c"] * 3
    draws = few_shot_draws(labels)
    assert len(draws) == 10
    assert all(Counter(labels[row] for row in draw) == {"a": 8, "b": 8, "c": 3} for draw in draws)
    assert all(len(set(draw)) == len(draw) for draw in draws)


def test_draws_differ_from_each_other_and_by_seed_and_are_reproducible() -> None:
    labels = ["a", "b"] * 50
    draws = few_shot_draws(labels)
    assert len({tuple(draw) for draw in draws}) == 10
    assert draws == few_shot_draws(labels)
    assert draws != few_shot_draws(labels, seed=1)


def test_correctness_is_the_fraction_of_probes_that_are_right() -> None:
    # One probe was fitted on the labels and the other on swapped ones, so half are right on each
    # item.
    vectors = np.array([[1, 0]] * 8 + [[0, 1]] * 8, dtype=np.float32)
    right, swapped = ["a"] * 8 + ["b"] * 8, ["b"] * 8 + ["a"] * 8
    probes = [*fit_probes(vectors, right, [range(16)]), *fit_probes(vectors, swapped, [range(16)])]
    assert correctness(probes, vectors[[0, 15]], ["a", "b"]).tolist() == [0.5, 0.5]
    assert correctness(probes[:1], vectors[[0, 15]], ["a", "a"]).tolist() == [1.0, 0.0]


# Folders


def write_topics(folder: Path, n_rows: int = 60, **missing: int) -> Path:
    """Write 20 rows per topic of train and 4 of test, in English and German: `LANG SPLIT TOPIC NUMBER`."""
    for split, size in (("train", n_rows), ("test", 12)):
        topics = [TOPICS[row % 3] for row in range(size)]
        columns: dict[str, list[str | None]] = {"topic": list(topics)}
        for language in ("eng_Latn", "deu_Latn"):
            columns[language] = [
                f"{language} {split} {topic} {row}" for row, topic in enumerate(topics)
            ]
        for name, row in missing.items():
            if split == "test":
                columns[name][row] = None
        pq.write_table(pa.table(columns), folder / f"{split}.parquet")
    return folder


def by_topic(texts: list[str]) -> np.ndarray:
    """Embed each topic as a direction; in German, travel and health are swapped."""
    vectors = np.zeros((len(texts), 3), dtype=np.float32)
    for row, text in enumerate(texts):
        language, _, topic, _ = text.split()
        place = TOPICS.index(topic)
        vectors[row, 1 - place if language == "deu_Latn" and place < 2 else place] = 1
    return vectors


def test_probes_are_tested_in_their_language_and_the_english_ones_in_others(
    tmp_path: Path,
) -> None:
    (task,) = read_classification(write_topics(tmp_path), name="x")
    measured = {(m.task, m.languages): m for m in task.measure(by_topic)}
    assert len(measured) == len(task.keys)
    assert {key: m.metrics["accuracy"] for key, m in measured.items()} == {
        ("topics/x", "eng_Latn"): 1.0,
        ("topics/x", "deu_Latn"): 1.0,
        ("topics-zero-shot/x", "eng_Latn-deu_Latn"): pytest.approx(1 / 3),
    }
    zero_shot = measured["topics-zero-shot/x", "eng_Latn-deu_Latn"]
    assert zero_shot.columns["accuracy"].tolist() == [0, 0, 1] * 4
    assert zero_shot.items == measured["topics/x", "eng_Latn"].items


def test_only_the_train_sentences_that_are_drawn_are_embedded(tmp_path: Path) -> None:
    (task,) = read_classification(write_topics(tmp_path, n_rows=600), name="x")
    drawn = set().union(*few_shot_draws([TOPICS[row % 3] for row in range(600)]))
    expected = {f"eng_Latn train {TOPICS[row % 3]} {row}" for row in drawn}
    texts = {text for group in task.texts() for text in group}
    assert len(drawn) < 240
    assert {text for text in texts if text.startswith("eng_Latn train")} == expected
    asked: list[str] = []
    list(task.measure(lambda some: asked.extend(some) or by_topic(some)))
    assert set(asked) == texts


def test_the_draws_of_every_language_are_those_of_the_whole_train_file(tmp_path: Path) -> None:
    (task,) = read_classification(write_topics(tmp_path), name="x", seed=7)
    whole = few_shot_draws([TOPICS[row % 3] for row in range(60)], seed=7)
    for side, draws in ((task.train[code], task.draws[code]) for code in ("eng_Latn", "deu_Latn")):
        assert [[side.rows[row] for row in draw] for draw in draws] == whole


def test_rows_without_a_sentence_or_a_topic_are_left_out(tmp_path: Path) -> None:
    (task,) = read_classification(write_topics(tmp_path, deu_Latn=2, topic=5), name="x")
    measured = {m.languages: m for m in task.measure(by_topic)}
    assert [len(measured[code].items) for code in ("eng_Latn", "deu_Latn")] == [11, 10]
    assert "2" not in measured["deu_Latn"].items


def test_topics_and_languages_that_only_one_file_has_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_topics(tmp_path)
    rows = {"topic": ["travel", "weather", "weather"], "eng_Latn": ["a"] * 3, "deu_Latn": ["b"] * 3}
    pq.write_table(pa.table({**rows, "fra_Latn": ["c"] * 3}), tmp_path / "test.parquet")
    (task,) = read_classification(tmp_path, name="x")
    assert task.languages == ("eng_Latn", "deu_Latn")
    assert "fra_Latn is left out, since train.parquet has no such column" in caplog.text
    assert (
        "test.parquet: 2 of 3 rows have a topic of which train.parquet has no row (weather), and "
        "always count as errors" in caplog.text
    )
    caplog.clear()
    read_classification(write_topics(tmp_path), name="x")
    assert not caplog.records


def test_without_english_there_is_no_zero_shot(tmp_path: Path) -> None:
    for split, n_rows in (("train", 60), ("test", 12)):
        topics = [TOPICS[row % 3] for row in range(n_rows)]
        texts = {
            code: [f"{code} x {topic} 0" for topic in topics] for code in ("deu_Latn", "fra_Latn")
        }
        pq.write_table(pa.table({"topic": topics, **texts}), tmp_path / f"{split}.parquet")
    (task,) = read_classification(tmp_path, name="x")
    measured = [m.task for m in task.measure(by_topic)]
    assert measured == ["topics/x", "topics/x"]
    assert len(task.keys) == 2


def test_data_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no train\.parquet and no test\.parquet; topics are a folder"
    ):
        read_classification(tmp_path, name="x")
    write_topics(tmp_path)
    columns = {"label": ["a"], "eng_Latn": ["a"], "deu_Latn": ["b"]}
    pq.write_table(pa.table(columns), tmp_path / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet has no column topic"):
        read_classification(tmp_path, name="x")
    columns = {"topic": ["a"] * 9, "eng_Latn": ["a"] * 9, "deu_Latn": ["b"] * 9}
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    pq.write_table(pa.table(columns), tmp_path / "test.parquet")
    with pytest.raises(
        InputError, match=r"train\.parquet: eng_Latn has 1 topics; at least 2 are needed"
    ):
        read_classification(tmp_path, name="x")
