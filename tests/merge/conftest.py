"""A base, the encoder aligned from it, a corpus, and the settings that merge them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus.writer import write_corpus
from tests.fixtures.merging import make_aligned
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return toy_encoder(tmp_path_factory.mktemp("encoders") / "base")


@pytest.fixture(scope="module")
def aligned(base) -> Path:
    return make_aligned(base, base.parent / "aligned", pivot_moves=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "toy"
    write_corpus(toy_rows(300, missing=0.1), folder, languages=LANGUAGES)
    return folder


@pytest.fixture
def settings(base, aligned, corpus, tmp_path) -> dict[str, Any]:
    return {
        "base": str(base),
        "aligned": str(aligned),
        "corpus": str(corpus),
        "out": tmp_path / "out",
    }
