"""Tables with a commit record: a kill, a power cut or a second writer cannot spoil them.

A table is written whole, and after it a record of its hash and of the build that it belongs to. It
counts as committed if the record exists, names this build, and has the hash of the file; otherwise
it is made again. Equal rows give equal bytes, so nothing here may hold a time, a host or a number
of workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.corpus.shards import file_facts
from hexapla.errors import InputError
from hexapla.runs.atomic import write_beside, write_json
from hexapla.runs.schema import Count, Sha256, Stored, Text, read_object

_ADVICE = "remove the folder it lies in, and build again"


class _TableRecord(Stored):
    """What is known of a committed table."""

    key: Text
    n_bytes: Count
    sha256: Sha256


def commit(table: pa.Table, path: Path, key: str) -> dict[str, Any]:
    """Write a table and then its record.

    Args:
        table: The table; its schema is kept as it is.
        path: Where to write it, in a folder that exists.
        key: Hash of what the table was made from and with.

    Returns:
        The record.
    """
    with write_beside(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)
    record = {**file_facts(path), "n_rows": table.num_rows, "key": key}
    write_json(_record_path(path), record)
    return record


def is_committed(path: Path, key: str) -> bool:
    """Return whether a table is there, whole and made under `key`. The file is read and hashed."""
    try:
        record = _read_record(path, key)
        return record is not None and record["sha256"] == file_facts(path)["sha256"]
    except OSError:
        return False


def has_record(path: Path, key: str) -> bool:
    """Return whether a table has a record under `key` and its size; the file is not read."""
    try:
        record = _read_record(path, key)
        return record is not None and record["n_bytes"] == path.stat().st_size
    except OSError:
        return False


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Return the object that a JSON file holds, or None if there is no such file.

    Raises:
        InputError: The file is damaged.
    """
    return read_object(path, Stored, _ADVICE) if path.is_file() else None


def _read_record(path: Path, key: str) -> Mapping[str, Any] | None:
    try:
        record = read_object(_record_path(path), _TableRecord)
    except InputError:
        return None  # missing or torn, so the table is made again
    return record if record["key"] == key else None


def _record_path(path: Path) -> Path:
    return path.with_suffix(".json")
