"""Paid answers, kept: keys in, translations out, in one SQLite file that outlives every run.

The key is of one sentence, not of one request, so that sentences grouped anew are still found. Each
call opens the file, does its one thing and closes it, which takes a millisecond or two where an
answer takes seconds; what it buys is that threads, forked and spawned processes and several runs at
once can use one cache with nothing shared between them. Not for a network file system: SQLite's
write-ahead log needs its readers and writers on one machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hexapla.errors import InputError

FILE = "answers.sqlite"
_KEYS_PER_QUERY = 500  # SQLite before 3.32 takes 999 parameters
_LOCK_TIMEOUT_S = 60.0
_CREATE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, translation TEXT NOT NULL) WITHOUT ROWID"


def request_key(settings: Mapping[str, object], source: str, target: str, text: str) -> str:
    """Hash all that one translation depends on; no neighbour in its request is part of it.

    Args:
        settings: The endpoint, its translator's name and how it is asked.
        source: Of the text.
        target: Of the translation.
        text: One sentence.
    """
    content = json.dumps([settings, source, target, text], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class RequestCache:
    """Answers by key. An answer that `put` has returned from is on the disk.

    Args:
        path: The file; it and its folder are made at the first `put`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the translations that are there, by key."""
        wanted = list(dict.fromkeys(keys))
        if not wanted or not self.path.exists():
            return {}
        found: dict[str, str] = {}
        with self._open() as connection:
            for start in range(0, len(wanted), _KEYS_PER_QUERY):
                some = wanted[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                found.update(
                    connection.execute(
                        f"SELECT key, translation FROM answers WHERE key IN ({marks})", some
                    )
                )
        return found

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep answers; where two runs have bought the same one, the first stays.

        Raises:
            InputError: The file cannot be written: a full disk, a read-only folder, or it is no
                SQLite file.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path.parent}: cannot be made ({error.strerror}); give another cache"
            ) from error
        with self._open() as connection:
            connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", answers.items())

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, committed at the end unless an error passes through."""
        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S)
            ) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(
                    "PRAGMA synchronous=FULL"
                )  # a paid answer outlives a power cut too
                connection.execute(_CREATE)
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise InputError(
                f"{self.path}: {error}; free the disk, make it writable or give another cache"
            ) from error
