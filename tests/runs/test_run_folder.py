"""The folder of a run: what a failed one leaves, what is kept, and paths that hold each other."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hexapla.encoder.save import ENCODER_FILES
from hexapla.errors import InputError
from hexapla.evaluation.stage import SCORE_FILES
from hexapla.runs.foreign_files import foreign_files
from hexapla.runs.record import (
    check_apart,
    check_folder_to_be,
    check_run_folder,
    write_record,
)
from hexapla.runs.run_folder import hold_file, hold_run, remove_run
from tests.runs.test_lock import holder


def fail(folder: Path, *left: str, error: Exception | None = None) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with hold_run(folder, worthless=["logs/*"]):
        write_record(folder, "align", {})
        for name in left:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        raise error or full


def test_a_full_disk_leaves_no_folder_that_nothing_can_be_resumed_from(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(InputError, match=r"out: No space left on device; make room, then run"):
        fail(folder, "logs/events")
    assert not folder.exists()
    with pytest.raises(InputError, match=r"No space left .* then continue with --resume"):
        fail(folder, "checkpoints/1")
    with pytest.raises(InputError, match="No space left"):
        fail(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "run.json"]


def test_a_link_of_the_users_is_not_taken_for_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "data").symlink_to(tmp_path)
    with pytest.raises(InputError, match="No space left"):
        fail(folder)
    assert (folder / "data").is_symlink()


def test_a_fault_of_the_program_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="bug"):
        fail(tmp_path / "out", error=ZeroDivisionError("bug"))
    assert (tmp_path / "out" / "run.json").exists()


def test_a_second_run_is_told_who_holds_the_folder_whatever_it_was_asked(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_record(folder, "align", {})
    with holder(folder) as process_id:
        with pytest.raises(InputError, match=f"another run .*process {process_id}"):
            check_run_folder(folder, "align", {}, done="x", resume=False, overwrite=False)
        with (
            pytest.raises(InputError, match=f"another run .*process {process_id}"),
            hold_run(folder),
        ):
            pass
    with pytest.raises(InputError, match="holds an unfinished run"):
        check_run_folder(folder, "align", {}, done="x", resume=False, overwrite=False)


def test_the_lock_of_a_file_is_a_hidden_folder_that_goes(tmp_path: Path) -> None:
    with hold_file(tmp_path / "out.tsv"):
        assert (tmp_path / ".out.tsv.writing").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_replacing_a_run_keeps_and_names_what_is_not_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "out"
    write_record(folder, "evaluate", {})
    (folder / "per_item").mkdir()
    for name in ("scores.jsonl", "per_item/a.parquet", "notes.txt"):
        (folder / name).touch()
    with hold_run(folder):
        remove_run(folder, SCORE_FILES)
        assert "notes.txt" in caplog.text and len(caplog.records) == 1
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_all_files_of_an_encoder_are_ours(tmp_path: Path) -> None:
    for name in (
        *("modules.json", "model.safetensors", "model-00001-of-00002.safetensors", "vocab.txt"),
        *("model.safetensors.index.json", "sentencepiece.bpe.model", "1_Pooling/config.json"),
        *("2_Dense/model.safetensors", "checkpoints/checkpoint-1/whole.json", "logs/events.1"),
        *("config_sentence_transformers.json", "sentence_bert_config.json", "tokenizer.json"),
        *("notes.txt", "1_Pooling/notes.txt", "scores/scores.jsonl", "my.safetensors"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path) for path in foreign_files(tmp_path, ENCODER_FILES)] == [
        *("1_Pooling/notes.txt", "my.safetensors", "notes.txt", "scores")
    ]


def test_an_output_is_compared_with_inputs_through_links(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "corpus")
    with pytest.raises(InputError, match="holds the corpus"):
        check_apart(tmp_path / "out", {"corpus": str(tmp_path / "corpus")})
    with pytest.raises(InputError, match="holds the vectors"):
        check_apart(tmp_path / "new", {"vectors": tmp_path / "new" / "none"})
    check_apart(tmp_path / "corpus" / "scores", {"corpus": tmp_path / "corpus"})
    with pytest.raises(InputError, match=r"lies in the corpus, .*; give another path"):
        check_apart(tmp_path / "corpus" / "x", {"corpus": tmp_path / "corpus"}, inside=False)


def test_an_output_that_is_a_link_in_a_circle_is_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop: a link leads back to itself"):
        check_folder_to_be(tmp_path / "loop")
