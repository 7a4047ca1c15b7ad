"""Retrieval: values worked by hand, agreement with scikit-learn and the definitions, and the measured rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation import retrieval as retrieval_module
from hexapla.evaluation.retrieval import BitextRetriever, retrieve
from hexapla.evaluation.tasks.bitext import read_bitext


def directions(*degrees: float) -> np.ndarray:
    """Return unit vectors in the plane, whose cosines follow from the angles between them."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def noisy_sides(
    n_rows: int, dim: int = 8, noise: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return two sides of which about half of the rows retrieve each other."""
    generator = np.random.default_rng(seed)
    source = generator.normal(size=(n_rows, dim))
    target = source + noise * generator.normal(size=(n_rows, dim))
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)]
    return unit[0].astype(np.float32), unit[1].astype(np.float32)


# Sources at 0, 40 and 90 degrees, targets at 10, 71 and 80. The source at 40 is 30 degrees from the
# wrong target at 10 and 31 from the right one at 71: an error, and two sources retrieve the target at
# 10. The target at 71 is nearest to the source at 90.
SOURCE, TARGET = directions(0, 40, 90), directions(10, 71, 80)


def test_both_directions_by_hand() -> None:
    forward, backward = retrieve(SOURCE, TARGET, k=1)
    assert forward.accuracy.tolist() == [1, 0, 1]
    assert forward.f1.tolist() == [2 / 3, 0, 1]
    assert backward.accuracy.tolist() == [1, 0, 1]
    assert backward.f1.tolist() == [1, 0, 2 / 3]


def test_the_margin_corrects_a_hub_by_hand() -> None:
    # With k = 1, the margin score of the source at 40 is cos 31 / ((cos 30 + cos 19) / 2) = 0.946 with
    # the right target, and cos 30 / ((cos 30 + cos 10) / 2) = 0.936 with the hub at 10. The target at 71
    # still retrieves the source at 90.
    forward, backward = retrieve(SOURCE, TARGET, k=1)
    assert forward.margin_accuracy.tolist() == [1, 1, 1]
    assert backward.margin_accuracy.tolist() == [1, 0, 1]


def test_f1_is_the_weighted_f1_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    source, target = noisy_sides(60)
    forward, backward = retrieve(source, target)
    rows = np.arange(60)
    for found, cosine in ((forward, source @ target.T), (backward, target @ source.T)):
        reference = f1_score(rows, cosine.argmax(axis=1), average="weighted", zero_division=0)
        assert 0.2 < found.accuracy.mean() < 0.9
        assert found.f1.mean() == pytest.approx(reference, abs=1e-12)


def test_the_margin_is_the_ratio_of_its_definition() -> None:
    source, target = noisy_sides(40, seed=1)
    cosine = source @ target.T
    ratio = np.empty((40, 40))
    for i in range(40):
        for j in range(40):
            around_source = sorted(cosine[i])[-4:]
            around_target = sorted(cosine[:, j])[-4:]
            ratio[i, j] = cosine[i, j] / (sum(around_source) / 8 + sum(around_target) / 8)
    forward, backward = retrieve(source, target)
    assert forward.margin_accuracy.tolist() == (ratio.argmax(axis=1) == np.arange(40)).tolist()
    assert backward.margin_accuracy.tolist() == (ratio.argmax(axis=0) == np.arange(40)).tolist()
    assert forward.margin_accuracy.tolist() != forward.accuracy.tolist()


@pytest.mark.parametrize("rows_in_a_block", [1, 3, 7, 39])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, rows_in_a_block: int) -> None:
    source, target = noisy_sides(40, seed=2)
    whole = retrieve(source, target)
    monkeypatch.setattr(retrieval_module, "_BLOCK_ENTRIES", rows_in_a_block * 40)
    for one, other in zip(whole, retrieve(source, target), strict=True):
        for metric, values in one.columns().items():
            assert values.tolist() == other.columns()[metric].tolist()


def test_swapped_sides_swap_the_directions() -> None:
    source, target = noisy_sides(40, seed=3)
    forward, backward = retrieve(source, target)
    swapped_forward, swapped_backward = retrieve(target, source)
    assert forward.f1.tolist() == swapped_backward.f1.tolist()
    assert backward.margin_accuracy.tolist() == swapped_forward.margin_accuracy.tolist()
    assert forward.f1.tolist() != backward.f1.tolist()


def test_permuted_rows_permute_the_items() -> None:
    source, target = noisy_sides(40, seed=4)
    order = np.random.default_rng(0).permutation(40)
    (plain, _), (permuted, _) = retrieve(source, target), retrieve(source[order], target[order])
    for metric, values in plain.columns().items():
        assert values[order].tolist() == permuted.columns()[metric].tolist()


@pytest.mark.parametrize("rows_in_a_block", [1, 4])
def test_of_equal_texts_the_first_is_retrieved_and_the_others_are_errors(
    monkeypatch: pytest.MonkeyPatch, rows_in_a_block: int
) -> None:
    monkeypatch.setattr(retrieval_module, "_BLOCK_ENTRIES", rows_in_a_block * 4)
    twice = directions(0, 0, 90, 180)
    for found in retrieve(twice, twice, k=2):
        assert found.accuracy.tolist() == found.margin_accuracy.tolist() == [1, 0, 1, 1]
        assert found.f1.tolist() == [2 / 3, 0, 1, 1]


@pytest.mark.parametrize("rows_in_a_block", [1, 7, 60])
def test_rounding_of_products_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, rows_in_a_block: int
) -> None:
    source, target = noisy_sides(60, seed=5)
    target[10:14], target[40:44], source[50] = target[10], target[20:24], source[3]
    whole = retrieve(source, target)
    plain, generator = BitextRetriever._product, np.random.default_rng(0)

    def rounded(self: BitextRetriever, source_BD: np.ndarray, target_TD: np.ndarray) -> np.ndarray:
        cosine = plain(self, source_BD, target_TD)
        return cosine + generator.uniform(-1e-7, 1e-7, cosine.shape).astype(np.float32)

    monkeypatch.setattr(BitextRetriever, "_product", rounded)
    monkeypatch.setattr(retrieval_module, "_BLOCK_ENTRIES", rows_in_a_block * 60)
    for one, other in zip(whole, retrieve(source, target), strict=True):
        assert 0.2 < one.accuracy.mean() < 0.9
        for metric, values in one.columns().items():
            assert values.tolist() == other.columns()[metric].tolist()


def test_an_encoder_that_gives_one_vector_for_all_texts_finds_the_first_row_alone() -> None:
    same = np.repeat(noisy_sides(1, dim=48)[0], 203, axis=0)
    for found in retrieve(same, same):
        assert found.accuracy.tolist() == found.margin_accuracy.tolist() == [1.0] + 202 * [0.0]
        assert found.f1.sum() == pytest.approx(2 / 204)


@pytest.mark.filterwarnings("error")
def test_vectors_of_zero_are_found_by_nobody_but_each_other() -> None:
    source, target = noisy_sides(20, seed=6)
    alone = retrieve(source[2:], target[2:])
    source[:2], target[:2] = 0, 0
    for found, without in zip(retrieve(source, target), alone, strict=True):
        assert found.accuracy[:2].tolist() == [1.0, 0.0]
        assert found.accuracy[2:].tolist() == without.accuracy.tolist()


@pytest.mark.parametrize("k", [0, 4])
def test_k_beyond_the_rows_is_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"^k is {k}; it must be 1 to 3, the number of rows$"):
        retrieve(SOURCE, TARGET, k=k)


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="source has 3 rows and target has 2"):
        retrieve(SOURCE, TARGET[:2], k=1)


# Which rows and pairs are measured


def write_parquet(path: Path, **columns: list[str | None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def six(language: str, *missing: int) -> list[str | None]:
    return [None if row in missing else f"{language} {row}" for row in range(6)]


def test_either_the_pivot_with_every_language_or_every_two_are_paired(tmp_path: Path) -> None:
    file = write_parquet(
        tmp_path / "x.parquet", deu_Latn=six("deu"), eng_Latn=six("eng"), fra_Latn=six("fra")
    )
    (pivot,) = read_bitext(file, name="x")
    (every,) = read_bitext(file, name="x", pairs="all")
    (chosen,) = read_bitext(file, name="x", languages=("fra_Latn", "swh_Latn"))
    assert list(pivot.rows) == [("eng_Latn", "deu_Latn"), ("eng_Latn", "fra_Latn")]
    assert list(every.rows) == [*pivot.rows, ("deu_Latn", "fra_Latn")]
    assert list(chosen.rows) == [("eng_Latn", "fra_Latn")]
    assert (len(pivot.keys), len(every.keys)) == (4, 6)


def test_rows_without_both_cells_are_left_out_and_not_counted(tmp_path: Path) -> None:
    german, french = six("deu", 1), six("fra", 4)
    german[5] = "  "
    file = write_parquet(
        tmp_path / "x.parquet", eng_Latn=six("eng"), deu_Latn=german, fra_Latn=french
    )
    (task,) = read_bitext(file, name="x")
    measured = {
        m.languages: m
        for m in task.measure(lambda texts: directions(*[10.0 * int(t[-1]) for t in texts]))
    }
    german_items, french_items = (
        measured["deu_Latn-eng_Latn"].items,
        measured["eng_Latn-fra_Latn"].items,
    )
    assert [len(measured[pair].items) for pair in ("eng_Latn-deu_Latn", "eng_Latn-fra_Latn")] == [
        4,
        5,
    ]
    assert measured["eng_Latn-fra_Latn"].metrics["accuracy"] == 1.0
    # Rows 0, 2 and 3 are in both pairs, and are the same items there.
    assert [german_items[0], *german_items[1:3]] == [french_items[0], *french_items[2:4]]


def test_a_measurement_searches_from_its_first_language(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", eng_Latn=six("eng"), deu_Latn=six("deu"))
    (task,) = read_bitext(file, name="x")
    sides = dict(zip(("eng", "deu"), noisy_sides(6, dim=3, seed=2), strict=True))
    measured = {m.languages: m for m in task.measure(lambda texts: sides[texts[0].split()[0]])}
    to_german, to_english = retrieve(sides["eng"], sides["deu"])
    assert to_german.accuracy.tolist() != to_english.accuracy.tolist()
    assert measured["eng_Latn-deu_Latn"].columns["accuracy"].tolist() == to_german.accuracy.tolist()
    assert (
        measured["deu_Latn-eng_Latn"].columns["accuracy"].tolist() == to_english.accuracy.tolist()
    )


def test_rows_with_the_same_pivot_text_are_different_items(tmp_path: Path) -> None:
    file = write_parquet(
        tmp_path / "x.parquet", eng_Latn=["a", "b", "a", "a", "c"], deu_Latn=six("deu")[:5]
    )
    (task,) = read_bitext(file, name="x")
    assert len(set(task.items)) == 5
    assert task.items[2:4] == [f"{task.items[0]}.1", f"{task.items[0]}.2"]


def test_each_file_of_a_folder_of_two_column_files_is_a_task(tmp_path: Path) -> None:
    write_parquet(tmp_path / "deu_Latn.parquet", deu_Latn=six("deu"), eng_Latn=six("eng"))
    write_parquet(tmp_path / "fra_Latn.parquet", fra_Latn=six("fra"), eng_Latn=six("eng"))
    tasks = read_bitext(tmp_path, name="x")
    assert [list(task.rows) for task in tasks] == [
        [("eng_Latn", "deu_Latn")],
        [("eng_Latn", "fra_Latn")],
    ]
    assert tasks[0].items == tasks[1].items
    assert tasks[0].data_sha != tasks[1].data_sha
    assert len(read_bitext(tmp_path, name="x", languages=("fra_Latn",))) == 1


def test_a_file_that_is_not_named_by_a_language_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "deu_Latn.parquet", deu_Latn=six("deu"), eng_Latn=six("eng"))
    write_parquet(tmp_path / "Klingon.parquet", fra_Latn=six("fra"), eng_Latn=six("eng"))
    with pytest.raises(InputError, match=r"Klingon\.parquet: .*Klingon"):
        read_bitext(tmp_path, name="x")


def test_two_files_of_one_language_are_refused(tmp_path: Path) -> None:
    for stem in ("deu_Latn", "de"):
        write_parquet(tmp_path / f"{stem}.parquet", deu_Latn=six("deu"), eng_Latn=six("eng"))
    with pytest.raises(
        InputError, match=r"deu_Latn\.parquet and .*de\.parquet are both deu_Latn; keep one"
    ):
        read_bitext(tmp_path, name="x")


def test_a_pair_with_too_few_rows_is_refused(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", eng_Latn=six("eng"), deu_Latn=six("deu", 0, 1, 2))
    with pytest.raises(
        InputError, match="3 rows have both eng_Latn and deu_Latn; at least 4 are needed"
    ):
        read_bitext(file, name="x")


def test_held_out_rows_are_those_that_training_leaves_out(tmp_path: Path) -> None:
    many = {code: [f"{code} {row}" for row in range(100)] for code in ("eng_Latn", "deu_Latn")}
    file = write_parquet(tmp_path / "x.parquet", **many)
    from hexapla.corpus.reader import open_corpus

    kept, held_out = open_corpus(file).split(0.3)
    (task,) = read_bitext(file, name="x", held_out=0.3)
    assert list(task.items) == held_out.row_ids()
    assert set(task.items).isdisjoint(kept.row_ids())
    assert 15 < len(task.items) < 45
