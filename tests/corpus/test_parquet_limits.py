"""A Parquet file of documents is read in small batches, and a cell has a limit."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.corpus.parquet import read_parquet
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.text.limits import text_limit

MIB = 1 << 20


def write(path: Path, texts: list[str]) -> Path:
    pq.write_table(pa.table({"text": texts}), path, use_dictionary=False)
    return path


def test_a_cell_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", ["a", "b" * 2 * MIB, "c"])
    message = r"x\.parquet: row 2: the cell is longer than 1 MiB"
    with text_limit(1), pytest.raises(InputError, match=message):
        list(read_parquet(path, ["text"], 1000))
    assert sum(batch.num_rows for batch in read_parquet(path, ["text"], 1000)) == 3


def test_batches_of_documents_are_no_larger_than_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", [f"{number:07}" + "x" * MIB for number in range(6)])
    with text_limit(2):
        batches = list(read_parquet(path, ["text"], 1000))
    assert [batch.num_rows for batch in batches] == [1] * 6
    assert [batch.column(0)[0].as_py()[:7] for batch in batches] == [f"{n:07}" for n in range(6)]
    short = write(tmp_path / "y.parquet", ["short"] * 2000)
    assert [batch.num_rows for batch in read_parquet(short, ["text"], 1000)] == [1000, 1000]


def test_a_corpus_made_with_a_raised_limit_is_read_by_every_command(tmp_path: Path) -> None:
    rows = [{"eng_Latn": "b" * 2 * MIB, "deu_Latn": "c"}]
    write_corpus(rows, tmp_path / "corpus", languages=["eng_Latn", "deu_Latn"])
    with text_limit(1):
        (row,) = open_corpus(tmp_path / "corpus").rows()
    assert len(str(row["eng_Latn"])) == 2 * MIB
