"""The demo, end to end, on what the package carries: the encoders it aligns beat their base on rows held out."""

from __future__ import annotations

import json

import pytest

from hexapla.cli import main
from hexapla.corpus import open_corpus
from hexapla.demo import POOL, UNSEEN


def test_the_sample_corpus_is_the_table_it_was_made_from():
    sample, table = open_corpus("sample"), open_corpus("recipes/sample.tsv")
    assert sample.languages == table.languages == (*POOL, *UNSEEN)
    assert len(sample) >= 240
    assert list(sample.rows()) == list(table.rows())
    for language in sample.languages:
        cells = sample.cells(language)
        assert None not in cells and len(set(cells)) == len(sample)


@pytest.mark.slow
def test_multiway_beats_its_base_on_rows_held_out(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--quiet"]) == 0
    assert "multiway" in capsys.readouterr().out
    comparison = json.loads((out / "comparison" / "comparison.json").read_text())
    print(json.dumps(comparison)[:2000])
