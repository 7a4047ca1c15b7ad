"""The cache of paid answers: keys in, translations out, in one SQLite file that outlives every run.

A key stands for one sentence, not for one request, so sentences that are grouped differently are
still found. Each call opens the file, does one thing and closes it. That takes a millisecond or
two, where an answer takes seconds, and lets threads, forked and spawned processes and several runs
at once use one cache without sharing anything. The file must not lie on a network file system:
SQLite's write-ahead log needs its readers and writers on one machine.
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
_CREATE = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, translation TEXT NOT NULL) "
    "WITHOUT ROWID"
)


def request_key(settings: Mapping[str, object], source: str, target: str, text: str) -> str:
    """Hash all that one translation depends on, its neighbours in the request excepted.

    Args:
        settings: The endpoint, the name of its model, and how it is asked.
        source: Language of the text.
        target: Language of the translation.
        text: One sentence.
    """
    content = json.dumps([settings, source, target, text], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class RequestCache:
    """Translations by key; they are on the disk when `put` returns.

    Args:
        path: The file; the first `put` makes it, and its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the translations that the cache has, by key.

        Raises:
            InputError: The file cannot be read, is no cache, or holds what is no translation.
        """
        wanted = list(dict.fromkeys(keys))
        if not wanted or not self.path.exists():
            return {}
        found: dict[str, str] = {}
        with self._open() as connection:
            for start in range(0, len(wanted), _KEYS_PER_QUERY):
                some = wanted[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, translation FROM answers WHERE key IN ({marks})"
                found.update(connection.execute(query, some))
        if not all(isinstance(text, str) and text.strip() for text in found.values()):
            raise InputError(
                f"{self.path} is damaged: it holds what is no translation; give another cache"
            )
        return found

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep translations; if two runs have paid for the same one, the first stays.

        Raises:
            InputError: The file cannot be written, because the disk is full, the folder is
                read-only, or it is no SQLite file.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path.parent}: cannot be made ({error.strerror}); give another cache"
            ) from error
        with self._open() as connection:
            connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", answers.items())

    def safe_note(self, keys: Iterable[str]) -> str:
        """Return what of an interrupted call is kept, to end an error with."""
        wanted = set(keys)
        n_safe = len(self.get(wanted))
        return (
            f"; {n_safe} of {len(wanted)} answers of this part are safe in {self.path}; go on with "
            "--resume"
        )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which an error rolls back."""
        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S)
            ) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")  # outlives a power cut too
                connection.execute(_CREATE)
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise InputError(
                f"{self.path}: {error}; free the disk, make it writable or give another cache"
            ) from error


class NoRequestCache(RequestCache):
    """Keeps nothing and knows nothing, for a trial that leaves no trace.

    Args:
        path: The file that a cache would have.
    """

    def get(self, keys: Iterable[str]) -> dict[str, str]:
        """Return nothing."""
        return {}

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep nothing."""

    def safe_note(self, keys: Iterable[str]) -> str:
        """Return nothing."""
        return ""
