"""Mistakes are refused before an encoder is loaded and before anything is written."""

from __future__ import annotations

import pytest

from hexapla.alignment import stage
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from tests.fixtures.toy import LANGUAGES, toy_rows


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"regime": "multi-way"},
            'regime is "multi-way"; it must be multiway, .*did you mean "multiway"',
        ),
        ({"budget": "steps"}, 'budget is "steps"; it must be rows, encodings or converged'),
        ({"negatives": "hard"}, 'negatives is "hard"; it must be target or all'),
        ({"temperature": 0.0}, "temperature is 0.0; it must be a number above 0"),
        ({"learning_rate": "fast"}, 'learning_rate is "fast"; it must be a number above 0'),
        ({"epochs": -1}, "epochs is -1; it must be a number above 0"),
        ({"rows_per_step": 1}, "rows_per_step is 1; it must be a whole number from 2 to 65,536"),
        ({"rows_per_step": 16.0}, "rows_per_step is 16.0; it must be a whole number"),
        ({"seed": True}, "seed is True; it must be a whole number"),
        ({"temperature": True}, "temperature is True; it must be a number"),
        ({"prompt": 5}, "prompt is 5; it must be a text"),
        ({"report_to": "tensorbord"}, 'report_to is "tensorbord"; .*did you mean "tensorboard"'),
        ({"report_to": "wandb"}, 'report_to is "wandb", whose package is not installed'),
        (
            {"encoder": "someone/not-there"},
            "someone/not-there: no such folder, and the Hub does not have it",
        ),
        (
            {"languages": "eng_Latn", "regime": "pivot-only", "budget": "converged"},
            "budget is converged and languages is eng_Latn alone",
        ),
        ({"margin": -0.3}, "margin is -0.3; it must be a number of 0 or more"),
        ({"margin": 2.5}, "margin is 2.5; it must be a number of 0 or more and below 2"),
        (
            {"temperature": 5e-5},
            r"temperature 5e-05 with margin 0.0 makes logits of 2e.04; at most 10000 keep",
        ),
        ({"chunk_tokens": 0}, "chunk_tokens is 0; it must be a whole number from 1 to"),
        (
            {"cells_per_row": 1},
            "cells_per_row is 1, which leaves nothing to align; .* 2 or more, or 0",
        ),
        (
            {"cells_per_row": 3, "regime": "en-x"},
            "cells_per_row is 3 and the regime en-x, which takes two texts of each row",
        ),
        ({"lora": -1}, "lora is -1; it must be a whole number from 0 to"),
        ({"alpha": 0.0}, "alpha is 0.0; it must be a number above 0 and at most 1"),
        ({"preserve": -1.0}, "preserve is -1.0; it must be a number from 0 to"),
        (
            {"matryoshka": "64,many"},
            "matryoshka is '64,many'; it must be at most 32 numbers of dimensions",
        ),
        (
            {"pooling": "lastoken"},
            'pooling is "lastoken"; it must be mean, cls or lasttoken; did you mean "lasttoken"',
        ),
        ({"warmup": 1.0}, "warmup is 1.0; it must be a number of 0 or more and below 1"),
        ({"budget": "converged", "held_out": 0.0}, "budget is converged and held_out is 0"),
        ({"languages": "eng_Latn,xxx_Latn"}, "xxx_Latn"),
        ({"languages": "eng_Latn,zh"}, "zho_Hans"),
        (
            {"languages": "eng_Latn,pol_Latn"},
            "no column pol_Latn; it has eng_Latn, deu_Latn, fra_Latn, spa_Latn",
        ),
        (
            {"languages": "eng_Latn"},
            "languages is eng_Latn alone, the pivot; regime multiway needs two columns or more",
        ),
        ({"rows_per_step": 512}, r"299 rows to train on, fewer than the 512 of a step"),
        ({"encoder": "./nowhere"}, "nowhere: no such encoder folder"),
        ({"corpus": "./nowhere"}, "nowhere"),
        ({"resume": True}, "no run to resume here"),
        ({"resume": True, "overwrite": True}, "--resume and --overwrite exclude each other"),
    ],
)
def test_mistakes_are_refused_before_a_model_loads_and_nothing_is_written(
    settings, monkeypatch, changed, message
):
    monkeypatch.setattr(
        stage, "load_encoder", lambda *args, **kwargs: pytest.fail("a model was loaded")
    )
    with pytest.raises(InputError, match=message):
        align(AlignConfig(**{**settings, **changed}), quiet=True)
    assert not settings["out"].exists()


def test_a_folder_that_holds_something_else_is_left_alone(settings):
    out = settings["out"]
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for flags in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(
            InputError, match="not empty, and what it holds is no run of hexapla align"
        ):
            align(AlignConfig(**settings, **flags), quiet=True)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_run_never_replaces_what_it_is_made_of(settings, tmp_path):
    align(AlignConfig(**settings), quiet=True)
    before = (settings["out"] / "model.safetensors").read_bytes()
    again = {**settings, "encoder": str(settings["out"])}
    with pytest.raises(InputError, match=r"holds the encoder, .*; give another folder to write"):
        align(AlignConfig(**again, overwrite=True), quiet=True)
    assert (settings["out"] / "model.safetensors").read_bytes() == before


def test_a_language_without_a_single_cell_is_refused(settings, tmp_path):
    rows = toy_rows(40)
    for row in rows[:-1]:
        row["fra_Latn"] = None
    write_corpus(rows, tmp_path / "hollow", languages=LANGUAGES)
    held_out = {row["eng_Latn"] for row in open_corpus(tmp_path / "hollow").split(0.6)[1].rows()}
    assert rows[-1]["eng_Latn"] in held_out  # the only cell is not among the rows to train on
    with pytest.raises(
        InputError,
        match="fra_Latn has no cell in the rows to train on; leave it out of the languages",
    ):
        align(
            AlignConfig(
                **{**settings, "corpus": str(tmp_path / "hollow"), "rows_per_step": 4}, held_out=0.6
            ),
            quiet=True,
        )
    assert not settings["out"].exists()
