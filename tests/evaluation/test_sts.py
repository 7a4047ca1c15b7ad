"""STS: Spearman by hand, and which files are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.tasks.sts import cosines, read_sts, spearman


def test_spearman_by_hand() -> None:
    # Ranks 1 2 3 4 against 1 3 2 4: one minus 6 * (0 + 1 + 1 + 0) / (4 * 15) = 0.8.
    assert spearman(
        np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 4.0, 1.5, 5.0])
    ) == pytest.approx(0.8)
    assert spearman(np.array([0.9, 0.2, -0.3]), np.array([0.0, 1.0, 2.0])) == pytest.approx(-1)


def test_cosines_pair_equal_rows() -> None:
    first = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    second = np.array([[0, 1], [0.6, 0.8]], dtype=np.float32)
    assert cosines(first, second) == pytest.approx([0, 1])


def test_a_collapsed_encoder_scores_zero_and_not_nan() -> None:
    assert spearman(np.full(5, 0.999), np.arange(5.0)) == 0.0


# Which files and rows are measured

SCORES: list[float | None] = [0.0, 1.0, 2.5, 4.0, 5.0]
ANGLES = [150, 100, 60, 30, 5]


def write_sts(
    folder: Path,
    language: str,
    scores: list[float | None] = SCORES,
    missing: int | None = None,
    blank: int | None = None,
) -> None:
    """Write five pairs of sentences, `LANG 0` and `LANG ANGLE`, which `by_angle` embeds at that angle."""
    second = [None if row == missing else f"{language} {angle}" for row, angle in enumerate(ANGLES)]
    if blank is not None:
        second[blank] = " "
    folder.mkdir(exist_ok=True)
    table = pa.table({"sentence1": [f"{language} 0"] * 5, "sentence2": second, "score": scores})
    pq.write_table(table, folder / f"{language}.parquet")


def by_angle(texts: list[str]) -> np.ndarray:
    angles = np.radians([float(text.split()[-1]) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def measured(folder: Path, **options: object) -> dict[tuple[str, str], object]:
    (task,) = read_sts(folder, name="x", **options)
    found = {(m.task, m.languages): m for m in task.measure(by_angle)}
    assert len(found) == len(task.keys)
    return found


def test_aligned_files_are_measured_within_and_across_both_ways(tmp_path: Path) -> None:
    for language in ("eng_Latn", "deu_Latn", "fra_Latn"):
        write_sts(tmp_path, language)
    pivot, every = measured(tmp_path), measured(tmp_path, pairs="all")
    across = ["eng_Latn-deu_Latn", "deu_Latn-eng_Latn", "eng_Latn-fra_Latn", "fra_Latn-eng_Latn"]
    within = ["deu_Latn", "eng_Latn", "fra_Latn"]
    expected = {("sts/x", language) for language in within} | {
        ("sts-across/x", pair) for pair in across
    }
    assert set(pivot) == expected
    assert set(every) - expected == {
        ("sts-across/x", "deu_Latn-fra_Latn"),
        ("sts-across/x", "fra_Latn-deu_Latn"),
    }
    assert all(one.metrics["spearman"] == pytest.approx(1) for one in every.values())
    assert len({tuple(one.items) for one in every.values()}) == 1


def test_the_first_sentence_is_in_the_first_language_of_the_pair(tmp_path: Path) -> None:
    write_sts(tmp_path, "eng_Latn")
    write_sts(tmp_path, "deu_Latn")
    (task,) = read_sts(tmp_path, name="x")
    asked: list[list[str]] = []

    def noted(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return by_angle(texts)

    order = [m.languages for m in task.measure(noted)]
    first, second = asked[2 * order.index("deu_Latn-eng_Latn") :][:2]
    assert first == ["deu_Latn 0"] * 5
    assert second == [f"eng_Latn {angle}" for angle in ANGLES]


def test_files_with_different_judgements_are_not_compared_and_share_no_items(
    tmp_path: Path,
) -> None:
    write_sts(tmp_path, "eng_Latn")
    write_sts(tmp_path, "deu_Latn", scores=SCORES[::-1])
    found = measured(tmp_path, pairs="all")
    assert set(found) == {("sts/x", "eng_Latn"), ("sts/x", "deu_Latn")}
    assert found["sts/x", "deu_Latn"].metrics["spearman"] == pytest.approx(-1)
    assert set(found["sts/x", "deu_Latn"].items).isdisjoint(found["sts/x", "eng_Latn"].items)


def test_rows_with_an_empty_sentence_are_left_out(tmp_path: Path) -> None:
    write_sts(tmp_path, "eng_Latn")
    write_sts(tmp_path, "deu_Latn", missing=1, blank=3)
    found = measured(tmp_path)
    assert len(found["sts/x", "deu_Latn"].items) == 3
    assert len(found["sts-across/x", "eng_Latn-deu_Latn"].items) == 3
    assert (
        len(found["sts-across/x", "deu_Latn-eng_Latn"].items) == 5
    )  # sentence1 is German, and none is missing
    assert found["sts/x", "deu_Latn"].columns["gold"].tolist() == [0, 2.5, 5]


def test_english_is_always_measured_and_other_languages_when_asked_for(tmp_path: Path) -> None:
    for language in ("eng_Latn", "deu_Latn", "fra_Latn"):
        write_sts(tmp_path, language)
    assert {pair for _, pair in measured(tmp_path, languages=("fra_Latn",))} == {
        "eng_Latn",
        "fra_Latn",
        "eng_Latn-fra_Latn",
        "fra_Latn-eng_Latn",
    }


def test_data_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"none is not a folder; STS data are a folder of LANG\.parquet files"
    ):
        read_sts(tmp_path / "none", name="x")
    with pytest.raises(InputError, match=r"has no LANG\.parquet file"):
        read_sts(tmp_path, name="x")
    write_sts(tmp_path / "flat", "deu_Latn", scores=[3.0] * 5)
    with pytest.raises(InputError, match="deu_Latn has 5 filled rows and no two different scores"):
        read_sts(tmp_path / "flat", name="x")
    write_sts(tmp_path / "nan", "deu_Latn", scores=[0.0, 1.0, float("nan"), 2.0, 3.0])
    with pytest.raises(InputError, match=r"deu_Latn\.parquet: score nan in row 3 is not a number"):
        read_sts(tmp_path / "nan", name="x")
    write_sts(tmp_path / "lacking", "deu_Latn")
    pq.write_table(
        pa.table({"sentence1": ["a"], "score": [1.0]}), tmp_path / "lacking" / "deu_Latn.parquet"
    )
    with pytest.raises(InputError, match=r"deu_Latn\.parquet has no column sentence2"):
        read_sts(tmp_path / "lacking", name="x")
