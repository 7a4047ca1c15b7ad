"""The batch of cells goes through sentence-transformers' trainer unchanged, and is known from padded columns."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from sentence_transformers import SentenceTransformerTrainer

from hexapla.alignment.cell_batch import CellBatch

BATCH = CellBatch(
    tokens={"input_ids": torch.tensor([5, 6, 7, 8, 9]), "token_type_ids": torch.zeros(5)},
    lengths=[3, 2],
    ids_N3=torch.tensor([[1, 0, 11], [0, 0, 22]]),
    constants={"prompt_length": 2, "modality": "text"},
    corpus_rows=[40, 17],
)
WITH_REFERENCE = dataclasses.replace(
    BATCH, referenced_P=torch.tensor([0, 1]), reference_PD=torch.eye(2)
)


def assert_equal(got: CellBatch, expected: CellBatch) -> None:
    assert got.tokens.keys() == expected.tokens.keys()
    assert all(torch.equal(got.tokens[key], value) for key, value in expected.tokens.items())
    for name in ("lengths", "constants", "corpus_rows"):
        assert getattr(got, name) == getattr(expected, name)
    for name in ("ids_N3", "referenced_P", "reference_PD"):
        one, other = getattr(got, name), getattr(expected, name)
        assert one is other is None or torch.equal(one, other)


@pytest.mark.parametrize("batch", [BATCH, WITH_REFERENCE], ids=["plain", "with a reference"])
def test_a_batch_goes_through_the_trainer_of_sentence_transformers_unchanged(batch):
    inputs = batch.to_inputs()
    features, labels = SentenceTransformerTrainer.collect_features(None, inputs)
    assert len(features) == 1
    assert_equal(CellBatch.from_features(features, labels), batch)
    assert_equal(CellBatch.from_inputs(inputs), batch)


def test_cells_of_columns_come_longest_first_with_row_column_and_text():
    columns = [
        {
            "input_ids": torch.tensor([[5, 6, 1], [5, 6, 7]]),
            "attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1]]),
        },
        {"input_ids": torch.tensor([[8], [9]]), "attention_mask": torch.tensor([[1], [1]])},
        {
            "input_ids": torch.tensor([[5, 6], [1, 5]]),
            "attention_mask": torch.tensor([[1, 1], [0, 1]]),
        },
    ]
    mask = torch.tensor([[1, 1, 1], [1, 0, 1]])
    batch = CellBatch.from_columns(columns, mask)
    assert batch.lengths == [3, 2, 2, 1, 1] and batch.starts == [0, 3, 5, 7, 8, 9]
    assert batch.n_tokens == 9
    assert batch.tokens["input_ids"].tolist() == [5, 6, 7, 5, 6, 5, 6, 8, 5]
    assert batch.ids_N3[:, :2].tolist() == [[1, 0], [0, 0], [0, 2], [0, 1], [1, 2]]
    texts = batch.ids_N3[:, 2].tolist()
    assert texts[1] == texts[2] and len(set(texts)) == 4


def test_labels_that_are_neither_ids_nor_a_mask_are_refused():
    inputs = BATCH.to_inputs() | {"label": torch.zeros(2, 2)}
    with pytest.raises(ValueError, match=r"labels of shape \(2, 2\); cells need \(N, 3\)"):
        CellBatch.from_inputs(inputs)
    column = {"input_ids": torch.ones(2, 1), "attention_mask": torch.ones(2, 1)}
    with pytest.raises(ValueError, match=r"labels of shape \(2, 3\); a mask must be \(2, 2\)"):
        CellBatch.from_features([column] * 2, torch.ones(2, 3))
