"""Hard negatives: the nearest rows that do not mean the same meet in one step, also in a resumed run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from hexapla.alignment import hard_negatives
from hexapla.alignment.batches import RowBatchSampler
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.hard_negatives import MOST_ALIKE, HardNegatives, follow, similar_rows
from hexapla.alignment.prepare import prepare
from hexapla.alignment.stage import align
from hexapla.errors import InputError
from tests.fixtures.toy import toy_encoder
from tests.fixtures.weights import assert_bit_equal


class Encoder:
    """Stands for an encoder: texts are angles in degrees."""

    training, device = True, "cpu"

    def train(self, mode: bool) -> None:
        self.training = mode


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the texts of each call, which are encoded as the angles that they are."""
    calls: list[list[str]] = []

    def encode(model: Encoder, texts: list[str], **_: object) -> np.ndarray:
        model.training = False
        calls.append(texts)
        return at(*map(float, texts)).numpy()

    monkeypatch.setattr(hard_negatives, "encode", encode)
    return calls


def at(*degrees: float) -> torch.Tensor:
    """Return unit vectors at some angles."""
    angles = np.radians(degrees)
    return torch.from_numpy(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))


def finder_of(rows: list[dict[str, str | None]], n: int = 1) -> HardNegatives:
    languages = list(rows[0])
    present_RC = np.array([[row[language] is not None for language in languages] for row in rows])
    return HardNegatives(Encoder(), Dataset.from_list(rows), languages, present_RC, "", n=n, seed=0)


def test_the_nearest_rows_come_first_and_a_row_that_may_mean_the_same_is_not_chosen():
    # Translations are 30 degrees off, so rows within arccos(0.95 cos 30) = 34.6 degrees are out.
    near_BK = similar_rows(at(0, 10, 40, 60, 30, 40, 70, 90), 4)
    assert MOST_ALIKE == 0.95
    assert near_BK.tolist() == [[2, 3, -1, -1], [3, -1, -1, -1], [0, -1, -1, -1], [1, 0, -1, -1]]
    assert similar_rows(at(0, 10, 40, 60, 30, 40, 70, 90), 1).tolist() == [[2], [3], [0], [1]]


def test_rows_are_followed_by_the_nearest_that_are_left():
    near_RK = np.array([[1, 2, 3], [0, 5, -1], [1, 4, -1], [5, 1, 0], [-1, -1, -1], [0, -1, -1]])
    drawn_R = np.array([2, 0, 3, 5, 4, 1])
    # 2 takes 1 and 4; 0 finds 1 and 2 taken and takes 3; 5 finds 0 taken.
    assert list(follow(drawn_R, near_RK, 2)) == [2, 1, 4, 0, 3, 5]
    assert list(follow(drawn_R, near_RK, 1)) == [2, 1, 0, 3, 5, 4]
    assert list(follow(drawn_R, near_RK, 0)) == drawn_R.tolist()


def test_an_order_is_found_once_in_an_epoch_and_anew_in_the_next(encoded):
    finder = finder_of([{"eng": str(8 * k), "deu": str(8 * k)} for k in range(9)], n=2)
    drawn_R = np.arange(9)
    first = finder.order(0, drawn_R)
    assert sorted(first) == drawn_R.tolist() and first[:3] != [0, 1, 2]
    assert finder.order(0, drawn_R) == first and len(encoded) == 1
    finder.order(1, drawn_R)
    assert len(encoded) == 2
    assert finder._model.training


def test_a_missing_cell_is_no_translation(encoded):
    finder_of(
        [{"eng": "0", "deu": None, "fra": "5"}, {"eng": "9", "deu": "8", "fra": None}] * 20
    ).order(0, np.arange(40))
    assert set(encoded[0]) == {"0", "5", "8", "9"}


def test_rows_are_searched_in_blocks_which_together_have_every_row(encoded, monkeypatch):
    monkeypatch.setattr(hard_negatives, "_BLOCK", 10)
    angles = [round(8.7 * k, 1) for k in range(35)]
    finder = finder_of([{"eng": str(each), "deu": str(each)} for each in angles], n=2)
    order = finder.order(0, np.arange(35))
    assert sorted(order) == list(range(35)) != order
    assert [len(call) for call in encoded] == [2 * 9, 2 * 9, 2 * 9, 2 * 8]
    pivots = [text for call in encoded for text in call[: len(call) // 2]]
    assert sorted(pivots) == sorted(map(str, angles))


def test_an_encoder_that_finds_few_is_named(encoded, caplog):
    # Every row is nearer to every other than its translation is.
    finder_of([{"eng": str(k), "deu": str(k + 60)} for k in range(9)], n=2).order(0, np.arange(9))
    assert "epoch 1: only 0.0 of 2 hard negatives a row were found" in caplog.text


class Fixed:
    """An order that is given."""

    def order(self, epoch: int, drawn_R: np.ndarray) -> list[int]:
        return [row for k in drawn_R.tolist() if k % 2 for row in (k - 1, k)]


def test_batches_have_the_order_that_was_found():
    batches = list(RowBatchSampler({}, 40, 8, hard_negatives=Fixed()))
    assert sorted(row for batch in batches for row in batch) == list(range(40))
    assert all({row ^ 1 for row in batch} == set(batch) for batch in batches)


def test_rows_that_share_a_text_stay_apart_however_near_they_are():
    texts = {row: frozenset({row // 2}) for row in range(40)}
    batches = list(RowBatchSampler(texts, 40, 8, hard_negatives=Fixed()))
    assert sorted(row for batch in batches for row in batch) == list(range(40))
    for batch in batches[:3]:  # later nothing else is left
        assert len({row // 2 for row in batch}) == len(batch)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"hard_negatives": 16}, "a step has 16 rows, which are too few"),
        ({"regime": "pivot-only"}, "pivot-only reads no translation"),
        ({"contrastive_weight": 0.0, "teacher": "tiny"}, "nothing is told apart"),
        ({"compile": True}, "would compile the search for them too"),
    ],
)
def test_where_they_cannot_be_found_or_are_of_no_use_they_are_refused(settings, given, why):
    if "regime" in given:
        settings.pop("cells_per_row")
    with pytest.raises(InputError, match=rf"hard_negatives is \d+ and .*{why}.*--hard-negatives 0"):
        AlignConfig(**{**settings, "hard_negatives": 3, **given})


def test_they_are_refused_under_fsdp(settings, monkeypatch):
    monkeypatch.setattr("hexapla.alignment.prepare.is_fsdp_enabled", lambda: True)
    with pytest.raises(InputError, match=r"hard_negatives is 2; under FSDP .*--hard-negatives 0"):
        prepare(AlignConfig(**settings, hard_negatives=2, held_out=0.0))


@pytest.mark.slow
def test_a_run_that_ends_within_an_epoch_or_between_two_resumes_bit_for_bit(
    settings, tmp_path, monkeypatch
):
    encoder = str(toy_encoder(tmp_path / "toy", dropout=0.1))
    run = {**settings, "encoder": encoder, "hard_negatives": 3, "epochs": 3, "budget": "rows"}
    whole = align(AlignConfig(**run, checkpoint_steps=1000), quiet=True)
    assert whole["n_mined"] == 3 * 2 * whole["n_rows"]
    random = {**run, "out": tmp_path / "random", "hard_negatives": 0}
    assert align(AlignConfig(**random), quiet=True)["loss"] != whole["loss"]
    steps_per_epoch = whole["n_steps"] // 3
    for last in (steps_per_epoch + 4, 2 * steps_per_epoch):
        out: Path = tmp_path / f"after-{last}"
        with monkeypatch.context() as patch:
            patch.setattr("hexapla.alignment.stage._finish", stop)
            patch.setattr("hexapla.alignment.callbacks.LogAtCheckpoints.on_step_end", ending(last))
            with pytest.raises(InterruptedError, match="before the encoder is saved"):
                align(AlignConfig(**{**run, "out": out}, checkpoint_steps=last), quiet=True)
        align(AlignConfig(**{**run, "out": out}, checkpoint_steps=last, resume=True), quiet=True)
        assert_bit_equal(settings["out"], out)


def stop(*_: object) -> None:
    raise InterruptedError("before the encoder is saved")


def ending(last: int):
    """Return a callback that ends training after a step, whose checkpoint is written."""

    def on_step_end(self, args, state, control, **_: object) -> None:
        control.should_log |= control.should_save
        control.should_training_stop |= state.global_step == last

    return on_step_end
