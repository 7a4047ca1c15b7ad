"""Cells of an import's tables: what was written reads back equal; records of datasets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexapla.imports.table_entries import read_dataset
from hexapla.text.language_tags import LanguageTags
from tests.fixtures.table_units import GOOD, texts, units


def test_a_csv_cell_may_be_long(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "Wort, " * 50_000
    assert units(tmp_path / "x.csv", f'en,de\none,"{long}"\n') == [texts("one", long)]
    assert csv.field_size_limit() == limit


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=8)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5)


@given(rows=ROWS)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_what_csv_writes_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("en", "de"), *rows])
    assert units(path) == [texts(*row) for row in rows]


@given(rows=ROWS)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_what_tsv_holds_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("tsv") / "x.tsv"
    rows = [[cell.translate({9: " ", 10: " "}).rstrip("\r") for cell in row] for row in rows]
    lines = ["\t".join(row) for row in [("en", "de"), *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    assert units(path) == [texts(*row) for row in rows]


@given(rows=ROWS)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_what_json_writes_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    lines = [json.dumps({"en": en, "de": de}, ensure_ascii=False) for en, de in rows]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    assert units(path) == [texts(*row) for row in blank_is_empty(rows)]


def blank_is_empty(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(en if en.strip() else "", de if de.strip() else "") for en, de in rows]


# Datasets


def test_a_datasets_records_are_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"en": "one", "de": "eins", "n": 1}, {"en": "", "de": None, "n": 2}]
    monkeypatch.setattr("hexapla.imports.table_entries.Dataset.records", lambda _: iter(records))
    entries = list(read_dataset("org/name", LanguageTags("eng_Latn", None)))
    found = [[(meaning.code, text) for meaning, text in entry.texts] for entry in entries]
    assert found == [GOOD, texts("", "")]
