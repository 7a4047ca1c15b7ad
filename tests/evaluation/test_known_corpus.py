"""What an aligned encoder's folder knows is not asked again: its corpus and the rows held out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.known_corpus import fill_in_data
from hexapla.evaluation.stage import evaluate
from tests.fixtures.oracle import Oracle
from tests.fixtures.toy import LANGUAGES, toy_rows

SHARE = 0.2


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    write_corpus(toy_rows(120), tmp_path / "corpus", languages=LANGUAGES)
    return open_corpus(tmp_path / "corpus")


def record(folder: Path, corpus: Corpus, share: float = SHARE, **changes: Any) -> str:
    """Write what `align` leaves of a training, without weights; return the folder."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    config = {"corpus": "corpus", "languages": list(corpus.languages), "held_out": share}
    run = {"command": "align", "config": config, "corpus_path": str(corpus.path)}
    (folder / "run.json").write_text(json.dumps(run))
    alignment = {
        "corpus": corpus.name,
        "corpus_sha256": corpus.split(share)[0].sha256,
        "languages": list(corpus.languages),
        "held_out_share": share,
        "budget": "rows",
        **changes,
    }
    (folder / "align.json").write_text(json.dumps(alignment))
    return str(folder)


def filled(folder: str, **given: Any) -> tuple[Any, ...]:
    config = fill_in_data(EvaluateConfig(encoder=folder, out=Path("out"), **given))
    return config.suite, config.data, config.split, config.held_out


def test_rows_that_training_held_out_are_measured_without_a_word(tmp_path, corpus):
    folder = record(tmp_path / "aligned", corpus)
    expected = ("bitext", str(corpus.path), "held-out", SHARE)
    assert filled(folder) == expected
    assert filled(folder, data=corpus.path) == expected
    assert filled(folder, suite="bitext", data=corpus.path, split="held-out") == expected
    assert filled(folder, held_out=0.1)[2:] == ("held-out", 0.1)  # a part of them
    assert filled(folder, data=corpus.path, split="all")[2] == "all"


def test_a_corpus_is_known_by_its_content_wherever_it_lies(tmp_path, corpus, monkeypatch):
    folder = record(tmp_path / "aligned", corpus)
    shutil.move(corpus.path, tmp_path / "moved")
    assert filled(folder, data=tmp_path / "moved")[2:] == ("held-out", SHARE)
    with pytest.raises(
        InputError,
        match=r"the corpus of its alignment, corpus \(SHA-256 \w{16}\), is not at .*corpus any "
        r"more, or has changed; say where it is \(--data\), or give another suite",
    ):
        filled(folder)
    # The place as it was given, seen from where the command was called.
    shutil.copytree(tmp_path / "moved", tmp_path / "elsewhere" / "corpus")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert filled(folder)[1] == "corpus"


def test_other_rows_are_measured_whole_and_a_given_share_means_held_out_rows(tmp_path, corpus):
    folder = record(tmp_path / "aligned", corpus)
    other = tmp_path / "other"
    write_corpus(toy_rows(40, seed=5), other, languages=LANGUAGES)
    assert filled(folder, suite="bitext", data=other)[2] == "all"
    assert filled(folder, suite="bitext", data=other, held_out=0.3)[2:] == ("held-out", 0.3)
    assert filled("tiny", suite="bitext", data=other)[2] == "all"
    assert filled("tiny", suite="bitext", data=other, split="held-out")[3] is None
    assert filled(folder, suite="quick") == ("quick", None, "all", None)


@pytest.mark.parametrize(
    ("share", "given", "message"),
    [
        (
            SHARE,
            {"held_out": 0.3},
            r"held_out is 0.3, and training of .*aligned held out 0.2 of corpus; the rows between "
            r"were trained on, so give at most 0.2 \(--held-out\), or leave it out",
        ),
        (
            0.0,
            {},
            r".*aligned: was trained on all rows of corpus, so it has none to be measured on; give "
            r"other rows \(--suite bitext --data ROWS\) or tasks of MTEB \(--suite quick\)",
        ),
        (
            0.0,
            {"split": "held-out", "data": "corpus"},
            r".*aligned: was trained on all rows of corpus, so it has none",
        ),
    ],
)
def test_a_wrong_share_is_named_as_such(tmp_path, corpus, monkeypatch, share, given, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        filled(record(tmp_path / "aligned", corpus, share), **given)


def test_rows_that_were_trained_on_are_measured_with_a_warning(tmp_path, corpus, caplog):
    folder = record(tmp_path / "aligned", corpus, 0.0)
    assert filled(folder, suite="bitext", data=corpus.path)[2] == "all"
    assert "was trained on all rows of corpus; its scores there say little of others" in caplog.text


def test_rows_that_ended_the_training_are_measured_with_a_warning(tmp_path, corpus, caplog):
    assert filled(record(tmp_path / "aligned", corpus, budget="converged"))[2] == "held-out"
    assert "training stopped by these rows" in caplog.text


def test_an_encoder_that_was_not_aligned_needs_a_suite(capsys, tmp_path):
    assert main(["evaluate", "tiny", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.strip() == (
        "hexapla: no suite, and tiny was not aligned by hexapla, so no corpus of it is known; give "
        "rows (--suite bitext --data ROWS) or tasks of MTEB (--suite quick)"
    )


def test_too_few_rows_in_a_share_are_named_with_it(
    oracle: Oracle, tmp_path: Path, corpus: Corpus
) -> None:
    few = EvaluateConfig(
        encoder="oracle", out=tmp_path / "out", suite="bitext", data=corpus.path, held_out=0.01
    )
    with pytest.raises(
        InputError,
        match=r"corpus: held_out 0.01 leaves \d rows with both eng_Latn and \w+; at least 4 are "
        r"needed, .* so give the share that training held out, or a larger one \(--held-out\)",
    ):
        evaluate(few)
    assert oracle.loaded == 0


def test_scores_of_before_are_the_same_run(tmp_path):
    plain = EvaluateConfig(encoder="tiny", out=tmp_path, suite="bitext", data="sample")
    written = {"split": "all", "held_out": 0.05}
    assert {**plain.identity(), **written} == plain.identity()
    assert fill_in_data(plain).identity() == plain.identity()
