"""What the tests of alignment share: a toy corpus with gaps, a toy encoder, the settings of a short run."""

from __future__ import annotations

import pytest

from hexapla.corpus.writer import write_corpus
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("corpora") / "toy"
    write_corpus(toy_rows(300, missing=0.1), folder, languages=LANGUAGES)
    return str(folder)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> str:
    return str(toy_encoder(tmp_path_factory.mktemp("encoders") / "toy"))


@pytest.fixture
def settings(corpus, encoder, tmp_path) -> dict[str, object]:
    return {
        "corpus": corpus,
        "encoder": encoder,
        "out": tmp_path / "out",
        "rows_per_step": 16,
        "cells_per_row": 0,
        "learning_rate": 2e-2,
        "report_to": "none",
    }
