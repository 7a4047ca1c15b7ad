"""Presence: which cells are there is read from nulls, and rows with enough of them are usable."""

from __future__ import annotations

from datasets import Dataset

from hexapla.corpus import presence
from hexapla.corpus.presence import present_cells, usable_rows

LANGUAGES = ["eng_Latn", "deu_Latn", "fra_Latn"]


def test_a_cell_is_present_where_its_column_is_not_null(monkeypatch):
    monkeypatch.setattr(presence, "_ROWS_PER_BATCH", 2)  # so that a batch begins inside
    rows = Dataset.from_list(
        [
            dict(zip(LANGUAGES, cells, strict=True))
            for cells in (("a", "b", None), ("c", None, None), ("d", "e", "f"))
        ]
    )
    present_RC = present_cells(rows, LANGUAGES)
    assert present_RC.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert present_cells(rows, LANGUAGES[1:2]).tolist() == [[True], [False], [True]]
    assert usable_rows(present_RC, 2).tolist() == [0, 2]
    assert usable_rows(present_RC, 1).tolist() == [0, 1, 2]
