"""What no command wrote is found, and kept when an output is replaced."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from hexapla.runs.foreign_files import foreign_files, link_foreign, remove_own, warn_of_foreign

OWN = ("corpus.json", "part-*.parquet", "rejected/*.jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    for name in (
        "corpus.json",
        "part-00000.parquet",
        "rejected/deu_Latn.jsonl",
        ".lock",
        ".corpus.json.0a.partial",
        "notes.txt",
        "rejected/why.txt",
        ".git/objects/0a",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link").symlink_to("..")
    return folder


FOREIGN = [Path(".git"), Path("link"), Path("notes.txt"), Path("rejected/why.txt")]


def test_what_no_pattern_names_is_foreign_and_a_wholly_foreign_folder_is_one_entry(
    folder: Path,
) -> None:
    assert foreign_files(folder, OWN) == FOREIGN


def test_foreign_files_stand_in_the_old_and_the_new_folder_after_linking(
    folder: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    assert link_foreign(folder, new, OWN) == FOREIGN
    assert (new / "rejected/why.txt").read_text() == "rejected/why.txt"
    assert (new / ".git/objects/0a").samefile(folder / ".git/objects/0a")
    assert os.readlink(new / "link") == ".."
    assert not (new / "corpus.json").exists()


def test_a_folder_without_files_of_ours_is_joined_with_the_new_one_of_its_name(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "rejected/deu_Latn.jsonl").unlink()
    new = tmp_path / "new"
    (new / "rejected").mkdir(parents=True)
    (new / "rejected/deu_Latn.jsonl").write_text("new")
    assert Path("rejected") in link_foreign(folder, new, OWN)
    assert (new / "rejected/why.txt").read_text() == "rejected/why.txt"
    assert (new / "rejected/deu_Latn.jsonl").read_text() == "new"


def test_foreign_files_are_copied_where_the_file_system_has_no_links(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    new = tmp_path / "new"
    new.mkdir()
    link_foreign(folder, new, OWN)
    assert (new / "notes.txt").read_text() == "notes.txt"
    assert (new / "link").is_symlink()


def test_removing_what_is_ours_leaves_foreign_files(folder: Path) -> None:
    assert remove_own(folder, OWN) == FOREIGN
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert left == [
        *(".git", ".git/objects", ".git/objects/0a", "link", "notes.txt"),
        *("rejected", "rejected/why.txt"),
    ]


def test_a_folder_with_nothing_foreign_is_removed_whole(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "corpus.json").touch()
    assert remove_own(folder, OWN) == []
    assert not folder.exists()


def test_what_is_spared_stays_and_the_record_goes_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path: (removed.append(path.name), unlink(path)))
    remove_own(folder, ["*"], spared=[".lock"], last="corpus.json")
    assert removed[-1] == "corpus.json"
    assert list(folder.iterdir()) == [folder / ".lock"]


def test_the_warning_names_a_few_and_counts_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_foreign(tmp_path, [Path(f"note-{n}") for n in range(7)])
        warn_of_foreign(tmp_path, [])
    (record,) = caplog.records
    assert record.getMessage().endswith("note-0, note-1, note-2, note-3, note-4, 2 more")
