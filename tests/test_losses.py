"""The multi-way loss.

Pinned here: the value of a case worked by hand; agreement with a loop from the definition (missing cells, equal texts,
both kinds of negatives, margin, star), with sentence-transformers' own loss on two columns, and of cached with plain in
the loss and every gradient; perfectly aligned rows have loss 0 where that library's loss on seven columns has ln 6;
order of rows, columns and cells changes nothing; padding of a step stays under a tenth.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from hexapla.losses import CachedMultiwayLoss, MultiwayLoss, length_chunks, multiway_loss, same_rows, text_ids
from tests.toy import LANGUAGES, toy_encoder, toy_rows


class Vectors(torch.nn.Module):
    """Stands for an encoder: the "token ids" are row numbers of a table of vectors."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table)
        self.n_calls = 0

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.n_calls += 1
        return {"sentence_embedding": self.table[features["input_ids"][:, 0]]}


def columns_of(n_rows: int, n_columns: int) -> list[dict[str, torch.Tensor]]:
    """Return features whose ids count up column after column, so that no two cells share a text."""
    ids = torch.arange(n_rows * n_columns).view(n_columns, n_rows, 1)
    return [{"input_ids": column, "attention_mask": torch.ones_like(column)} for column in ids]


def from_the_definition(cells, rows, columns, texts, temperature, margin, negatives, pairs):
    """Write DESIGN's formula as loops over python floats."""
    n = len(rows)
    same = {(i, j): i == j for i in set(rows) for j in set(rows)}
    for x in range(n):
        for y in range(n):
            if texts[x] == texts[y]:
                same[rows[x], rows[y]] = True
    per_anchor: dict[int, list[float]] = {}
    for x in range(n):
        for y in range(n):
            if rows[x] != rows[y] or columns[x] == columns[y]:
                continue
            if pairs == "pivot" and 0 not in (columns[x], columns[y]):
                continue
            positive = math.exp((float(cells[x] @ cells[y]) - margin) / temperature)
            against = sum(
                math.exp(float(cells[x] @ cells[z]) / temperature)
                for z in range(n)
                if not same[rows[x], rows[z]] and (negatives == "all" or columns[z] == columns[y])
            )
            per_anchor.setdefault(columns[x], []).append(-math.log(positive / (positive + against)))
    means = [sum(terms) / len(terms) for terms in per_anchor.values()]
    return sum(means) / len(means)


def ragged_batch(seed: int):
    """Return cells of 6 rows in 4 columns with holes, and two rows that share a text."""
    generator = torch.Generator().manual_seed(seed)
    places = [(i, c) for i in range(6) for c in range(4) if (i + 2 * c) % 5 != 3 or c == 0]
    cells = F.normalize(torch.randn(len(places), 8, generator=generator, dtype=torch.float64), dim=1)
    rows, columns = [i for i, _ in places], [c for _, c in places]
    texts = list(range(len(places)))
    texts[places.index((4, 0))] = texts[places.index((1, 0))]  # equal pivots
    texts[places.index((5, 2))] = texts[places.index((2, 2))]  # equal targets
    return cells, rows, columns, texts


@pytest.mark.parametrize("negatives", ["target", "all"])
@pytest.mark.parametrize("pairs", ["all", "pivot"])
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_missing_cells_and_equal_texts_agree_with_a_loop_from_the_definition(negatives, pairs, margin):
    cells, rows, columns, texts = ragged_batch(seed=1)
    expected = from_the_definition(cells, rows, columns, texts, 0.1, margin, negatives, pairs)
    got = multiway_loss(
        cells, torch.tensor(rows), torch.tensor(columns), torch.tensor(texts),
        temperature=0.1, margin=margin, negatives=negatives, pairs=pairs,
    )  # fmt: skip
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_value_worked_by_hand():
    # Rows 0 and 1, columns a and b in the plane: E_0a = E_0b = (1, 0), E_1a = (0, 1), E_1b = (0.6, 0.8); t = 1.
    cells = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    rows, columns, texts = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), torch.arange(4)
    # target negatives: anchor 0a: positive 1, negative E_1b: 0.6. 1a: 0.8 against 0. 0b: 1 against E_1a: 0. 1b: 0.8 against 0.6.
    a = (math.log(1 + math.exp(0.6 - 1.0)) + math.log(1 + math.exp(0.0 - 0.8))) / 2
    b = (math.log(1 + math.exp(0.0 - 1.0)) + math.log(1 + math.exp(0.6 - 0.8))) / 2
    got = multiway_loss(cells, rows, columns, texts, temperature=1.0)
    assert got.item() == pytest.approx((a + b) / 2, rel=1e-6)
    # all negatives: every anchor sees both cells of the other row.
    a = (math.log(1 + (1 + math.exp(0.6)) / math.e) + math.log(1 + 2 / math.exp(0.8))) / 2
    b = (math.log(1 + (1 + math.exp(0.6)) / math.e) + math.log(1 + 2 * math.exp(0.6) / math.exp(0.8))) / 2
    got = multiway_loss(cells, rows, columns, texts, temperature=1.0, negatives="all")
    assert got.item() == pytest.approx((a + b) / 2, rel=1e-6)


def test_two_columns_with_target_negatives_equal_the_symmetric_ranking_loss():
    table = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
    reference = MultipleNegativesRankingLoss(
        Vectors(table), scale=20.0, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    ours = MultiwayLoss(Vectors(table), temperature=0.05)
    expected, got = reference(columns_of(12, 2), None), ours(columns_of(12, 2))
    assert got.item() == pytest.approx(expected.item(), rel=1e-6)
    expected.backward()
    got.backward()
    torch.testing.assert_close(ours.model.table.grad, reference.model.table.grad)


def test_perfectly_aligned_rows_have_no_loss_where_the_ranking_loss_has_ln_6():
    table = torch.eye(8).repeat(7, 1)  # 7 columns of 8 rows, every cell of a row the same vector
    features = columns_of(8, 7)
    assert MultiwayLoss(Vectors(table))(features).item() < 1e-6
    assert MultiwayLoss(Vectors(table), negatives="all")(features).item() < 1e-6
    # Seven columns given to it as they are: translations three to seven become hard negatives of the anchor.
    assert MultipleNegativesRankingLoss(Vectors(table))(columns_of(8, 7), None).item() == pytest.approx(
        math.log(6), abs=1e-4
    )


def test_order_of_rows_columns_and_cells_changes_nothing():
    cells, rows, columns, texts = ragged_batch(seed=2)
    rows_N, columns_N, texts_N = torch.tensor(rows), torch.tensor(columns), torch.tensor(texts)
    plain = multiway_loss(cells, rows_N, columns_N, texts_N, negatives="all").item()
    generator = torch.Generator().manual_seed(3)
    shuffled = torch.randperm(len(rows), generator=generator)
    other_rows, other_columns = torch.randperm(6, generator=generator), torch.randperm(4, generator=generator)
    again = multiway_loss(
        cells[shuffled], other_rows[rows_N[shuffled]], other_columns[columns_N[shuffled]], texts_N[shuffled],
        negatives="all",
    )  # fmt: skip
    assert again.item() == pytest.approx(plain, rel=1e-12)


def test_same_row_cells_are_never_negatives():
    # Only one row: nothing to tell it from, so no loss, whatever its cells look like.
    cells = F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1).requires_grad_()
    zeros, count = torch.zeros(5, dtype=torch.long), torch.arange(5)
    for negatives in ("target", "all"):
        loss = multiway_loss(cells, zeros, count, count, negatives=negatives)
        loss.backward()
        assert loss.item() == 0
        assert cells.grad is not None and not cells.grad.isnan().any() and not cells.grad.any()


def test_a_row_that_shares_a_text_is_no_negative_and_sharing_is_not_followed_further():
    rows, texts = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([1, 2, 2, 3, 3, 4])
    assert same_rows(rows, texts, 3).int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    thrice = same_rows(torch.tensor([0, 1, 2]), torch.tensor([5, 5, 5]), 3)
    assert thrice.all()


def test_columns_with_many_missing_cells_weigh_as_much_as_full_ones():
    # 9 rows have (a, b), one has (a, c): c's only anchor term must count a third, not a nineteenth.
    rows = torch.tensor([i for i in range(9) for _ in range(2)] + [9, 9])
    columns = torch.tensor([0, 1] * 9 + [0, 2])
    cells = F.normalize(torch.randn(20, 6, generator=torch.Generator().manual_seed(4)), dim=1).requires_grad_()
    loss = multiway_loss(cells, rows, columns, torch.arange(20), negatives="all")
    terms = from_the_definition(
        cells.detach().double(), rows.tolist(), columns.tolist(), list(range(20)), 0.05, 0.0, "all", "all"
    )
    assert loss.item() == pytest.approx(terms, rel=1e-5)


def test_slices_with_backward_give_the_whole_matrix_gradient(monkeypatch):
    cells, rows, columns, texts = ragged_batch(seed=5)
    ids = (torch.tensor(rows), torch.tensor(columns), torch.tensor(texts))
    whole, sliced = cells.clone().requires_grad_(), cells.clone().requires_grad_()
    loss = multiway_loss(whole, *ids)
    loss.backward()
    monkeypatch.setattr("hexapla.losses.ANCHORS_A_SLICE", 4)
    again = multiway_loss(sliced, *ids, with_backward=True)
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(sliced.grad, whole.grad)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SentenceTransformer:
    return SentenceTransformer(str(toy_encoder(tmp_path_factory.mktemp("toy") / "encoder", dropout=0.1)), device="cpu")


def tokenized(encoder: SentenceTransformer, n_rows: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    rows = toy_rows(n_rows, seed)
    return [dict(encoder.preprocess([str(row[language]) for row in rows])) for language in LANGUAGES]


@pytest.mark.parametrize("mini_batch_size", [1, 7, 10, 44, 100])
@pytest.mark.parametrize("negatives", ["target", "all"])
def test_cached_equals_plain_in_the_loss_and_every_gradient(encoder, mini_batch_size, negatives, monkeypatch):
    monkeypatch.setattr("hexapla.losses.ANCHORS_A_SLICE", 9)  # several slices, as with thousands of cells
    encoder.eval()  # without dropout, since the two draw it in chunks of other sizes
    gradients = []
    losses = (
        MultiwayLoss(encoder, negatives=negatives),
        CachedMultiwayLoss(encoder, negatives=negatives, mini_batch_size=mini_batch_size),
    )
    for loss in losses:
        encoder.zero_grad()
        value = loss(tokenized(encoder, 11))
        (2.0 * value).backward()  # as a gradient scaler would
        gradients.append(
            (value.item(), {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None})
        )
    (plain, plain_grads), (cached, cached_grads) = gradients
    assert cached == pytest.approx(plain, rel=1e-5)
    assert plain_grads.keys() == cached_grads.keys() and len(plain_grads) > 10
    for name, gradient in plain_grads.items():
        torch.testing.assert_close(cached_grads[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_cached_replays_dropout(encoder):
    encoder.train()
    torch.manual_seed(0)
    loss = CachedMultiwayLoss(encoder, mini_batch_size=100)(tokenized(encoder, 11))
    encoder.zero_grad()
    loss.backward()
    gradient = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    torch.manual_seed(0)
    ours = MultiwayLoss(encoder)
    features, ids = ours._sorted_cells(tokenized(encoder, 11), None)
    encoder.zero_grad()
    ours._loss(encoder(features)["sentence_embedding"], ids).backward()
    for name, expected in gradient.items():
        torch.testing.assert_close(dict(encoder.named_parameters())[name].grad, expected, rtol=1e-3, atol=1e-5)
    encoder.eval()


def test_flat_cells_equal_columns_with_a_mask(encoder):
    columns = tokenized(encoder, 6)
    mask = torch.ones(6, 4, dtype=torch.long)
    mask[2, 1] = mask[3, 3] = mask[5, 1] = 0
    masked = MultiwayLoss(encoder)(columns, mask)
    rows = toy_rows(6)
    present = [(i, c) for i in range(6) for c in range(4) if mask[i, c]]
    flat = dict(encoder.preprocess([str(rows[i][LANGUAGES[c]]) for i, c in present]))
    assert MultiwayLoss(encoder)([flat], torch.tensor(present)).item() == pytest.approx(masked.item(), rel=1e-5)
    assert MultiwayLoss(encoder)(columns).item() != pytest.approx(masked.item(), rel=1e-3)


def test_equal_texts_in_two_rows_are_seen_through_their_tokens(encoder):
    texts = ["eng01 eng02", "eng03 eng04 eng05", "eng01 eng02", "eng02 eng01"]
    ids = text_ids(dict(encoder.preprocess(texts)))
    alone = text_ids(dict(encoder.preprocess(texts[:1])))
    assert ids[0] == ids[2] == alone[0]
    assert len(set(ids.tolist())) == 3


def test_chunks_keep_padding_under_a_tenth():
    lengths = sorted((1 + (i * i) % 97 for i in range(448)), reverse=True)
    chunks = list(length_chunks(lengths))
    assert [begin for begin, _ in chunks[1:]] == [end for _, end in chunks[:-1]]
    assert (chunks[0][0], chunks[-1][1]) == (0, 448)
    slots = sum((end - begin) * lengths[begin] for begin, end in chunks)
    assert 1 - sum(lengths) / slots <= 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"margin": -0.1}, "margin is -0.1; it must be 0 or more"),
        ({"negatives": "some"}, 'negatives is "some"; it must be "target" or "all"'),
        ({"pairs": "star"}, 'pairs is "star"; it must be "all" or "pivot"'),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MultiwayLoss(Vectors(torch.eye(2)), **settings)


def test_features_without_a_mask_are_refused():
    with pytest.raises(ValueError, match=r"set model\[0\].unpad_inputs = False"):
        MultiwayLoss(Vectors(torch.eye(4)))([{"input_ids": torch.zeros(1, 4)}] * 2)


def test_one_column_without_places_is_refused():
    with pytest.raises(ValueError, match=r"labels of shape none; one column of 4 cells needs \(4, 2\): row, column"):
        MultiwayLoss(Vectors(torch.eye(4)))(columns_of(4, 1))
