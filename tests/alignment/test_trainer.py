"""Training when memory runs out, a loss is not finite or a disk is full; and exact resume."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from hexapla.alignment import gradient_cache
from hexapla.alignment.checkpoints import COMPLETE, last_checkpoint
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError, TrainingError
from tests.fixtures.forks import forks
from tests.fixtures.interrupted import AtStep, interrupt, with_callback
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows
from tests.fixtures.weights import assert_bit_equal, read_weights


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("parts")
    write_corpus(toy_rows(120, missing=0.1), folder / "corpus", languages=LANGUAGES)
    return str(folder / "corpus"), str(toy_encoder(folder / "encoder", dropout=0.1))


@pytest.fixture
def settings(parts, tmp_path) -> dict[str, object]:
    corpus, encoder = parts
    return {
        "corpus": corpus,
        "encoder": encoder,
        "out": tmp_path / "out",
        "rows_per_step": 8,
        "cells_per_row": 0,
        "budget": "rows",
        "learning_rate": 1e-2,
        "report_to": "none",
        "epochs": 2,
        "checkpoint_steps": 4,
    }


def killed_at(step: int, settings: dict[str, object]) -> None:
    """Run in a process of its own and die at the end of a step, with no chance to tidy up."""
    torch.set_num_threads(1)
    patch = pytest.MonkeyPatch()
    with_callback(patch, AtStep(step, lambda: os.kill(os.getpid(), signal.SIGKILL)))
    align(AlignConfig(**settings), quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "n_kills", "expected_steps"),
    [
        ({}, 3, 30),
        (
            {"regime": "en-x", "gradient_accumulation": 2, "chunk_tokens": 60, "hard_negatives": 3},
            2,
            16,
        ),
        (
            {
                "lora": 4,
                "preserve": 1.0,
                "gradient_checkpointing": True,
                "whiten": "start",
                "hard_negatives": 2,
            },
            2,
            30,
        ),
    ],
)
def test_runs_killed_at_random_steps_resume_to_the_same_weights_bit_for_bit(
    settings, tmp_path, extra, n_kills, expected_steps
):
    settings = {**settings, **extra}
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes that are killed
    result = align(AlignConfig(**{**settings, "out": tmp_path / "whole"}), quiet=True)
    n_steps = result["n_steps"]
    assert n_steps == expected_steps
    for number, step in enumerate(sorted(random.Random(3).sample(range(1, n_steps), n_kills))):
        out = tmp_path / f"killed-{number}"
        process = forks().Process(target=killed_at, args=(step, {**settings, "out": out}))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not (out / "modules.json").exists()
        last = last_checkpoint(out / "checkpoints")
        at = int(last.name.rpartition("-")[2]) if last else 0
        assert at == (step - 1) // 4 * 4 or at == step // 4 * 4
        resumed = align(AlignConfig(**{**settings, "out": out}, resume=True), quiet=True)
        assert_bit_equal(tmp_path / "whole", out)
        assert {**resumed, "seconds": 0} == {**result, "seconds": 0}
    torch.set_num_threads(n_threads)


class Rates(TrainerCallback):
    """Notes the learning rate of every step, and may stop at one as Ctrl-C does."""

    def __init__(self, last: int | None = None) -> None:
        self.of_step: dict[int, float] = {}
        self._last = last

    def on_step_begin(self, args, state, control, optimizer=None, **kwargs):
        self.of_step[state.global_step + 1] = optimizer.param_groups[0]["lr"]

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self._last:
            interrupt()


@pytest.mark.slow
def test_a_converged_run_lowers_its_learning_rate_before_it_ends_also_when_resumed(
    settings, tmp_path, monkeypatch
):
    settings |= {
        "budget": "converged",
        "held_out": 0.2,
        "patience": 1,
        "epochs": 40,
        "whiten": "start",
    }
    whole, broken, resumed = Rates(), Rates(last=12), Rates()
    with monkeypatch.context() as patch:
        with_callback(patch, whole)
        expected = align(AlignConfig(**{**settings, "out": tmp_path / "whole"}), quiet=True)
    rates = [rate for _, rate in sorted(whole.of_step.items())]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1e-2
    assert rates[-1] == pytest.approx(1e-2 * 0.3 ** (len(set(rates)) - 1))
    assert len(set(rates)) > 2
    with (
        monkeypatch.context() as patch,
        pytest.raises(KeyboardInterrupt, match="stopped at a step"),
    ):
        with_callback(patch, broken)
        align(AlignConfig(**settings), quiet=True)
    with_callback(monkeypatch, resumed)
    result = align(AlignConfig(**settings, resume=True), quiet=True)
    assert min(resumed.of_step) > 1
    assert {**broken.of_step, **resumed.of_step} == whole.of_step
    assert {**result, "seconds": 0} == {**expected, "seconds": 0}
    assert_bit_equal(tmp_path / "whole", settings["out"])


def test_a_resumed_run_must_be_the_same_run(settings, monkeypatch):
    with_callback(monkeypatch, AtStep(6, interrupt))
    with pytest.raises(KeyboardInterrupt, match="stopped at a step"):
        align(AlignConfig(**settings), quiet=True)
    with pytest.raises(InputError, match="holds an unfinished run; --resume continues it"):
        align(AlignConfig(**settings), quiet=True)
    for changed, message in (
        ({"seed": 1}, r"holds another run \(seed was 0 and is 1\)"),
        ({"margin": 0.3}, r"holds another run \(margin was 0.4 and is 0.3\)"),
        (
            {"languages": "eng_Latn,deu_Latn"},
            r"holds another run \(languages was .*corpus_sha256 was",
        ),
    ):
        with pytest.raises(InputError, match=message):
            align(AlignConfig(**{**settings, **changed}, resume=True), quiet=True)


@pytest.mark.slow
def test_a_run_resumes_on_another_number_of_processes_with_a_warning(settings, monkeypatch, caplog):
    with_callback(monkeypatch, AtStep(6, interrupt))
    with pytest.raises(KeyboardInterrupt, match="stopped at a step"):
        align(AlignConfig(**settings), quiet=True)
    record = last_checkpoint(settings["out"] / "checkpoints") / COMPLETE
    record.write_text(json.dumps({"step": 4, "processes": 4}))
    monkeypatch.undo()
    result = align(AlignConfig(**settings, resume=True), quiet=True)
    assert (
        "1 processes continue what 4 began: the order of rows stays, dropout is drawn anew"
        in caplog.text
    )
    assert result["n_steps"] == 30


@pytest.mark.slow
def test_a_step_that_runs_out_of_memory_is_repeated_in_smaller_chunks(
    settings, tmp_path, monkeypatch, caplog
):
    # Dropout is drawn chunk by chunk, so it would differ.
    no_dropout = str(toy_encoder(tmp_path / "still"))
    settings = {**settings, "encoder": no_dropout, "gradient_accumulation": 2, "epochs": 1}
    align(AlignConfig(**{**settings, "out": tmp_path / "roomy"}), quiet=True)
    plain, failed = gradient_cache._Step.encode, []

    def cramped(self, k):
        vectors = plain(self, k)
        begin, end = self.ranges[k]
        first, last = self.batch.starts[begin], self.batch.starts[end]
        if last - first > 60 and torch.is_grad_enabled() and len(failed) < 20:
            failed.append(last - first)
            if len(failed) % 2 == 0:
                raise torch.OutOfMemoryError("CUDA out of memory")

            def explode(gradient):
                # In the backward pass, when most gradients of the step have been computed.
                hook.remove()
                raise torch.OutOfMemoryError("CUDA out of memory")

            hook = next(self._model.parameters()).register_hook(explode)
        return vectors

    monkeypatch.setattr(gradient_cache._Step, "encode", cramped)
    result = align(AlignConfig(**settings), quiet=True)
    assert len(failed) >= 2
    assert (
        "Out of memory in step 1 of" in caplog.text
        and "repeated with gradient caching in chunks of" in caplog.text
    )
    assert result["chunk_tokens"] <= 60
    first, second = read_weights(tmp_path / "roomy"), read_weights(settings["out"])
    for name, tensor in first.items():
        if name.endswith("key.bias"):
            # Softmax cancels a key's bias: its gradient is rounding errors, which Adam scales.
            continue
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_a_single_text_that_does_not_fit_stops_the_run(settings, monkeypatch):
    def never(self, k):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gradient_cache._Step, "encode", never)
    with pytest.raises(
        TrainingError, match=r"out of memory with a single chunk of \d+ tokens; lower --max-tokens"
    ):
        align(AlignConfig(**settings), quiet=True)


def test_another_error_is_not_mistaken_for_a_lack_of_memory(settings, monkeypatch):
    def broken(self, k):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(gradient_cache._Step, "encode", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        align(AlignConfig(**settings), quiet=True)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_its_rows_and_leaves_the_last_checkpoint(
    settings, monkeypatch
):
    plain, n_calls, names = gradient_cache._Step.encode, [0], []

    def broken(self, k):
        vectors = plain(self, k)
        n_calls[0] += 1
        if n_calls[0] == 7:
            vectors = vectors.clone()
            vectors[0] = float("nan")  # the longest cell
            names.append(self.batch.lengths[0])
        return vectors

    monkeypatch.setattr(gradient_cache._Step, "encode", broken)
    with pytest.raises(
        TrainingError, match=r"step 7: the loss is not finite in 1 rows of the batch, among them"
    ) as caught:
        align(AlignConfig(**settings), quiet=True)
    (named,) = [
        row for row in open_corpus(settings["corpus"]).row_ids() if row in str(caught.value)
    ]
    longest = dict(
        zip(
            open_corpus(settings["corpus"]).row_ids(),
            open_corpus(settings["corpus"]).rows(),
            strict=True,
        )
    )[named]
    assert max(len(text.split()) + 2 for text in longest.values() if text) == names[0]
    assert "checkpoint-4 is complete, and --resume continues from there" in str(caught.value)
    monkeypatch.undo()
    assert align(AlignConfig(**settings, resume=True), quiet=True)["n_steps"] == 30


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(settings, monkeypatch):
    from hexapla.alignment.loss import MultiwayLoss

    plain, n_calls = MultiwayLoss.score, [0]

    def exploding(self, vectors, ids):
        n_calls[0] += 1
        if n_calls[0] == 5:
            vectors.register_hook(lambda gradient: gradient * float("inf"))
        return plain(self, vectors, ids)

    monkeypatch.setattr(MultiwayLoss, "score", exploding)
    with pytest.raises(
        TrainingError, match=r"step 5: the gradient is not finite; .*checkpoint-4 is complete"
    ):
        align(AlignConfig(**settings), quiet=True)


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before(settings, tmp_path, monkeypatch):
    import hexapla.alignment.trainer

    plain, n_calls = hexapla.alignment.trainer.save_file, [0]

    def full(tensors, path):
        n_calls[0] += 1
        if n_calls[0] == 3:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(tensors, path)

    monkeypatch.setattr(hexapla.alignment.trainer, "save_file", full)
    with pytest.raises(
        InputError,
        match=r"checkpoint-12: No space left on device; make room, .*checkpoint-8 is complete",
    ):
        align(AlignConfig(**settings), quiet=True)
    checkpoints = settings["out"] / "checkpoints"
    assert {path.name for path in checkpoints.glob("checkpoint-*")} == {
        "checkpoint-4",
        "checkpoint-8",
    }
    monkeypatch.undo()
    align(AlignConfig(**settings, resume=True), quiet=True)
    align(AlignConfig(**{**settings, "out": tmp_path / "whole"}), quiet=True)
    assert_bit_equal(tmp_path / "whole", settings["out"])


def test_a_checkpoint_that_is_not_complete_does_not_count(tmp_path):
    for step in (2, 10, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / COMPLETE).write_text("{}")
    (tmp_path / "checkpoint-12").mkdir()
    (tmp_path / "checkpoint-12" / "trainer_state.json").write_text("{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert last_checkpoint(tmp_path / "nowhere") is None
