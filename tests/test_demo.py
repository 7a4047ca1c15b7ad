"""The demo end to end, on what the package carries: aligned encoders beat their base."""

from __future__ import annotations

import json

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.demo import POOL, UNSEEN

# Gain in accuracy over the base after one epoch; it was 0.155 and 0.079 when this was written. The
# six epochs of the demo itself would take several times as long.
N_EPOCHS = 1.0
MIN_GAIN = {"seen": 0.1, "unseen": 0.05}


def test_the_sample_corpus_is_the_table_it_was_made_from():
    sample, table = open_corpus("sample"), open_corpus("recipes/sample.tsv")
    assert sample.languages == table.languages == (*POOL, *UNSEEN)
    assert len(sample) >= 240
    assert list(sample.rows()) == list(table.rows())
    for language in sample.languages:
        cells = sample.cells(language)
        assert None not in cells and len(set(cells)) == len(sample)


@pytest.mark.slow
def test_multiway_beats_its_base_on_held_out_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hexapla.demo.EPOCHS", N_EPOCHS)
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--quiet"]) == 0
    assert "multiway" in capsys.readouterr().out
    comparison = json.loads((out / "comparison" / "comparison.json").read_text())
    lines = {
        line["group"]: {cell["run"]: cell for cell in line["cells"]}
        for block in comparison["blocks"]
        if block["metric"] == "accuracy"
        for line in block["lines"]
    }
    for group in ("seen", "unseen"):
        assert lines[group]["multiway"]["gain"] > MIN_GAIN[group]
