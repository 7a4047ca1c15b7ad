"""Whitening evens how translations differ in all directions, and improves retrieval by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.encode import encode
from hexapla.encoder.held_out import HeldOutAccuracy
from hexapla.encoder.load import exact_dense, load_encoder
from hexapla.encoder.whitening import whiten, within_row_whitening
from hexapla.errors import InputError, TrainingError
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture
def settings(tmp_path) -> dict[str, object]:
    corpus = tmp_path / "toy"
    write_corpus(toy_rows(120, missing=0.1), corpus, languages=LANGUAGES)
    return {
        "corpus": str(corpus),
        "encoder": str(toy_encoder(tmp_path / "encoder")),
        "out": tmp_path / "out",
        "rows_per_step": 16,
        "cells_per_row": 0,
        "learning_rate": 2e-2,
        "report_to": "none",
    }


@pytest.mark.parametrize(("shrinkage", "max_condition"), [(0.0, 1.1), (0.03, 15)])
def test_translations_differ_evenly_in_all_directions_afterwards(
    monkeypatch, shrinkage, max_condition
):
    monkeypatch.setattr("hexapla.encoder.whitening._SHRINKAGE", shrinkage)
    rng = np.random.default_rng(0)
    rows_N = np.repeat(np.arange(4000), [2, 3] * 2000)  # of different numbers of cells
    spread_DD = rng.standard_normal((8, 8)) * [5, 1, 1, 1, 1, 1, 1, 0.5]
    cells_ND = (
        rng.standard_normal((4000, 8))[rows_N] * 3
        + rng.standard_normal((len(rows_N), 8)) @ spread_DD
        + 7
    )

    weight_DD, bias_D = within_row_whitening(cells_ND, rows_N)

    white_ND = cells_ND @ weight_DD.T + bias_D
    means_RD = np.stack(
        [np.bincount(rows_N, white_ND[:, d]) / np.bincount(rows_N) for d in range(8)], axis=1
    )
    within_DD = np.cov((white_ND - means_RD[rows_N]).T)
    assert np.linalg.cond(spread_DD.T @ spread_DD) > 100
    assert np.linalg.cond(within_DD) < max_condition
    np.testing.assert_allclose(white_ND.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(weight_DD, weight_DD.T)
    assert np.square(weight_DD).sum() == pytest.approx(8)


@pytest.mark.slow
def test_an_untrained_encoder_finds_more_translations():
    model = load_encoder("tiny")
    corpus = open_corpus("sample")
    kept, held_out = corpus.split(0.3)
    judge = HeldOutAccuracy(held_out.dataset(), corpus.languages, "")
    before = judge(model)["held_out_accuracy"]
    n_texts = whiten(model, kept.dataset(), corpus.languages, "")
    assert n_texts == len(kept.dataset()) * len(corpus.languages)
    assert judge(model)["held_out_accuracy"] > 1.5 * before


def test_missing_cells_and_rows_of_one_cell_are_left_out():
    rows = [
        {"eng_Latn": "one", "deu_Latn": "eins", "fra_Latn": None},
        {"eng_Latn": "two", "deu_Latn": None, "fra_Latn": None},
        {"eng_Latn": None, "deu_Latn": "drei", "fra_Latn": "trois"},
    ]
    languages = ["eng_Latn", "deu_Latn", "fra_Latn"]
    assert whiten(load_encoder("tiny"), Dataset.from_list(rows), languages, "") == 4


def test_rows_without_any_difference_are_refused():
    rows = Dataset.from_list(
        [{"eng_Latn": text, "deu_Latn": text} for text in ("one", "two", "three")]
    )
    with pytest.raises(TrainingError, match="the cells of every row have the same vector"):
        whiten(load_encoder("tiny"), rows, ["eng_Latn", "deu_Latn"], "")


@pytest.mark.parametrize("when", ["start", "end"])
def test_an_aligned_encoder_keeps_the_layer(settings, when):
    result = align(AlignConfig(**settings, whiten=when, epochs=1.0), quiet=True)
    assert result["whiten"] == when
    corpus = open_corpus(str(settings["corpus"]))
    n_cells = sum(row[language] is not None for row in corpus.dataset() for language in LANGUAGES)
    assert result["n_whitened"] == result["n_encodings"] == n_cells  # each encodes every cell once
    saved = SentenceTransformer(str(settings["out"]), device="cpu")
    assert [type(module) for module in saved][-3:] == [Normalize, Dense, Normalize]
    np.testing.assert_allclose(np.linalg.norm(saved.encode(["one", "two"]), axis=1), 1, rtol=1e-5)
    assert f"whitened at the {when}" in (Path(settings["out"]) / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.slow
def test_the_layer_is_trained_from_the_start(settings):
    white = load_encoder(str(settings["encoder"]))
    whiten(white, open_corpus(str(settings["corpus"])).dataset(), LANGUAGES, "")
    before = layer(white)
    align(AlignConfig(**{**settings, "learning_rate": 1e-9}, whiten="start"), quiet=True)
    np.testing.assert_allclose(layer(load_encoder(settings["out"])), before, atol=1e-6)
    align(AlignConfig(**settings, whiten="start", overwrite=True), quiet=True)
    assert np.abs(layer(load_encoder(settings["out"])) - before).max() > 1e-3


@pytest.mark.slow
def test_with_alpha_the_layer_is_saved_between_what_it_was_and_what_was_trained(settings):
    white = load_encoder(str(settings["encoder"]))
    whiten(white, open_corpus(str(settings["corpus"])).dataset(), LANGUAGES, "")
    saved = {}
    for alpha in (1.0, 0.25):
        config = AlignConfig(**settings, whiten="start", alpha=alpha, overwrite=True)
        align(config, quiet=True)
        saved[alpha] = layer(load_encoder(settings["out"]))
    np.testing.assert_allclose(
        saved[0.25], 0.75 * layer(white) + 0.25 * saved[1.0], rtol=0, atol=1e-6
    )
    assert np.abs(saved[0.25] - saved[1.0]).max() > 1e-3


@pytest.mark.slow
def test_at_the_end_it_is_fitted_to_the_trained_encoder_and_changes_nothing_else(
    settings, tmp_path
):
    settings = {**settings, "preserve": 0.0}
    plain = {**settings, "out": tmp_path / "plain", "held_out": 0.2}
    result = align(AlignConfig(**plain), quiet=True)
    white = align(AlignConfig(**{**settings, "held_out": 0.2}, whiten="end"), quiet=True)
    assert white["losses"] == result["losses"]
    model = load_encoder(plain["out"])
    kept = open_corpus(str(settings["corpus"])).split(0.2)[0].dataset()
    n_texts = whiten(model, kept, LANGUAGES, "")  # without the held-out rows
    assert n_texts == white["n_whitened"] == white["n_encodings"]
    np.testing.assert_allclose(layer(load_encoder(settings["out"])), layer(model), atol=1e-4)
    texts = ["eng01 eng02", "deu07"]
    np.testing.assert_allclose(
        load_encoder(settings["out"]).encode(texts), model.encode(texts), atol=1e-4
    )


def test_the_number_of_rows_follows_from_the_dimensions(monkeypatch):
    monkeypatch.setattr("hexapla.encoder.whitening._MIN_ROWS", 2)
    monkeypatch.setattr("hexapla.encoder.whitening._DEGREES_PER_DIMENSION", 0.25)
    encoded: list[str] = []
    model = load_encoder("tiny")

    def spy(model, texts, **options):
        encoded.extend(texts)
        return encode(model, texts, **options)

    monkeypatch.setattr("hexapla.encoder.whitening.encode", spy)
    rows = Dataset.from_list(
        [{"eng_Latn": f"{i} things", "deu_Latn": f"{i} Dinge"} for i in range(127)]
    )
    # 256 / 4 degrees of freedom, one per row of two cells.
    assert whiten(model, rows, ["eng_Latn", "deu_Latn"], "") == 128
    # Evenly from the first row to the last.
    assert encoded[:64:9] == [f"{2 * i} things" for i in range(0, 64, 9)]


def test_too_few_rows_leave_directions_as_they_are():
    rng = np.random.default_rng(1)
    rows_N = np.repeat(np.arange(50), 2)
    weight_DD, _ = within_row_whitening(
        rng.standard_normal((100, 256)) * np.geomspace(7, 1, 256), rows_N
    )
    np.testing.assert_allclose(weight_DD, np.eye(256), atol=1e-9)


def test_a_narrow_cone_is_centred_in_full_precision_under_autocast():
    rng = np.random.default_rng(2)
    cone_ND = np.full((64, 64), 1.0) + 0.02 * rng.standard_normal((64, 64))
    cone_ND /= np.linalg.norm(cone_ND, axis=1, keepdims=True)
    weight_DD, bias_D = within_row_whitening(cone_ND, np.repeat(np.arange(32), 2))
    dense = exact_dense(Dense(64, 64, activation_function=None))
    dense.linear.load_state_dict(
        {"weight": torch.from_numpy(weight_DD), "bias": torch.from_numpy(bias_D)}
    )
    features = {"sentence_embedding": torch.from_numpy(cone_ND).float()}
    exact_ND = dense(dict(features))["sentence_embedding"]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(dense(dict(features))["sentence_embedding"], exact_ND)
        plain_ND = Dense.forward(dense, dict(features))["sentence_embedding"].float()
    # What bfloat16 would have made of it.
    assert torch.nn.functional.cosine_similarity(plain_ND, exact_ND).min() < 0.99


def layer(model: SentenceTransformer) -> np.ndarray:
    assert isinstance(model[-2], Dense)
    return model[-2].linear.weight.detach().numpy()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"whiten": "both"}, 'whiten is "both"; it must be none, start or end'),
        (
            {"whiten": "start", "regime": "pivot-only"},
            "whiten is start and the regime pivot-only; .*--whiten none",
        ),
        (
            {"whiten": "end", "preserve": 1.0},
            "whiten is end, .* that preserve has trained; use whiten start",
        ),
        (
            {"whiten": "end", "matryoshka": "8"},
            "whiten is end, .* that matryoshka has trained; use whiten start",
        ),
    ],
)
def test_settings_are_checked_before_anything_is_loaded(settings, wrong, message):
    with pytest.raises(InputError, match=message):
        AlignConfig(**{**settings, **wrong})
