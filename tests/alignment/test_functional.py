"""The multi-way loss.

Pinned here: the value of a case worked by hand; agreement with a loop from the definition (missing
cells, equal texts, both kinds of negatives, margin, star) and with sentence-transformers' own loss
on two columns; perfectly aligned rows have loss 0 where that library's loss on seven columns has ln
6; order of rows, columns and cells changes nothing; blocks of anchors, and anchors split over
processes, add up to the whole in the loss and the gradient.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from hexapla.alignment.functional import multiway_loss, same_rows
from hexapla.alignment.loss import MultiwayLoss


class Vectors(torch.nn.Module):
    """A stand-in for an encoder: its "token ids" are row numbers of a table of vectors."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table)
        self.n_calls = 0

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.n_calls += 1
        return {"sentence_embedding": self.table[features["input_ids"].flatten()]}


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
    cells = F.normalize(
        torch.randn(len(places), 8, generator=generator, dtype=torch.float64), dim=1
    )
    rows, columns = [i for i, _ in places], [c for _, c in places]
    texts = list(range(len(places)))
    texts[places.index((4, 0))] = texts[places.index((1, 0))]  # equal pivots
    texts[places.index((5, 2))] = texts[places.index((2, 2))]  # equal targets
    return cells, rows, columns, texts


@pytest.mark.parametrize("negatives", ["target", "all"])
@pytest.mark.parametrize("pairs", ["all", "pivot"])
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_missing_cells_and_equal_texts_agree_with_a_loop_from_the_definition(
    negatives, pairs, margin
):
    cells, rows, columns, texts = ragged_batch(seed=1)
    expected = from_the_definition(cells, rows, columns, texts, 0.1, margin, negatives, pairs)
    got = multiway_loss(
        cells,
        torch.tensor(rows),
        torch.tensor(columns),
        torch.tensor(texts),
        temperature=0.1,
        margin=margin,
        negatives=negatives,
        pairs=pairs,
    )
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_value_worked_by_hand():
    # Rows 0 and 1, columns a and b in the plane: E_0a = E_0b = (1, 0), E_1a = (0, 1), E_1b = (0.6,
    # 0.8); t = 1.
    cells = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    rows, columns, texts = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), torch.arange(4)
    # target negatives: anchor 0a: positive 1, negative E_1b: 0.6. 1a: 0.8 against 0. 0b: 1 against
    # E_1a: 0. 1b: 0.8 against 0.6.
    a = (math.log(1 + math.exp(0.6 - 1.0)) + math.log(1 + math.exp(0.0 - 0.8))) / 2
    b = (math.log(1 + math.exp(0.0 - 1.0)) + math.log(1 + math.exp(0.6 - 0.8))) / 2
    got = multiway_loss(cells, rows, columns, texts, temperature=1.0)
    assert got.item() == pytest.approx((a + b) / 2, rel=1e-6)
    # all negatives: every anchor sees both cells of the other row.
    a = (math.log(1 + (1 + math.exp(0.6)) / math.e) + math.log(1 + 2 / math.exp(0.8))) / 2
    b = (
        math.log(1 + (1 + math.exp(0.6)) / math.e) + math.log(1 + 2 * math.exp(0.6) / math.exp(0.8))
    ) / 2
    got = multiway_loss(cells, rows, columns, texts, temperature=1.0, negatives="all")
    assert got.item() == pytest.approx((a + b) / 2, rel=1e-6)


def test_two_columns_with_target_negatives_equal_the_symmetric_ranking_loss():
    table = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
    reference = MultipleNegativesRankingLoss(
        Vectors(table),
        scale=20.0,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
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
    # Seven columns given to it as they are: translations three to seven become hard negatives of
    # the anchor.
    assert MultipleNegativesRankingLoss(Vectors(table))(
        columns_of(8, 7), None
    ).item() == pytest.approx(math.log(6), abs=1e-4)


def test_order_of_rows_columns_and_cells_changes_nothing():
    cells, rows, columns, texts = ragged_batch(seed=2)
    rows_N, columns_N, texts_N = torch.tensor(rows), torch.tensor(columns), torch.tensor(texts)
    plain = multiway_loss(cells, rows_N, columns_N, texts_N, negatives="all").item()
    generator = torch.Generator().manual_seed(3)
    shuffled = torch.randperm(len(rows), generator=generator)
    other_rows, other_columns = (
        torch.randperm(6, generator=generator),
        torch.randperm(4, generator=generator),
    )
    again = multiway_loss(
        cells[shuffled],
        other_rows[rows_N[shuffled]],
        other_columns[columns_N[shuffled]],
        texts_N[shuffled],
        negatives="all",
    )
    assert again.item() == pytest.approx(plain, rel=1e-12)


def test_same_row_cells_are_never_negatives():
    # A single row has no other row to be distinguished from, so there is no loss.
    cells = F.normalize(
        torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1
    ).requires_grad_()
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
    cells = F.normalize(
        torch.randn(20, 6, generator=torch.Generator().manual_seed(4)), dim=1
    ).requires_grad_()
    loss = multiway_loss(cells, rows, columns, torch.arange(20), negatives="all")
    terms = from_the_definition(
        cells.detach().double(),
        rows.tolist(),
        columns.tolist(),
        list(range(20)),
        0.05,
        0.0,
        "all",
        "all",
    )
    assert loss.item() == pytest.approx(terms, rel=1e-5)


def test_blocks_of_anchors_give_the_loss_and_the_gradient_of_the_whole_matrix(monkeypatch):
    cells, rows, columns, texts = ragged_batch(seed=5)
    ids = (torch.tensor(rows), torch.tensor(columns), torch.tensor(texts))
    whole, blocks = cells.clone().requires_grad_(), cells.clone().requires_grad_()
    loss = multiway_loss(whole, *ids)
    loss.backward()
    # Four anchors at once.
    monkeypatch.setattr("hexapla.alignment.functional.FLOATS_PER_BLOCK", 4 * len(cells))
    again = multiway_loss(blocks, *ids)
    (3.0 * again).backward()  # as a gradient scaler would
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(blocks.grad, 3.0 * whole.grad)
    with torch.no_grad():
        assert multiway_loss(cells, *ids).item() == pytest.approx(loss.item(), rel=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    cells, rows, columns, texts = ragged_batch(seed=6)
    ids = (torch.tensor(rows), torch.tensor(columns), torch.tensor(texts))
    leaf = cells.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: multiway_loss(x, *ids, temperature=0.5, margin=0.1), (leaf,)
    )


def test_losses_of_owned_parts_add_up_to_the_loss_of_the_whole():
    cells, rows, columns, texts = ragged_batch(seed=7)
    ids = (torch.tensor(rows), torch.tensor(columns), torch.tensor(texts))
    whole = multiway_loss(cells, *ids, negatives="all").item()
    parts = [
        multiway_loss(cells, *ids, negatives="all", own=own).item()
        for own in (slice(0, 7), slice(7, len(rows)))
    ]
    assert sum(parts) == pytest.approx(whole, rel=1e-12)
    assert min(parts) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"temperature": float("nan")}, "temperature is nan; it must be above 0"),
        ({"margin": -0.1}, "margin is -0.1; it must be 0 or more"),
        ({"margin": 2.0}, "margin is 2.0; it must be 0 or more and below 2"),
        (
            {"temperature": 1e-4, "margin": 0.3},
            "temperature 0.0001 with margin 0.3 makes logits of 1.3e.04; at most 10000",
        ),
        ({"negatives": "some"}, 'negatives is "some"; it must be target or all'),
        ({"pairs": "star"}, 'pairs is "star"; it must be all or pivot'),
        ({"chunk_tokens": 0}, "chunk_tokens is 0; it must be 1 or more"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MultiwayLoss(Vectors(torch.eye(2)), **settings)


def test_features_without_a_mask_are_refused():
    with pytest.raises(ValueError, match=r"set model\[0\].unpad_inputs = False"):
        MultiwayLoss(Vectors(torch.eye(4)))([{"input_ids": torch.zeros(1, 4)}] * 2)


def test_one_column_is_refused():
    with pytest.raises(ValueError, match=r"one column of 4 texts; a translation needs another"):
        MultiwayLoss(Vectors(torch.eye(4)))(columns_of(4, 1))
