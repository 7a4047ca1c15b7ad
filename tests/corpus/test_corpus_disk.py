"""A disk that is full while a corpus is made: one line, and the folders are as they were."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from hexapla.corpus import writer as corpus_writer
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterConfig, filter_corpus, rejected_files
from hexapla.imports import ImportConfig, import_corpus
from hexapla.imports.join import RowJoin
from hexapla.runs import lock

LANGUAGES = ("eng_Latn", "deu_Latn")
ROWS: list[dict[str, object]] = [{code: f"{code} {i}" for code in LANGUAGES} for i in range(5)]


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def import_table(folder: Path) -> None:
    table = folder / "texts.tsv"
    table.write_text("eng_Latn\tdeu_Latn\none word\tein Wort\n")
    import_corpus(ImportConfig(files=(str(table),), out=folder / "out"), quiet=True)


def filter_rows(folder: Path) -> None:
    write_corpus(
        [*ROWS, {"eng_Latn": "five words", "deu_Latn": "five \ufffd"}],
        folder / "in",
        languages=LANGUAGES,
    )
    filter_corpus(FilterConfig(corpus=str(folder / "in"), out=folder / "out"), quiet=True)


def check_refused(folder: Path, make: Callable[[Path], None]) -> None:
    with pytest.raises(InputError, match=r"No space left on device; make room") as refused:
        make(folder)
    assert str(folder / "out") in str(refused.value)
    assert not [path.name for path in folder.iterdir() if path.name.startswith(("out", "."))]


def test_an_import_on_a_full_disk_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    monkeypatch.setattr(RowJoin, "add", raising(error))
    check_refused(tmp_path, import_table)
    # As Arrow raises it, with the number in the text alone.
    error_of_arrow = OSError(
        "Error writing bytes to file. Detail: [errno 28] No space left on device"
    )
    monkeypatch.undo()
    monkeypatch.setattr(corpus_writer.pq, "ParquetWriter", raising(error_of_arrow))
    check_refused(tmp_path, import_table)


def test_a_filtering_on_a_full_disk_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_files, "write_line", raising(full()))
    check_refused(tmp_path, filter_rows)


def test_rows_on_a_full_disk_are_told_in_one_line(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, object]]:
        yield from ROWS
        raise full()

    check_refused(
        tmp_path, lambda folder: write_corpus(rows(), folder / "out", languages=LANGUAGES)
    )


def test_a_disk_without_room_for_a_lock_is_told_in_the_same_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "write_text", raising(full()))
    check_refused(tmp_path, import_table)
