"""Whitening: what translations of a sentence differ by becomes even, and an encoder finds more of them by that alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from hexapla.align import AlignConfig, align
from hexapla.corpus import open_corpus, write_corpus
from hexapla.encoder import load_encoder
from hexapla.errors import InputError
from hexapla.held_out import HeldOutAccuracy
from hexapla.whitening import whiten, within_row_whitening
from tests.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture
def settings(tmp_path) -> dict[str, object]:
    corpus = tmp_path / "toy"
    write_corpus(toy_rows(120, missing=0.1), corpus, languages=LANGUAGES)
    return {
        "corpus": str(corpus), "encoder": str(toy_encoder(tmp_path / "encoder")), "out": tmp_path / "out",
        "rows_per_step": 16, "learning_rate": 2e-2, "report_to": "none",
    }  # fmt: skip


@pytest.mark.parametrize(("shrinkage", "most"), [(0.0, 1.01), (0.03, 15)])
def test_translations_differ_evenly_in_all_directions_afterwards(monkeypatch, shrinkage, most):
    monkeypatch.setattr("hexapla.whitening._SHRINKAGE", shrinkage)
    rng = np.random.default_rng(0)
    rows_N = np.repeat(np.arange(4000), [2, 3] * 2000)  # of different numbers of cells
    spread_DD = rng.standard_normal((8, 8)) * [5, 1, 1, 1, 1, 1, 1, 0.5]
    cells_ND = rng.standard_normal((4000, 8))[rows_N] * 3 + rng.standard_normal((len(rows_N), 8)) @ spread_DD + 7

    weight_DD, bias_D = within_row_whitening(cells_ND, rows_N)

    white_ND = cells_ND @ weight_DD.T + bias_D
    means_RD = np.stack([np.bincount(rows_N, white_ND[:, d]) / np.bincount(rows_N) for d in range(8)], axis=1)
    within_DD = np.cov((white_ND - means_RD[rows_N]).T)
    assert np.linalg.cond(spread_DD.T @ spread_DD) > 100
    assert np.linalg.cond(within_DD) < most
    np.testing.assert_allclose(white_ND.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(weight_DD, weight_DD.T)
    assert np.square(weight_DD).sum() == pytest.approx(8)


def test_an_encoder_that_is_not_trained_finds_more_translations():
    model = load_encoder("tiny")
    corpus = open_corpus("sample")
    kept, held_out = corpus.split(0.3)
    judge = HeldOutAccuracy(held_out.dataset(), corpus.languages, "")
    before = judge(model)["held_out_accuracy"]
    n_texts = whiten(model, kept.dataset(), corpus.languages, "", bf16=False)
    assert n_texts == len(kept.dataset()) * len(corpus.languages)
    assert judge(model)["held_out_accuracy"] > 1.5 * before


def test_missing_cells_and_rows_of_one_cell_are_left_out(settings):
    rows = [{"eng_Latn": "one", "deu_Latn": "eins", "fra_Latn": None}, {"eng_Latn": "two", "deu_Latn": None,
            "fra_Latn": None}, {"eng_Latn": None, "deu_Latn": "drei", "fra_Latn": "trois"}]  # fmt: skip
    assert (
        whiten(load_encoder("tiny"), Dataset.from_list(rows), ["eng_Latn", "deu_Latn", "fra_Latn"], "", bf16=False) == 4
    )


def test_rows_without_any_difference_are_refused():
    rows = Dataset.from_list([{"eng_Latn": text, "deu_Latn": text} for text in ("one", "two", "three")])
    with pytest.raises(InputError, match="the cells of every row have the same vector"):
        whiten(load_encoder("tiny"), rows, ["eng_Latn", "deu_Latn"], "", bf16=False)


@pytest.mark.parametrize("when", ["start", "end"])
def test_an_aligned_encoder_keeps_the_layer(settings, when):
    result = align(AlignConfig(**settings, whiten=when), quiet=True)
    assert result["whiten"] == when
    corpus = open_corpus(str(settings["corpus"]))
    n_cells = sum(row[language] is not None for row in corpus.dataset() for language in LANGUAGES)
    assert result["n_whitened"] == result["n_encodings"] == n_cells  # both of every cell, once
    saved = SentenceTransformer(str(settings["out"]), device="cpu")
    assert [type(module) for module in saved][-3:] == [Normalize, Dense, Normalize]
    np.testing.assert_allclose(np.linalg.norm(saved.encode(["one", "two"]), axis=1), 1, rtol=1e-5)
    assert f"whitened at the {when}" in (Path(settings["out"]) / "README.md").read_text(encoding="utf-8")


def test_the_layer_is_trained_from_the_start_and_not_after_the_end(settings):
    white = load_encoder(str(settings["encoder"]))
    whiten(white, open_corpus(str(settings["corpus"])).dataset(), LANGUAGES, "", bf16=False)
    before = white[-2].linear.weight.detach().numpy()
    align(AlignConfig(**{**settings, "learning_rate": 1e-9}, whiten="start"), quiet=True)
    saved = SentenceTransformer(str(settings["out"]), device="cpu")
    np.testing.assert_allclose(saved[-2].linear.weight.detach().numpy(), before, atol=1e-4)
    align(AlignConfig(**settings, whiten="start", overwrite=True), quiet=True)
    saved = SentenceTransformer(str(settings["out"]), device="cpu")
    assert np.abs(saved[-2].linear.weight.detach().numpy() - before).max() > 1e-3
    assert json.loads((Path(settings["out"]) / "align.json").read_text(encoding="utf-8"))["n_whitened"] > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"whiten": "both"}, 'whiten is "both"; it must be none, start, end'),
        ({"whiten": "end", "regime": "pivot-only"}, "whiten is end and the regime pivot-only; .* leave it out"),
    ],
)
def test_settings_are_checked_before_anything_is_loaded(settings, wrong, message):
    with pytest.raises(InputError, match=message):
        AlignConfig(**{**settings, **wrong})
