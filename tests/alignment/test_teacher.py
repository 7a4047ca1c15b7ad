"""A teacher's vectors reach every cell of a row, across dimensions, from a cache, and through a resume."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MSELoss
from sentence_transformers.sentence_transformer.modules import Dense

from hexapla.alignment import teacher_vectors
from hexapla.alignment.checkpoints import last_checkpoint
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.loss import MultiwayLoss
from hexapla.alignment.prepare import prepare
from hexapla.alignment.reference import Reference, fit_bridge
from hexapla.alignment.stage import align
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from tests.fixtures.toy import knowing_encoder
from tests.fixtures.weights import assert_bit_equal


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "hexapla"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> str:
    """Return an encoder in which a word and its translations are one."""
    folder = tmp_path_factory.mktemp("teachers") / "teacher"
    knowing_encoder(folder)
    return str(folder)


@pytest.fixture(scope="module")
def wide_teacher(teacher, tmp_path_factory) -> str:
    """Return the same with 48 dimensions, of norms other than 1."""
    folder = tmp_path_factory.mktemp("teachers") / "wide"
    torch.manual_seed(5)
    model = SentenceTransformer(teacher, device="cpu")
    model.append(Dense(32, 48, activation_function=None))
    model.save(str(folder))
    return str(folder)


def test_every_cell_of_a_row_is_drawn_to_the_vector_of_its_row():
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    columns, rows = np.array([0, 2, 0, 1]), np.array([3, 3, 1, 1])
    taught = Reference(vectors_RE=vectors, pivots_only=False)
    assert taught.places(columns).tolist() == [0, 1, 2, 3]
    assert taught.vectors_of(rows).tolist() == [[6, 7], [6, 7], [2, 3], [2, 3]]
    kept = Reference(vectors_RE=vectors, pivots_only=True)
    assert kept.places(columns).tolist() == [0, 2]


def test_the_cosine_term_has_the_value_and_gradient_of_its_formula():
    vectors = torch.randn(5, 4, dtype=torch.float32, requires_grad=True)
    reference = F.normalize(torch.randn(5, 4), dim=1)
    MultiwayLoss(torch.nn.Identity()).drift(vectors, reference).backward()
    expected = torch.zeros(5, 4)
    for row, target, into in zip(vectors.detach(), reference, expected, strict=True):
        norm = row.norm()
        into -= (target - (row @ target) / norm**2 * row) / norm / 5
    assert torch.allclose(vectors.grad, expected, atol=1e-6)


def test_the_mse_term_equals_that_of_sentence_transformers():
    vectors, reference = torch.randn(6, 4), torch.randn(6, 4)
    got = MultiwayLoss(torch.nn.Identity(), reference_loss="mse").drift(vectors, reference)
    theirs = MSELoss(torch.nn.Identity()).compute_loss_from_embeddings(
        [vectors[:3], vectors[3:]], [reference[:3], reference[3:]]
    )
    assert got.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_a_bridge_to_fewer_dimensions_keeps_norms_and_the_leading_axes():
    draw = np.random.default_rng(0)
    axes = np.linalg.qr(draw.normal(size=(6, 6)))[0]
    vectors = (draw.normal(size=(50, 6)) * [9, 8, 7, 6, 0, 0] @ axes).astype(np.float32)
    bridge, kept = fit_bridge(vectors, 4)
    assert kept == pytest.approx(1)
    got = Reference(vectors_RE=vectors, pivots_only=False, bridge_ED=bridge).vectors_of(
        np.arange(50)
    )
    assert np.allclose(got @ got.T, vectors @ vectors.T, atol=1e-3)
    _, kept = fit_bridge(vectors, 2)
    assert 0.4 < kept < 0.9


def test_a_bridge_to_more_dimensions_changes_no_dot_product():
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    bridge, kept = fit_bridge(vectors, 7)
    got = Reference(vectors_RE=vectors, pivots_only=False, bridge_ED=bridge).vectors_of(
        np.arange(5)
    )
    assert kept == 1 and got.shape == (5, 7)
    assert np.allclose(got @ got.T, vectors @ vectors.T, atol=1e-6)


def mean_cosine(folder: str, teacher: str, rows) -> float:
    """Return how near the translations' vectors are to the teacher's of the pivots, missing ones left out."""
    student, taught = (SentenceTransformer(str(name), device="cpu") for name in (folder, teacher))
    pairs = [(row["deu_Latn"], row["eng_Latn"]) for row in rows if row["deu_Latn"]]
    cells, pivots = zip(*pairs, strict=True)
    return float((student.encode(cells) * taught.encode(pivots)).sum(axis=1).mean())


def test_a_teacher_alone_teaches_its_vectors_and_is_recorded(settings, teacher, tmp_path):
    rows = list(open_corpus(settings["corpus"]).rows())
    before = mean_cosine(settings["encoder"], teacher, rows)
    result = align(
        AlignConfig(**settings, teacher=teacher, contrastive_weight=0.0, epochs=3), quiet=True
    )
    assert mean_cosine(settings["out"], teacher, rows) > before + 0.3
    saved = json.loads((settings["out"] / "align.json").read_text())
    assert result["teacher"] == saved["teacher"] == "teacher"
    assert saved["teacher_weight"] == 3 and saved["teacher_loss"] == "cosine"
    assert len(saved["teacher_sha256"]) == 64
    card = (settings["out"] / "README.md").read_text()
    assert "teacher" in card and saved["teacher_sha256"][:16] in card


def opened(settings, encoder, **more) -> Reference:
    """Return what the teacher of some settings gives, without a training."""
    config = AlignConfig(**{**settings, **more})
    return teacher_vectors.open_teacher(
        config, prepare(config), SentenceTransformer(encoder, device="cpu")
    )


def test_another_prompt_makes_other_vectors(settings, encoder, teacher):
    plain = opened(settings, encoder, teacher=teacher)
    prompted = opened(settings, encoder, teacher=teacher, teacher_prompt="eng07 ")
    assert plain.bridge_ED is None and plain.vectors_RE.shape == prompted.vectors_RE.shape
    assert not np.allclose(plain.vectors_RE, prompted.vectors_RE, atol=1e-2)
    pivots = list(open_corpus(settings["corpus"]).dataset()["eng_Latn"])
    expected = SentenceTransformer(teacher, device="cpu").encode(pivots, prompt="eng07 ")
    assert np.allclose(prompted.vectors_RE, expected, atol=1e-5)


def test_a_wider_teacher_is_brought_to_the_encoders_dimension_once(
    settings, encoder, wide_teacher, cache_folder, monkeypatch
):
    first = opened(settings, encoder, teacher=wide_teacher)
    assert first.bridge_ED.shape == (48, 32) and first.vectors_of(np.arange(9)).shape == (9, 32)
    assert len(list(cache_folder.glob("teacher-*/bridge-32.npy"))) == 1
    for name in ("load_encoder", "fit_bridge"):
        monkeypatch.setattr(teacher_vectors, name, None)
    again = opened(settings, encoder, teacher=wide_teacher)
    assert np.array_equal(again.bridge_ED, first.bridge_ED)


def test_mse_refuses_norms_that_unit_vectors_cannot_have(settings, wide_teacher):
    with pytest.raises(
        InputError, match=r"have norms of .*, and .* gives unit vectors; use cosine"
    ):
        align(AlignConfig(**settings, teacher=wide_teacher, teacher_loss="mse"), quiet=True)
    assert not settings["out"].exists()


def test_a_disk_that_is_full_while_vectors_are_written_leaves_no_cache(
    settings, teacher, cache_folder, monkeypatch
):
    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(teacher_vectors.np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(InputError, match="No space left on device; make room"):
        align(AlignConfig(**settings, teacher=teacher), quiet=True)
    assert list(cache_folder.glob("*teacher*")) == [] and not settings["out"].exists()


def test_a_taught_run_resumes_bit_for_bit_with_the_vectors_that_are_there(
    settings, teacher, tmp_path, monkeypatch
):
    run = {**settings, "teacher": teacher, "checkpoint_steps": 3, "epochs": 0.4, "lora": 2}
    load = teacher_vectors.load_encoder

    def drawing(*given, **more):
        torch.rand(1)  # as for weights that a file lacks
        return load(*given, **more)

    monkeypatch.setattr(teacher_vectors, "load_encoder", drawing)
    align(AlignConfig(**{**run, "out": tmp_path / "whole"}), quiet=True)
    step, n_steps = MultiwayTrainer.training_step, 0

    def stopped(*given):
        nonlocal n_steps
        n_steps += 1
        if n_steps == 5:
            raise KeyboardInterrupt("step 5")
        return step(*given)

    monkeypatch.setattr(teacher_vectors, "load_encoder", None)  # it is not loaded again
    monkeypatch.setattr(MultiwayTrainer, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt, match="step 5"):
        align(AlignConfig(**run), quiet=True)
    assert last_checkpoint(settings["out"] / "checkpoints").name == "checkpoint-3"
    align(AlignConfig(**run, resume=True), quiet=True)
    assert_bit_equal(tmp_path / "whole", settings["out"])


def test_another_teacher_is_another_run(settings, teacher, wide_teacher):
    one, other = (
        prepare(AlignConfig(**settings, teacher=name)).identity for name in (teacher, wide_teacher)
    )
    assert one["teacher_sha256"] != other["teacher_sha256"]
