"""A build: every sentence becomes a row, every rejected cell has its reason, and a resumed one repeats nothing."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hexapla.align import AlignConfig, align
from hexapla.build import build, estimate_build
from hexapla.build.files import commit, committed
from hexapla.build.work import Task, Worker
from hexapla.corpus import open_corpus
from hexapla.errors import InputError
from hexapla.filters import read_filters
from hexapla.sources import SourceConfig
from hexapla.translate.translator import Translation
from tests.toy import toy_rows
from tests.toy_build import N_ROWS, toy_config, tree, write_text
from tests.toy_translator import ToyTranslator


@dataclass
class CountingTranslator(ToyTranslator):
    """Notes how many texts it was asked for in each call, and may fail."""

    calls: Sequence[tuple[int, bool]] = ()
    fail_at: int | None = None

    def translate(self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False) -> list[Translation]:
        if len(self.calls) == self.fail_at:
            raise InputError("the toy translator has broken down")
        self.calls = (*self.calls, (len(texts), retry))
        return super().translate(texts, targets, retry=retry)


def rejected(folder: Path, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "rejected" / f"{name}.jsonl").read_text().splitlines()]


def test_every_sentence_becomes_a_row_in_order_with_its_right_translations(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    rows = list(corpus.rows())
    assert [row["eng_Latn"] for row in rows] == [f"{row['eng_Latn']}." for row in toy_rows(N_ROWS)]
    for built, toy in zip(rows, toy_rows(N_ROWS), strict=True):
        for language in ("deu_Latn", "fra_Latn"):
            assert built[language] in (f"{toy[language]}.", None)
    assert corpus.manifest["counts"]["sources"]["left_out"] == {"duplicate": 6, "too short": 1}
    assert corpus.manifest["columns"]["deu_Latn"] == {"translator": "toy", "beam_size": 4}
    assert rows[0]["meta.source"] == "text.txt:1"
    assert not (tmp_path / "corpus.building").exists()


def test_a_broken_cell_is_retranslated_then_nulled_and_kept_with_its_reason(tmp_path: Path) -> None:
    write_text(tmp_path)
    report = build(toy_config(tmp_path), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    translator = ToyTranslator()
    wrong = again = 0
    for language in ("deu_Latn", "fra_Latn"):
        entries = {entry["source"]: entry for entry in rejected(tmp_path / "corpus", language)}
        for row in corpus.rows():
            source = str(row["eng_Latn"])
            first, second = (translator.translate([source], [language], retry=retry)[0].text for retry in (False, True))
            if "\ufffd" in str(first):
                is_wrong_again = "\ufffd" in str(second)
                assert (entries[source]["cell"], entries[source]["reason"]) == (first, "marks")
                assert row[language] == (None if is_wrong_again else second)
                wrong += is_wrong_again
                again += not is_wrong_again
            else:
                assert source not in entries
                assert row[language] == first
    assert wrong and again
    assert corpus.manifest["counts"]["cells"]["retranslated"] == again
    assert sum(column.reasons["marks"] for column in report.columns.values()) == wrong


def test_a_row_with_a_rejected_cell_is_dropped_when_the_policy_says_so(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path, policy="drop-row"), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    dropped = rejected(tmp_path / "corpus", "rows")
    assert all(None not in row.values() for row in corpus.rows())
    assert dropped and len(corpus) + len(dropped) == N_ROWS


def test_without_filters_every_translation_stays(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path, filters="none"), quiet=True)
    assert open_corpus(tmp_path / "corpus").cells("deu_Latn").count(None) == 0


def test_a_language_that_loses_too_much_stops_the_build_and_shows_why(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match=r"(deu|fra)_Latn.*--max-loss"):
        build(toy_config(tmp_path, max_loss=0.01), quiet=True)
    assert not (tmp_path / "corpus").exists()
    assert rejected(tmp_path / "corpus.building", "deu_Latn")
    counting = CountingTranslator()
    build(toy_config(tmp_path, max_loss=0.5, resume=True, translator=counting), quiet=True)
    assert counting.calls == ()
    assert len(open_corpus(tmp_path / "corpus")) == N_ROWS


def test_the_shards_and_workers_change_nothing_in_the_rows(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    rows = list(open_corpus(tmp_path / "corpus").rows())
    for changes in ({"rows_per_shard": 7}, {"translator": ToyTranslator(multilingual=False)}):
        build(toy_config(tmp_path, out=tmp_path / "other", overwrite=True, **changes), quiet=True)
        assert list(open_corpus(tmp_path / "other").rows()) == rows


def test_a_multilingual_translator_gets_full_batches_and_another_one_language_at_a_time(tmp_path: Path) -> None:
    write_text(tmp_path)
    for multilingual, first_call in ((True, 64), (False, 32)):
        counting = CountingTranslator(multilingual=multilingual)
        build(toy_config(tmp_path, translator=counting, overwrite=True), quiet=True)
        assert counting.calls[0] == (first_call, False)


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
    with pytest.raises(InputError, match=r"unfinished run; --resume goes on"):
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
    failing = toy_config(tmp_path, overwrite=True, rows_per_shard=16, translator=CountingTranslator(fail_at=2))
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
    with (tmp_path / "corpus.building" / ".lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for how in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match=r"another build is at work here \(process \d+\)"):
                build(toy_config(tmp_path, **how), quiet=True)


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


def test_evaluation_sentences_and_near_repetitions_never_become_rows(tmp_path: Path) -> None:
    lines = [
        "A man is playing the guitar on a stage.",
        "A man is playing the guitar on the stage!",
        "The cat sleeps on the old wooden chair.",
        "Two dogs run along the river in the rain.",
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    (tmp_path / "test.txt").write_text("the cat sleeps on the old wooden chair\n")
    config = toy_config(
        tmp_path, near_duplicates=0.8, against=(str(tmp_path / "test.txt"),), filters="none", translator=ToyTranslator()
    )
    build(config, quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.cells("eng_Latn") == [lines[0], lines[3]]
    left_out = {entry["text"]: entry["reason"] for entry in rejected(tmp_path / "corpus", "sentences")}
    assert left_out == {lines[1]: "near-duplicate", lines[2]: f"in {tmp_path / 'test.txt'}"}
    assert corpus.manifest["against"][0]["n_sentences"] == 1


def test_a_translated_evaluation_sentence_takes_its_row_away(tmp_path: Path) -> None:
    write_text(tmp_path)
    first = toy_rows(N_ROWS)[0]
    (tmp_path / "test.txt").write_text(f"{first['deu_Latn']}\n")
    build(
        toy_config(tmp_path, against=(str(tmp_path / "test.txt"),), filters="none", translator=ToyTranslator(bad=10**9))
    )
    corpus = open_corpus(tmp_path / "corpus")
    assert len(corpus) == N_ROWS - 1
    assert f"{first['eng_Latn']}." not in corpus.cells("eng_Latn")
    assert corpus.manifest["counts"]["cells"]["rows_in_evaluation_sets"] == 1


def test_an_estimate_counts_and_writes_nothing(tmp_path: Path) -> None:
    write_text(tmp_path)
    estimate = estimate_build(toy_config(tmp_path))
    assert (estimate.n_sentences, estimate.n_languages) == (N_ROWS, 2)
    assert estimate.left_out == {"duplicate": 6, "too short": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"to": ("eng_Latn", "deu_Latn")}, "eng_Latn is the pivot"),
        ({"policy": "drop-rows"}, 'did you mean "drop-row"'),
        ({"workers": 0}, "workers is 0"),
        ({"max_loss": 20}, "max_loss is 20; it is a share"),
        ({"address": "auto"}, "--executor ray"),
        ({"near_duplicates": 0.0}, "above 0"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        toy_config(tmp_path, **changes)


def test_a_language_that_the_translator_lacks_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="has no jpn_Jpan"):
        build(toy_config(tmp_path, to=("jpn_Jpan",)), quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


def test_a_missing_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        build(toy_config(tmp_path, source=SourceConfig(texts=(str(tmp_path / "nowhere.txt"),))), quiet=True)


def test_a_built_corpus_aligns(tmp_path: Path) -> None:
    from tests.toy import toy_encoder

    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    config = AlignConfig(
        corpus=str(tmp_path / "corpus"), encoder=str(toy_encoder(tmp_path / "encoder")), out=tmp_path / "aligned",
        rows_per_step=16, report_to="none",
    )  # fmt: skip
    assert align(config, quiet=True)["n_rows_seen"] == N_ROWS


def test_a_task_that_keeps_failing_is_refused_at_last(tmp_path: Path) -> None:
    class Broken(ToyTranslator):
        def translate(self, *args: Any, **kwargs: Any) -> Any:
            raise MemoryError("no room")

    write_text(tmp_path)
    with pytest.raises(InputError, match=r"shard 00000 of deu_Latn, fra_Latn has failed 3 times"):
        build(toy_config(tmp_path, translator=Broken()), quiet=True)


def test_what_a_worker_of_another_build_left_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "00000.parquet"
    record = commit(pa.table({"text": ["Ein Haus."]}), path, "this build")
    assert committed(path, "this build") == record
    assert committed(path, "another build") is None


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "attempts").mkdir()
    worker = Worker(tmp_path, "key", "eng_Latn", ("deu_Latn",), ToyTranslator(), read_filters("default"))
    receipt = worker(Task("cells", "00000", ("deu_Latn",)))
    assert isinstance(receipt.error, InputError)
    assert "shared file system" in str(receipt.error)
