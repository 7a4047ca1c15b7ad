"""Encoders of three kinds of tokenizers, and a corpus in three languages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.vocabularies import ENGLISH, GERMAN, RUSSIAN, vocabulary_encoder


@pytest.fixture(scope="package")
def encoder_of(tmp_path_factory) -> Callable[[str], Path]:
    """Return the folder of an encoder whose tokenizer is of a kind; not to be changed."""
    return cache(lambda kind: vocabulary_encoder(tmp_path_factory.mktemp(kind) / "encoder", kind))


@pytest.fixture(scope="package")
def corpus(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpora") / "harbour.parquet"
    columns = {"eng_Latn": ENGLISH, "deu_Latn": GERMAN, "rus_Cyrl": [*RUSSIAN[:-1], None]}
    pq.write_table(pa.table(columns), path)
    return path
