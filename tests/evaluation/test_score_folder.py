"""The folder of an evaluation: what it holds before, after and in spite of an interruption."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.evaluation import vectors
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.scores import read_scores
from hexapla.evaluation.stage import evaluate
from tests.fixtures.oracle import Oracle


def test_run_json_is_written_before_the_work_starts(
    oracle: Oracle, config: EvaluateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("killed")

    monkeypatch.setattr(vectors, "encode_steps", stopped)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        evaluate(config)
    run = json.loads((Path(config.out) / "run.json").read_text(encoding="utf-8"))
    assert run["config"]["suite"] == "test"
    assert run["encoder"]["sha256"] == "abc"
    assert {name for name, _, _ in run["config"]["tasks"]} == {"sib200", "tatoeba", "stsb-mt"}
    assert {"hexapla", "torch", "python"} <= run["versions"].keys()
    with pytest.raises(
        InputError, match="holds an unfinished run; --resume continues it, --overwrite replaces it"
    ):
        evaluate(config)


def test_overwriting_replaces_the_scores_and_a_refused_run_keeps_them(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    evaluate(config)
    with pytest.raises(InputError, match="holds a finished run; --overwrite replaces it"):
        # Refused before the missing data are noticed.
        evaluate(dataclasses.replace(config, data="nowhere"))
    again = dataclasses.replace(config, suite="dev", overwrite=True)
    with pytest.raises(InputError, match="has no swh_Latn"):
        evaluate(dataclasses.replace(again, languages=("swh_Latn",)))
    assert {score.split for score in read_scores(config.out)} == {"test"}
    assert read_scores(config.out) != evaluate(again) == read_scores(config.out)
    assert not list(Path(config.out).rglob("*.test.*"))


def test_an_interrupted_overwrite_leaves_no_old_scores_beside_the_new_run(
    oracle: Oracle, config: EvaluateConfig
) -> None:
    evaluate(config)
    oracle.broken = True
    with pytest.raises(InputError, match="not finite"):
        evaluate(dataclasses.replace(config, suite="dev", overwrite=True))
    with pytest.raises(InputError, match="its evaluation did not finish"):
        read_scores(config.out)
