"""What whole evaluations share: an encoder of known vectors, a small data folder, the settings of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.evaluation import stage as suite
from hexapla.evaluation import vectors
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.tasks import xsim
from tests.fixtures.oracle import LANGUAGES, N_ROWS, TOPICS, Oracle, write


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    stand_in = Oracle()
    monkeypatch.setattr(suite, "load_encoder", stand_in.load)
    monkeypatch.setattr(suite, "describe", stand_in.describe)
    monkeypatch.setattr(vectors, "encode_steps", stand_in.encode_steps)
    # The oracle reads the numbers, so these must not be altered.
    monkeypatch.setattr(xsim, "alter_sentences", lambda all_: dict.fromkeys(all_, ()))
    return stand_in


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a data folder for the suites `dev` and `test`: 40 rows in three languages."""
    root = tmp_path / "data"
    cells = {code: [f"{code} {row}" for row in range(N_ROWS)] for code in LANGUAGES}
    topics = [TOPICS[row % 2] for row in range(N_ROWS)]
    for split in ("train", "test"):
        write(
            root / "sib200" / f"{split}.parquet",
            {"id": list(range(N_ROWS)), "topic": topics, **cells},
        )
        for code in ("eng_Latn", "deu_Latn"):
            pairs = {
                "sentence1": [f"{code} {row} 0" for row in range(30)],
                "score": [float(30 - r) for r in range(30)],
            }
            pairs["sentence2"] = [f"{code} {row} {3 * row}" for row in range(30)]
            write(
                root / "stsb-mt" / ("dev" if split == "train" else "test") / f"{code}.parquet",
                pairs,
            )
    for code in LANGUAGES[1:]:
        write(
            root / "tatoeba" / f"{code}.parquet", {code: cells[code], "eng_Latn": cells["eng_Latn"]}
        )
    return root


@pytest.fixture
def config(tmp_path: Path, data: Path) -> EvaluateConfig:
    return EvaluateConfig(encoder="oracle", out=tmp_path / "out", suite="test", data=data)
