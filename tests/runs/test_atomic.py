"""Whole writes: a path holds the old content or the new, whatever fails in between."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from hexapla.runs import atomic


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic.write_beside(path) as partial:
        partial.write_text("new")
        assert not path.exists() and partial.parent == path.parent
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), atomic.write_beside(path) as partial:
        partial.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_content_and_name_are_on_the_disk_before_it_counts(monkeypatch, tmp_path: Path) -> None:
    done = []
    monkeypatch.setattr(atomic, "flush", lambda path: done.append(("flush", path)))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append(("replace", b)), replace(a, b)))
    atomic.write_text(tmp_path / "a.txt", "x")
    assert [what for what, _ in done] == ["flush", "replace", "flush"]
    assert done[0][1].name.endswith(".partial") and done[2][1] == tmp_path


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        atomic.write_json(tmp_path / "a.json", {"a": Path("b")})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644
    assert (tmp_path / "a.json").read_text() == '{\n  "a": "b"\n}\n'


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with atomic.make_beside(tmp_path / "folder") as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "a").write_text("1")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "deep" / "a").read_text() == "1"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_another_process_made_meanwhile_stands(tmp_path: Path) -> None:
    with atomic.make_beside(tmp_path / "folder") as partial:
        (partial / "a").write_text("mine")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "a").write_text("theirs")
    assert (tmp_path / "folder" / "a").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_replaced_or_put_back(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    final, partial = tmp_path / "final", tmp_path / "partial"
    for folder, content in ((final, "old"), (partial, "new")):
        folder.mkdir()
        (folder / "a").write_text(content)
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if Path(source) == partial:
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="no"):
        atomic.replace_folder(partial, final)
    assert (final / "a").read_text() == "old"
    monkeypatch.setattr(os, "rename", rename)
    atomic.replace_folder(partial, final)
    assert (final / "a").read_text() == "new" and list(tmp_path.iterdir()) == [final]


def test_a_folder_that_is_not_to_be_overwritten_stays(tmp_path: Path) -> None:
    final, partial = tmp_path / "final", tmp_path / "partial"
    for folder in (final, partial):
        folder.mkdir()
        (folder / "a").write_text(folder.name)
    with pytest.raises(OSError, match="Directory not empty"):
        atomic.replace_folder(partial, final, overwrite=False)
    assert (final / "a").read_text() == "final" and (partial / "a").read_text() == "partial"
    shutil.rmtree(final)
    atomic.replace_folder(partial, final, overwrite=False)
    assert (final / "a").read_text() == "partial" and list(tmp_path.iterdir()) == [final]


def test_the_older_folder_is_gone_even_when_the_flush_fails(monkeypatch, tmp_path: Path) -> None:
    final, partial = tmp_path / "final", tmp_path / "partial"
    final.mkdir()
    partial.mkdir()

    def failing(path: Path) -> None:
        raise OSError("Input/output error")

    monkeypatch.setattr(atomic, "flush", failing)
    with pytest.raises(OSError, match="Input/output error"):
        atomic.replace_folder(partial, final)
    assert list(tmp_path.iterdir()) == [final]


def test_entries_move_into_a_folder_that_keeps_its_others_and_one_comes_last(
    monkeypatch, tmp_path: Path
) -> None:
    folder, partial = tmp_path / "folder", tmp_path / "partial"
    for place, text in ((folder, "old"), (partial, "new")):
        (place / "deep").mkdir(parents=True)
        (place / "deep" / text).write_text(text)
        for name in ("a", "b"):
            (place / name).write_text(text)
    (folder / "kept").write_text("old")
    order, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(Path(b).name), replace(a, b)))
    atomic.move_into(partial, folder, last="a")
    assert order[-1] == "a" and sorted(order) == ["a", "b", "deep"]
    contents = {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert contents == {"a": "new", "b": "new", "deep/new": "new", "kept": "old"}
    assert not partial.exists()
