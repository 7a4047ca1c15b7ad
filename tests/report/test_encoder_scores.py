"""Encoders stand in place of score folders: they are evaluated alike, and their scores kept."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.evaluation import kept_scores, stage
from hexapla.report.config import CompareConfig
from hexapla.report.encoder_scores import score_folders
from hexapla.report.stage import compare
from tests.fixtures.score_folders import base_and_aligned
from tests.fixtures.toy import LANGUAGES, knowing_encoder, toy_encoder, toy_rows

SHARE = 0.4


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hexapla" / "scores"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A base, and an encoder with the records of an alignment that held rows out."""
    write_corpus(rows(60), tmp_path / "corpus", languages=LANGUAGES[:2])
    corpus = open_corpus(tmp_path / "corpus")
    base, aligned = toy_encoder(tmp_path / "base"), knowing_encoder(tmp_path / "aligned")
    config = {"corpus": str(corpus.path), "encoder": str(base), "held_out": SHARE}
    run = {"command": "align", "config": config, "corpus_path": str(corpus.path)}
    (aligned / "run.json").write_text(json.dumps(run))
    alignment = {
        "regime": "multiway",
        "budget": "rows",
        "n_rows_seen": 36,
        "n_encodings": 72,
        "corpus": corpus.name,
        "corpus_sha256": corpus.split(SHARE)[0].sha256,
        "languages": list(corpus.languages),
        "held_out_share": SHARE,
        "seed": 0,
        "prompt": "",
    }
    (aligned / "align.json").write_text(json.dumps(alignment))
    return base, aligned


def rows(n_rows: int, seed: int = 0) -> list[dict[str, str | None]]:
    """Rows of two languages, for which little is measured."""
    return [{code: row[code] for code in LANGUAGES[:2]} for row in toy_rows(n_rows, seed=seed)]


def accuracy(comparison: Any) -> list[float]:
    return [cell.value for cell in comparison.blocks[0].lines[0].cells]


def test_an_aligned_encoder_alone_is_compared_with_its_base_on_held_out_rows(
    pair: tuple[Path, Path], cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(stage, "read_data", lambda _: pytest.fail("the data were read twice"))
    comparison = compare(CompareConfig(scores=(pair[1],), resamples=100), quiet=True)
    assert [run.label for run in comparison.runs] == ["base", "multiway"]
    before, after = accuracy(comparison)
    assert before < 0.8 and after == 1.0
    assert comparison.blocks[0].split == f"held-out-{SHARE}"
    kept = sorted(cache.iterdir())
    assert [path.name.rpartition("-")[0] for path in kept] == ["aligned", "base"]
    assert all(f"its scores are kept in {path}" in caplog.text for path in kept)
    # A second time, nothing is evaluated.
    monkeypatch.setattr(kept_scores, "evaluate_on", lambda *_, **__: pytest.fail("evaluated again"))
    again = compare(CompareConfig(scores=pair, resamples=100), quiet=True)
    assert accuracy(again) == [before, after]


def test_an_encoder_is_evaluated_as_the_score_folder_beside_it_was(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, aligned = pair
    assert main(["evaluate", str(aligned), "--out", str(tmp_path / "scores"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "seen, 1 language" in said and "100.0" in said
    assert f"Next: hexapla compare {base} {tmp_path / 'scores'} says what" in said
    comparison = compare(CompareConfig(scores=(base, tmp_path / "scores"), resamples=100))
    assert [run.label for run in comparison.runs] == ["base", "multiway"]
    assert comparison.blocks[0].split == f"held-out-{SHARE}"


def test_other_weights_or_data_are_evaluated_anew(
    pair: tuple[Path, Path], tmp_path: Path, cache: Path
) -> None:
    base = pair[0]
    write_corpus(rows(30, seed=5), tmp_path / "other", languages=LANGUAGES[:2])
    here = CompareConfig(scores=(base,), data=str(tmp_path / "other"))
    (first,) = score_folders(here, quiet=True)
    assert score_folders(here, quiet=True) == (first,)
    write_corpus(rows(30, seed=6), tmp_path / "other", languages=LANGUAGES[:2], overwrite=True)
    (changed,) = score_folders(here, quiet=True)
    assert changed != first and changed.parent == cache
    other = toy_encoder(tmp_path / "another", seed=1)
    (other / "model.safetensors").replace(base / "model.safetensors")
    assert score_folders(here, quiet=True) not in ((first,), (changed,))


def test_it_must_be_known_on_what_to_evaluate(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no encoder that hexapla aligned, so it is not known on"):
        score_folders(CompareConfig(scores=(pair[0],)))
    folders = base_and_aligned(tmp_path / "toy")
    with pytest.raises(InputError, match=r"data or suite is given and no encoder; score folders"):
        score_folders(CompareConfig(scores=folders, data="corpus"))
    with pytest.raises(InputError, match=r"has no record of its evaluation to evaluate the enc"):
        score_folders(CompareConfig(scores=(*folders, pair[1])))


def test_a_base_that_is_not_at_hand_leaves_the_encoder_alone(
    pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    (pair[0] / "config.json").unlink()
    (pair[0] / "modules.json").unlink()
    (scores,) = score_folders(CompareConfig(scores=(pair[1],)), quiet=True)
    assert "which is not at hand, so its scores are shown alone" in caplog.text
    comparison = compare(CompareConfig(scores=(scores,)))
    assert len(comparison.runs) == 1
