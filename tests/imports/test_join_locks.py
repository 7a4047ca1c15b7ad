"""The database of a join needs no locks of the file system, which a network's may lack."""

from __future__ import annotations

import fcntl
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

from hexapla.corpus.work_folder import JOIN
from hexapla.imports.join import RowJoin


def _hold(path: Path, pipe: Connection) -> None:
    with path.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        pipe.send("locked")
        pipe.recv()


def test_a_join_takes_no_lock_of_the_file_system(tmp_path: Path) -> None:
    work = tmp_path / "100 % #1?"
    work.mkdir()
    (work / JOIN).touch()
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(work / JOIN, there))
    process.start()
    try:
        assert here.recv() == "locked"
        with RowJoin("eng_Latn", work) as join:
            join.add(
                {"eng_Latn": "Good day", "deu_Latn": "Guten Tag"}, {"eng_Latn": 0, "deu_Latn": 0}, 1
            )
            rows = list(join.rows())
        assert rows == [{"eng_Latn": "Good day", "deu_Latn": "Guten Tag"}]
        assert list(work.iterdir()) == []
    finally:
        here.send("end")
        process.join()
