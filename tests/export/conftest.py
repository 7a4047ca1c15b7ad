"""An encoder that finds every toy row, a corpus of such rows, and the settings that export it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus.writer import write_corpus
from tests.fixtures.toy import LANGUAGES, knowing_encoder, toy_rows


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return knowing_encoder(tmp_path_factory.mktemp("encoders") / "knowing")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "toy"
    write_corpus(toy_rows(40, missing=0.1), folder, languages=LANGUAGES)
    return folder


@pytest.fixture
def settings(encoder, corpus, tmp_path) -> dict[str, Any]:
    return {"encoder": str(encoder), "corpus": str(corpus), "out": tmp_path / "out"}
