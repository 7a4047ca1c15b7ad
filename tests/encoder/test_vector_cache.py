"""Vectors on disk are keyed by weights, length, precision, prompt and text; a damaged file loses only its texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hexapla.encoder.vector_cache import VectorCache

ONE, TWO = np.float32([[1, 2], [3, 4]])


def cache(folder: Path, **changed: object) -> VectorCache:
    return VectorCache(
        folder, **{"encoder_sha": "abc", "max_tokens": 16, "dtype": "float32", **changed}
    )


def test_vectors_are_read_again_bit_for_bit(tmp_path: Path) -> None:
    cache(tmp_path).add("query: ", ["a", "b"], np.stack([ONE, TWO]))
    cache(tmp_path).add("", ["a"], np.stack([TWO]))
    again = cache(tmp_path)
    assert again.get("query: ", "a").tolist() == ONE.tolist()
    assert again.get("query: ", "b").tolist() == again.get("", "a").tolist() == TWO.tolist()
    assert again.get("", "b") is None


@pytest.mark.parametrize(
    "changed", [{"encoder_sha": "abd"}, {"max_tokens": 17}, {"dtype": "bfloat16"}]
)
def test_another_encoder_length_or_precision_finds_nothing(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    cache(tmp_path).add("", ["a"], np.stack([ONE]))
    assert cache(tmp_path, **changed).get("", "a") is None


def test_prompt_and_text_are_kept_apart(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.add("query: ", ["a"], np.stack([ONE]))
    assert kept.get("", "query: a") is None
    assert kept.get("query", ": a") is None


def test_a_damaged_file_is_removed_with_a_warning_and_loses_only_its_texts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache(tmp_path).add("", ["a"], np.stack([ONE]))
    (first,) = tmp_path.rglob("*.npz")
    cache(tmp_path).add("", ["b"], np.stack([TWO]))
    first.write_bytes(first.read_bytes()[:100])
    again = cache(tmp_path)
    assert "embedded again" in caplog.text
    assert again.get("", "a") is None
    assert again.get("", "b").tolist() == TWO.tolist()
    assert not first.exists()


def test_another_pooling_or_prompt_finds_nothing(tmp_path: Path) -> None:
    from hexapla.cli.app import main
    from hexapla.corpus.writer import write_corpus
    from hexapla.evaluation.scores import read_scores
    from tests.fixtures.toy import LANGUAGES, toy_rows, toy_transformer

    write_corpus(toy_rows(30), tmp_path / "rows", languages=LANGUAGES)
    encoder = toy_transformer(tmp_path / "bare")
    shared = ["evaluate", str(encoder), "--suite", "bitext", "--data", str(tmp_path / "rows")]
    found = []
    for number, read_as in enumerate(
        ([], ["--pooling", "cls"], ["--pooling", "cls", "--prompt", "eins "])
    ):
        for vectors in ("shared", f"own-{number}"):
            out = tmp_path / f"{number}-{vectors}"
            assert (
                main([*shared, *read_as, "--vectors", str(tmp_path / vectors), "--out", str(out)])
                == 0
            )
            found.append([score.value for score in read_scores(out)])
    assert found[0::2] == found[1::2] and len(set(map(tuple, found))) == 3
