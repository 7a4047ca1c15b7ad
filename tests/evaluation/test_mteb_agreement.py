"""Our bitext, STS and classification agree with `mteb.evaluate` on the same data and vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

mteb = pytest.importorskip("mteb")

import datasets  # noqa: E402
from mteb.models.model_meta import ModelMeta  # noqa: E402

from hexapla.evaluation.retrieval import retrieve  # noqa: E402
from hexapla.evaluation.tasks import few_shot, sts  # noqa: E402

DIM = 12


class Known:
    """An encoder that looks up unit vectors by text."""

    def __init__(self) -> None:
        self.vectors: dict[str, np.ndarray] = {}
        self.mteb_model_meta = ModelMeta.create_empty({"name": "test/known", "revision": "1"})

    def add(self, name: str, rows: np.ndarray) -> list[str]:
        """Take vectors in, and return the texts that stand for them."""
        texts = [f"{name} {row}" for row in range(len(rows))]
        unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        self.vectors.update(zip(texts, unit, strict=True))
        return texts

    def of(self, texts: list[str]) -> np.ndarray:
        return np.stack([self.vectors[text] for text in texts])

    def encode(self, inputs: Iterator[dict[str, list[str]]], **_: object) -> np.ndarray:
        return self.of([text for batch in inputs for text in batch["text"]])

    def similarity(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return one @ other.T

    def similarity_pairwise(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one * other).sum(axis=1)


def reference(
    encoder: Known, task: str, subset: str, columns: dict[str, dict[str, list[object]]]
) -> dict[str, float]:
    """Return MTEB's scores of a task with the given data, by split."""
    one = mteb.get_task(task, hf_subsets=[subset], eval_splits=["test"])
    splits = {split: datasets.Dataset.from_dict(content) for split, content in columns.items()}
    one.dataset = {subset: datasets.DatasetDict(splits)}
    one.data_loaded = True
    result = mteb.evaluate(encoder, one, cache=None, show_progress_bar=False, co2_tracker=False)
    return result.task_results[0].scores["test"][0]


def test_bitext_f1_and_accuracy() -> None:
    generator, encoder = np.random.default_rng(0), Known()
    rows = generator.normal(size=(150, DIM))  # MTEB searches 100 queries at a time
    sides = [encoder.add("deu", rows), encoder.add("eng", rows + generator.normal(size=rows.shape))]
    for found, (one, other) in zip(
        retrieve(encoder.of(sides[0]), encoder.of(sides[1])), (sides, sides[::-1]), strict=True
    ):
        theirs = reference(
            encoder, "Tatoeba", "deu-eng", {"test": {"sentence1": one, "sentence2": other}}
        )
        assert 0.2 < theirs["f1"] < theirs["accuracy"] < 0.9
        assert found.f1.mean() == pytest.approx(theirs["f1"], abs=1e-12)
        assert found.accuracy.mean() == pytest.approx(theirs["accuracy"], abs=1e-12)


def test_sts_spearman() -> None:
    generator, encoder = np.random.default_rng(1), Known()
    rows = generator.normal(size=(80, DIM))
    moved = rows + 2 * generator.normal(size=rows.shape) * generator.random((80, 1))
    first, second = encoder.add("first", rows), encoder.add("second", moved)
    cosine = sts.cosines(encoder.of(first), encoder.of(second))
    gold = np.clip(
        np.round(5 * cosine + generator.normal(size=80)), 0, 5
    )  # few values, so many equal ranks
    data = {"sentence1": first, "sentence2": second, "score": gold.tolist()}
    theirs = reference(encoder, "STSBenchmarkMultilingualSTS", "de", {"test": data})
    assert 0.2 < theirs["cosine_spearman"] < 0.95
    assert sts.spearman(cosine, gold) == pytest.approx(theirs["cosine_spearman"], abs=1e-9)


def test_classification_accuracy() -> None:
    generator, encoder = np.random.default_rng(2), Known()
    centres = generator.normal(size=(4, DIM))
    sides = {}
    for split, n_rows in (("train", 120), ("test", 60)):
        labels = generator.choice(
            4, size=n_rows, p=(0.5, 0.3, 0.15, 0.05)
        )  # 0.05 of 120 is fewer than 8 rows
        texts = encoder.add(split, centres[labels] + 2 * generator.normal(size=(n_rows, DIM)))
        sides[split] = {"text": texts, "label": labels.tolist()}
    theirs = reference(encoder, "SIB200Classification", "deu_Latn", sides)
    train, test = sides["train"], sides["test"]
    probes = few_shot.fit_probes(
        encoder.of(train["text"]), train["label"], few_shot.few_shot_draws(train["label"])
    )
    ours = few_shot.correctness(probes, encoder.of(test["text"]), test["label"])
    assert 0.3 < theirs["accuracy"] < 0.9
    assert ours.mean() == pytest.approx(theirs["accuracy"], abs=1e-12)
