"""The loss as a module over an encoder.

Pinned here: gradient caching equals the plain loss in the value and every gradient, with dropout
on, whatever the chunk; packed equals padded, for encoders and for causal decoders; flat cells equal
columns with a mask; the Matryoshka loss is the mean over its dimensions; a vector that is not finite
is traced to its row.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer

from hexapla.alignment.cell_batch import CellBatch
from hexapla.alignment.functional import multiway_loss
from hexapla.alignment.gradient_cache import Passes, encode_cells
from hexapla.alignment.loss import MultiwayLoss, NonFiniteError
from hexapla.encoder.packing import Packing
from tests.fixtures.toy import LANGUAGES, toy_decoder, toy_encoder, toy_rows


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SentenceTransformer:
    return SentenceTransformer(
        str(toy_encoder(tmp_path_factory.mktemp("toy") / "encoder", dropout=0.1)), device="cpu"
    )


def tokenized(
    encoder: SentenceTransformer, n_rows: int, seed: int = 0
) -> list[dict[str, torch.Tensor]]:
    rows = toy_rows(n_rows, seed)
    return [
        dict(encoder.preprocess([str(row[language]) for row in rows])) for language in LANGUAGES
    ]


def value_and_gradients(loss: MultiwayLoss, features, scale: float = 1.0):
    loss.model.zero_grad()
    value = loss(features)
    (scale * value).backward()
    return value.item(), {
        n: p.grad.clone() for n, p in loss.model.named_parameters() if p.grad is not None
    }


def assert_same(first, second, **tolerance) -> None:
    assert second[0] == pytest.approx(first[0], rel=1e-5)
    assert first[1].keys() == second[1].keys() and len(first[1]) > 10
    for name, gradient in first[1].items():
        torch.testing.assert_close(
            second[1][name], gradient, **(tolerance or {"rtol": 1e-3, "atol": 1e-5}), msg=name
        )


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("chunk_tokens", [1, 40, 101, 200])
@pytest.mark.parametrize("negatives", ["target", "all"])
def test_cached_equals_plain_in_the_loss_and_every_gradient(
    encoder, chunk_tokens, negatives, packs, monkeypatch
):
    # Several blocks, as with thousands of cells.
    monkeypatch.setattr("hexapla.alignment.functional.FLOATS_PER_BLOCK", 400)
    encoder.eval()  # without dropout, which differs when passes differ in size
    with Packing(encoder, wanted=packs) as packing:
        assert packing.packs == packs
        found = []
        for limit in (None, chunk_tokens):
            loss = MultiwayLoss(encoder, negatives=negatives, chunk_tokens=limit, packing=packing)
            assert loss.passes.packs == packs
            found.append(value_and_gradients(loss, tokenized(encoder, 11), scale=2.0))
    assert_same(*found)


def test_cached_equals_plain_with_dropout_on(encoder, monkeypatch):
    encoder.train()
    # The same passes in both, so the same draws.
    monkeypatch.setattr("hexapla.alignment.gradient_cache.TOKENS_PER_PASS", 60)
    found = []
    for limit in (None, 60):
        torch.manual_seed(0)
        loss = MultiwayLoss(encoder, chunk_tokens=limit)
        batch = CellBatch.from_columns(tokenized(encoder, 11), None)
        assert loss.passes.is_cached(batch) == (limit is not None)
        assert len(loss.passes.split(batch)) > 3
        found.append(value_and_gradients(loss, tokenized(encoder, 11)))
    torch.manual_seed(1)
    other = value_and_gradients(MultiwayLoss(encoder), tokenized(encoder, 11))
    encoder.eval()
    assert_same(*found)
    assert other[0] != pytest.approx(found[0][0], rel=1e-4)


def test_caching_encodes_each_cell_once_without_and_once_with_a_graph(encoder):
    calls = []
    encoder.eval()

    class Counted(torch.nn.Module):
        def forward(self, features):
            out = encoder(features)
            calls.append((len(out["sentence_embedding"]), torch.is_grad_enabled()))
            return out

    loss = MultiwayLoss(encoder, chunk_tokens=50)
    loss.model = Counted()
    loss(tokenized(encoder, 11)).backward()
    assert sum(n for n, graph in calls if graph) == sum(n for n, graph in calls if not graph) == 44
    half = len(calls) // 2
    assert [graph for _, graph in calls] == [False] * half + [True] * half and half > 3


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_packed_sentences_embed_as_padded_ones(kind, tmp_path):
    folder = toy_encoder(tmp_path / "toy") if kind == "encoder" else toy_decoder(tmp_path / "toy")
    model = SentenceTransformer(str(folder), device="cpu").eval()
    batch = CellBatch.from_columns(tokenized(model, 9), None)
    expected = encode_cells(model, batch, Passes())
    with Packing(model) as packing:
        assert packing.packs
        got = encode_cells(model, batch, Passes(packs=True, offset=packing.offset))
        inside = model.encode(["eng01 eng02 eng03", "eng04"])  # padded inputs still work
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inside, model.encode(["eng01 eng02 eng03", "eng04"]), atol=1e-5)
    assert model[0].auto_model.config._attn_implementation == "sdpa"


def test_an_encoder_whose_packed_sentences_differ_stays_padded(encoder, monkeypatch, caplog):
    def across(module, query, key, value, attention_mask, *, sequence_groups=None, **kwargs):
        # Forgets where sentences end.
        return plain(module, query, key, value, attention_mask, **kwargs)

    from transformers import AttentionInterface

    from hexapla.encoder import packing as packing_module
    from hexapla.encoder.packing import PACKED, sdpa_attention_forward

    monkeypatch.setattr(packing_module, "_tried", WeakKeyDictionary())  # as never seen
    plain = sdpa_attention_forward
    monkeypatch.setitem(AttentionInterface._global_mapping, PACKED, across)
    with caplog.at_level("INFO", logger="hexapla"), Packing(encoder) as packing:
        assert not packing.packs
    assert "padded, by length: it embeds packed sentences differently" in caplog.text


def test_windowed_attention_is_not_packed(encoder, monkeypatch, caplog):
    monkeypatch.setattr(encoder[0].auto_model.config, "sliding_window", 8, raising=False)
    with caplog.at_level("INFO", logger="hexapla"), Packing(encoder) as packing:
        assert not packing.packs
    assert "it attends in windows of 8 tokens" in caplog.text


def test_columns_with_a_mask_equal_the_vectors_of_the_present_cells(encoder):
    encoder.eval()
    columns = tokenized(encoder, 6)
    mask = torch.ones(6, 4, dtype=torch.long)
    mask[2, 1] = mask[3, 3] = mask[5, 1] = 0
    rows = toy_rows(6)
    present = [(i, c) for i in range(6) for c in range(4) if mask[i, c]]
    vectors = encoder(dict(encoder.preprocess([str(rows[i][LANGUAGES[c]]) for i, c in present])))[
        "sentence_embedding"
    ]
    places = torch.tensor(present)
    expected = multiway_loss(
        F.normalize(vectors, dim=1), places[:, 0], places[:, 1], torch.arange(len(present))
    )
    assert MultiwayLoss(encoder)(columns, mask).item() == pytest.approx(expected.item(), rel=1e-5)
    assert MultiwayLoss(encoder)(columns).item() != pytest.approx(expected.item(), rel=1e-3)


def test_what_the_encoder_expects_besides_tokens_reaches_it(encoder):
    columns = [
        {**column, "prompt_length": torch.tensor([2]), "task": "x"}
        for column in tokenized(encoder, 3)
    ]
    batch = CellBatch.from_columns(columns, None)
    assert batch.constants == {"prompt_length": torch.tensor([2]), "task": "x", "modality": "text"}
    assert set(batch.tokens) == {"input_ids"}


def test_equal_texts_in_two_rows_are_seen_through_their_tokens(encoder):
    def ids(texts: list[str]) -> torch.Tensor:
        columns = [dict(encoder.preprocess(texts))] * 2
        batch = CellBatch.from_columns(columns, None)
        assert batch.ids_N3[: len(texts), 1].tolist() == [0] * len(texts)  # of the first column
        return batch.ids_N3[: len(texts), 2]

    several = ids(["eng01 eng02", "eng01 eng02", "eng02 eng01"])
    assert several[0] == several[1] == ids(["eng01 eng02"])[0] != several[2]


def test_matryoshka_is_the_mean_of_the_losses_of_the_leading_dimensions(encoder):
    encoder.eval()
    features = tokenized(encoder, 8)
    batch = CellBatch.from_columns(features, None)
    vectors = encode_cells(encoder, batch, Passes())
    alone = [
        multiway_loss(F.normalize(vectors[:, :dim], dim=1), *batch.ids_N3.unbind(dim=1)).item()
        for dim in (32, 8, 2)
    ]
    got = MultiwayLoss(encoder, matryoshka=(32, 8, 2))(features).item()
    assert got == pytest.approx(sum(alone) / 3, rel=1e-5)


def test_cells_drift_by_one_less_their_cosine():
    loss = MultiwayLoss(torch.nn.Identity(), reference_weight=1.0)
    vectors, reference = (
        torch.tensor([[3.0, 4.0], [0.0, 2.0]]),
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
    )
    assert loss.drift(vectors, reference).item() == pytest.approx((0.4 + 0) / 2)


def test_a_vector_that_is_not_finite_is_traced_to_its_row(encoder):
    class Broken(torch.nn.Module):
        def forward(self, features):
            out = encoder(features)
            if features["attention_mask"].sum(dim=1).min() == batch.lengths[-1]:  # the last pass
                out["sentence_embedding"] = out["sentence_embedding"].clone()
                out["sentence_embedding"][-1] = float("nan")
            return out

    features = tokenized(encoder, 7)
    batch = CellBatch.from_columns(features, None)
    loss = MultiwayLoss(encoder)
    loss.model = Broken()
    with pytest.raises(NonFiniteError, match="the loss is not finite") as caught:
        loss(features)
    assert caught.value.rows == [int(batch.ids_N3[-1, 0])]
