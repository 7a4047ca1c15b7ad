"""Shards are hashed and counted once a process, and again when they change."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus import shards
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.shards import file_facts
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError

ROWS = [{"eng_Latn": f"row {i}", "deu_Latn": f"Zeile {i}"} for i in range(5)]
LONG_AGO_NS = 10**18


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five rows in three shards that were written long ago."""
    path = write_corpus(ROWS, tmp_path / "corpus", languages=list(ROWS[0]), rows_per_shard=2).path
    for shard in path.glob("*.parquet"):
        os.utime(shard, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done from now on: "hash" and "count", once for each file."""
    done: list[str] = []
    for what, owner, name in (
        ("hash", hashlib, "file_digest"),
        ("count", shards, "_count_rows"),
    ):
        compute = getattr(owner, name)

        def counted(*args: Any, what: str = what, compute: Any = compute) -> Any:
            done.append(what)
            return compute(*args)

        monkeypatch.setattr(owner, name, counted)
    return done


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_shard_is_hashed_and_counted_once_a_process(folder: Path, work: list[str]) -> None:
    first = open_corpus(folder)
    assert sorted(work) == ["count"] * 3 + ["hash"] * 3
    work.clear()
    again = open_corpus(folder, languages=["deu_Latn"])
    again.verify()
    again.split(0.5)[0].verify()
    assert work == [] and again.row_ids() == first.row_ids()


def test_another_pivot_is_looked_for_in_every_row(folder: Path, work: list[str]) -> None:
    open_corpus(folder)
    work.clear()
    open_corpus(folder, pivot="deu_Latn")
    assert work == ["count"] * 3


def test_damage_after_a_shard_was_hashed_is_found(folder: Path, work: list[str]) -> None:
    corpus = open_corpus(folder)
    work.clear()
    flip(folder / "part-00001.parquet")
    for look in (lambda: open_corpus(folder), corpus.verify):
        with pytest.raises(InputError, match=r"part-00001\.parquet was altered"):
            look()
    assert set(work) == {"hash"}


def test_a_file_of_the_same_size_and_time_put_in_its_place_is_hashed(folder: Path) -> None:
    open_corpus(folder)
    shard, other = folder / "part-00000.parquet", folder / "other"
    other.write_bytes(shard.read_bytes())
    flip(other)
    os.utime(other, ns=(LONG_AGO_NS, LONG_AGO_NS))
    os.replace(other, shard)
    with pytest.raises(InputError, match=r"part-00000\.parquet was altered"):
        open_corpus(folder)


def test_the_hash_of_a_file_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    about = path.stat()
    assert file_facts(path)["sha256"] == hashlib.sha256(b"one").hexdigest()
    # A second write within one tick of the file system's clock leaves the time as it was.
    path.write_bytes(b"two")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert file_facts(path)["sha256"] == hashlib.sha256(b"two").hexdigest()
