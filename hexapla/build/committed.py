"""Files that a kill, a power cut or a second run cannot spoil: a table and its commit record, and the lock of a build.

A table is written under a name of its own beside its place, flushed, renamed, and then vouched for
by a record written the same way. It is there if the record is, is of this build, and its hash is
that of the file; else it is made again. Equal rows give equal bytes, so nothing here may hold a
time, a host or a number of workers.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.corpus.shards import file_facts
from hexapla.errors import InputError
from hexapla.runs.atomic import flush, write_json
from hexapla.runs.record import RUN

LOCK = ".lock"


def commit(table: pa.Table, path: Path, key: str) -> dict[str, Any]:
    """Write a table and the record that says so.

    Args:
        table: What to write; its schema is kept as it is.
        path: Where, in a folder that exists.
        key: Hash of what the table was made from and with.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        pq.write_table(table, beside, compression="zstd", write_page_checksum=True)
        flush(beside)
        os.replace(beside, path)
        flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)
    record = {**file_facts(path), "n_rows": table.num_rows, "key": key}
    write_json(record_path(path), record)
    return record


def committed(path: Path, key: str) -> dict[str, Any] | None:
    """Return the record of a table that is there, whole and made under `key`, else None."""
    try:
        record = json.loads(record_path(path).read_text(encoding="utf-8"))
        if record["key"] == key and record["sha256"] == file_facts(path)["sha256"]:
            return dict(record)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or torn: to be made again, whatever the reason
    return None


def record_path(path: Path) -> Path:
    """Return where the record of a table lies."""
    return path.with_suffix(".json")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and keep every other run on this machine out of it for as long as this process lives.

    One in which nothing but the lock is left goes afterwards.

    Raises:
        InputError: Another run has it.
    """
    file = _lock(folder)
    try:
        yield
    finally:
        if folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir()):
            shutil.rmtree(folder)
        file.close()


def _lock(folder: Path) -> IO[str]:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / LOCK).open("a+", encoding="utf-8")
        except FileNotFoundError:
            continue  # the run before has just removed its folder
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise InputError(
                f"{folder}: another run is at work here (process {holder}); wait for it or stop it"
            ) from error
        if (folder / LOCK).exists() and os.path.samestat(
            os.fstat(file.fileno()), os.stat(folder / LOCK)
        ):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file
        file.close()  # a lock on a file that is gone keeps nobody out


def clear(folder: Path) -> None:
    """Remove what a build left in its folder but for the lock; its `run.json` last, which says whose the rest is."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RUN):
        if path.name == LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Return what a JSON file of ours says, or None while there is none."""
    if not path.is_file():
        return None
    content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
