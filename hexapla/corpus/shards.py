"""The shards of a corpus folder, read as batches and compared with what the manifest says of them.

A run may open one corpus many times. What it takes to read a whole shard, its hash and its number
of rows, is therefore remembered for the process, for as long as the file does not change.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from hexapla.corpus.parquet import open_parquet, read_parquet
from hexapla.errors import InputError
from hexapla.text.special_files import refuse_special

T = TypeVar("T")

N_ROWS = 8192
"""Rows that a reader holds at once where it needs no other number."""

# A file that changes twice within one tick of its file system's clock (up to 2 s on FAT) keeps its
# time, so nothing is remembered of a file that changed so recently.
_CLOCK_TICK_NS = 2 * 10**9


class _FileState(NamedTuple):
    """What changes when a file does."""

    path: Path
    inode: int
    n_bytes: int
    mtime_ns: int


_memory: dict[tuple[_FileState, str], Any] = {}


def file_facts(path: Path) -> dict[str, Any]:
    """Return what identifies a file in a manifest: its name, size and SHA-256."""
    digest = _remembered(path, "hash", lambda: _hash(path))
    return {"file": path.name, "n_bytes": path.stat().st_size, "sha256": digest}


def check_shard(path: Path, facts: Mapping[str, Any]) -> None:
    """Compare a shard's bytes with what the manifest says of them.

    Raises:
        InputError: The shard is missing, truncated or altered.
    """
    refuse_special(path)
    if not path.is_file():
        raise InputError(f"{path} is missing; the corpus is not whole without it")
    if (n_bytes := path.stat().st_size) < facts["n_bytes"]:
        raise InputError(f"{path} is truncated: {n_bytes:,} of {facts['n_bytes']:,} bytes")
    if file_facts(path)["sha256"] != facts["sha256"]:
        raise InputError(f"{path} was altered: its SHA-256 is not the one noted before")


def check_rows(path: Path, facts: Mapping[str, Any], languages: Sequence[str], pivot: str) -> None:
    """Compare a shard's columns and number of rows with what the manifest says of them.

    Raises:
        InputError: A language's column is missing, a row lacks its pivot, or the number of rows
            differs.
    """
    with open_parquet(path) as file:
        refuse_missing(languages, file.schema_arrow.names, path)
    n_rows = _remembered(path, f"rows with {pivot}", lambda: _count_rows(path, pivot))
    if n_rows != facts["n_rows"]:
        raise InputError(f"{path} has {n_rows:,} rows; it should have {facts['n_rows']:,}")


def read_shard(
    path: Path, columns: Sequence[str], pivot: str, n_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield `row_id` and `columns` of a shard in batches of at most `n_rows` rows.

    Raises:
        InputError: The shard is damaged, or a row lacks its pivot (where that is among `columns`).
    """
    schema = string_schema(["row_id", *columns])
    n_before = 0
    for batch in read_parquet(path, schema.names, n_rows, any_length=True):
        if pivot in columns and batch.column(pivot).null_count:
            number = n_before + batch.column(pivot).is_null().index(True).as_py() + 1
            raise InputError(f"{path}: row {number} has no {pivot} cell; every row needs its pivot")
        n_before += batch.num_rows
        yield batch.cast(schema)


def refuse_missing(asked: Sequence[str], present: Sequence[str], path: Path) -> None:
    """Refuse a language that a corpus has no column of.

    Raises:
        InputError: One of `asked` is not `present`.
    """
    for code in asked:
        if code not in present:
            raise InputError(f"{path} has no column {code}; it has {', '.join(present)}")


def string_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of a batch whose columns are all text."""
    return pa.schema([(column, pa.string()) for column in columns])


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count_rows(path: Path, pivot: str) -> int:
    return sum(batch.num_rows for batch in read_shard(path, [pivot], pivot, N_ROWS))


def _remembered(path: Path, what: str, compute: Callable[[], T]) -> T:
    """Return what was computed of a file; it is computed anew if the file has changed since."""
    now = time.time_ns()
    state = _file_state(path)
    if (state, what) in _memory:
        value: T = _memory[state, what]
        return value
    value = compute()
    if now - state.mtime_ns > _CLOCK_TICK_NS and state == _file_state(path):
        _memory[state, what] = value
    return value


def _file_state(path: Path) -> _FileState:
    about = path.stat()
    return _FileState(path.absolute(), about.st_ino, about.st_size, about.st_mtime_ns)
