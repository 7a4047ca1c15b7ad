"""A build that is interrupted, resumed, repeated or disturbed.

Pinned here: nothing is lost, done twice or taken from another build.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hexapla.build import build, stage
from hexapla.build.committed import commit, has_record, is_committed
from hexapla.build.shard_worker import ShardTask, ShardWorker
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.filters import read_filters
from hexapla.runs.lock import HOLDER, LOCK, locked
from hexapla.sources.config import SourceConfig
from tests.fixtures.builds import N_ROWS, toy_config, tree, write_text
from tests.fixtures.toy_translator import CountingTranslator, ToyTranslator


def test_a_resumed_build_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(toy_config(tmp_path, translator=CountingTranslator(fail_at=1)), quiet=True)
    with pytest.raises(InputError, match=r"corpus is not built yet.*--resume"):
        open_corpus(tmp_path / "corpus")
    counting = CountingTranslator()
    build(toy_config(tmp_path, translator=counting, resume=True), quiet=True)
    assert [n for n, retry in counting.calls if not retry] == [2 * (N_ROWS - 32)]
    build(toy_config(tmp_path, out=tmp_path / "whole"), quiet=True)
    assert tree(tmp_path / "corpus") == tree(tmp_path / "whole") | {
        "README.md": tree(tmp_path / "corpus")["README.md"]  # it begins with the folder's name
    }


def test_an_altered_part_is_made_again(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="max-loss"):
        build(toy_config(tmp_path, max_loss=0.0), quiet=True)
    part = tmp_path / "corpus.building" / "cells" / "deu_Latn" / "00000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    counting = CountingTranslator()
    build(toy_config(tmp_path, resume=True, translator=counting), quiet=True)
    assert [n for n, retry in counting.calls if not retry] == [64]
    assert len(open_corpus(tmp_path / "corpus")) == N_ROWS


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"translator": ToyTranslator(beam_size=1)}, r"translator\.beam_size was 4 and is 1"),
        ({"rows_per_shard": 16}, "rows_per_shard was 32 and is 16"),
        ({"to": ("deu_Latn", "spa_Latn")}, "to was .*fra_Latn.* and is .*spa_Latn"),
        ({"filters": "none"}, r"filters\."),
    ],
)
def test_a_changed_setting_refuses_to_resume_and_is_named(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(toy_config(tmp_path, translator=CountingTranslator(fail_at=1)), quiet=True)
    with pytest.raises(InputError, match=f"holds another run .*{told}"):
        build(toy_config(tmp_path, resume=True, **changes), quiet=True)


def test_a_changed_text_refuses_to_resume(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(toy_config(tmp_path, translator=CountingTranslator(fail_at=1)), quiet=True)
    path.write_text(path.read_text() + "eng01 eng02 eng03 eng04.\n")
    with pytest.raises(InputError, match=r"sources\.text\.txt\.sha256 was"):
        build(toy_config(tmp_path, resume=True), quiet=True)


def test_an_unfinished_or_finished_build_is_not_touched_unasked(tmp_path: Path) -> None:
    write_text(tmp_path)
    config = toy_config(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(replace(config, translator=CountingTranslator(fail_at=1)), quiet=True)
    with pytest.raises(InputError, match=r"unfinished run; --resume continues"):
        build(config, quiet=True)
    build(replace(config, resume=True), quiet=True)
    before = tree(tmp_path / "corpus")
    with pytest.raises(InputError, match=r"not empty.*--overwrite"):
        build(config, quiet=True)
    counting = CountingTranslator()
    build(replace(config, resume=True, translator=counting), quiet=True)
    assert counting.calls == () and tree(tmp_path / "corpus") == before


def test_the_old_corpus_stands_until_the_new_one_is_complete(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    failing = toy_config(
        tmp_path, overwrite=True, rows_per_shard=16, translator=CountingTranslator(fail_at=2)
    )
    with pytest.raises(InputError, match="broken down"):
        build(failing, quiet=True)
    assert len(open_corpus(tmp_path / "corpus")) == N_ROWS
    build(replace(failing, overwrite=False, resume=True, translator=ToyTranslator()), quiet=True)
    run = json.loads((tmp_path / "corpus" / "run.json").read_text())
    assert run["config"]["rows_per_shard"] == 16


def test_a_second_run_is_kept_out(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(toy_config(tmp_path, translator=CountingTranslator(fail_at=1)), quiet=True)
    with locked(tmp_path / "corpus.building"):
        for how in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match=r"another run is writing here \(process \d+ on "):
                build(toy_config(tmp_path, **how), quiet=True)


def test_a_start_leaves_alone_what_another_run_has_just_begun(tmp_path: Path) -> None:
    write_text(tmp_path)
    with locked(tmp_path / "corpus.building"):
        with pytest.raises(InputError, match="another run is writing here"):
            build(toy_config(tmp_path), quiet=True)
        assert tree(tmp_path / "corpus.building").keys() == {LOCK, HOLDER}
    build(toy_config(tmp_path), quiet=True)
    assert not (tmp_path / "corpus.building").exists()


def test_going_on_with_the_finished_build_leaves_another_unfinished_one_alone(
    tmp_path: Path,
) -> None:
    write_text(tmp_path)
    finished = toy_config(tmp_path)
    build(finished, quiet=True)
    other = toy_config(
        tmp_path, rows_per_shard=16, overwrite=True, translator=CountingTranslator(fail_at=1)
    )
    with pytest.raises(InputError, match="broken down"):
        build(other, quiet=True)
    before = tree(tmp_path / "corpus.building")
    with pytest.raises(InputError, match="rows_per_shard was 16 and is 32"):
        build(replace(finished, resume=True), quiet=True)
    assert tree(tmp_path / "corpus.building") == before


def test_a_text_that_is_no_longer_given_is_named(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    (tmp_path / "more.txt").write_text("eng01 eng02 eng03 eng04.\n")
    both = SourceConfig(texts=(str(text), str(tmp_path / "more.txt")), split_sentences=False)
    with pytest.raises(InputError, match="broken down"):
        build(
            toy_config(tmp_path, source=both, translator=CountingTranslator(fail_at=1)), quiet=True
        )
    with pytest.raises(InputError, match=r"sources\.order was .*more\.txt"):
        build(toy_config(tmp_path, resume=True), quiet=True)


@dataclass
class Unwelcome(ToyTranslator):
    """Cannot be made in another process."""

    def __setstate__(self, state: dict[str, object]) -> None:
        raise RuntimeError("not here")


@pytest.mark.slow
def test_workers_that_cannot_start_are_not_started_for_ever(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="die as they start"):
        build(toy_config(tmp_path, workers=2, translator=Unwelcome()), quiet=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path)
    fsync, n_calls = os.fsync, 0

    def fail_late(handle: int) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls > 20:
            raise OSError(number, os.strerror(number), str(tmp_path / "some.parquet"))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_late)
        with pytest.raises(InputError, match=f"some.parquet: {os.strerror(number)}; .*--resume"):
            build(toy_config(tmp_path), quiet=True)
    build(toy_config(tmp_path, resume=True), quiet=True)
    assert len(open_corpus(tmp_path / "corpus")) == N_ROWS


def test_a_task_that_keeps_failing_is_refused_at_last(tmp_path: Path) -> None:
    class Broken(ToyTranslator):
        def translate(self, *args: Any, **kwargs: Any) -> Any:
            raise MemoryError("no room")

    write_text(tmp_path)
    with pytest.raises(InputError, match=r"shard 00000 of deu_Latn, fra_Latn has failed 3 times"):
        build(toy_config(tmp_path, translator=Broken()), quiet=True)


def test_what_a_worker_of_another_build_left_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "00000.parquet"
    commit(pa.table({"text": ["Ein Haus."]}), path, "this build")
    for is_there in (is_committed, has_record):
        assert is_there(path, "this build")
        assert not is_there(path, "another build")
    path.with_suffix(".json").write_text("{")
    assert not is_committed(path, "this build") and not has_record(path, "this build")


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "attempts").mkdir()
    worker = ShardWorker(
        tmp_path, "key", "eng_Latn", ("deu_Latn",), ToyTranslator(), read_filters("default")
    )
    error = worker(ShardTask("cells", "00000", ("deu_Latn",))).error
    assert isinstance(error, InputError)
    assert "shared file system" in str(error)


def test_a_disk_on_which_no_build_could_start_does_not_promise_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stage, "start_build", full)
    with pytest.raises(InputError, match=r"building: No space left .*, then run the command again"):
        build(toy_config(tmp_path), quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
