"""The result folder: who may write there, and what is removed when it is replaced."""

from __future__ import annotations

import errno
from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from hexapla.errors import InputError
from hexapla.reproduce import stage
from hexapla.reproduce.check_reproduction import check_reproduction
from hexapla.runs.record import write_record
from tests.fixtures.matrix import toy_config, toy_recipe
from tests.runs.test_lock import holder


def test_files_that_are_not_ours_are_kept_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    for name in ("scores/a/scores.jsonl", "results.md", "notes.txt", "papers/draft.tex"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("")
    recipe = toy_recipe(tmp_path / "toy.toml")
    plan = SimpleNamespace(keys=make_dataclass("Keys", [])())
    stage._start(toy_config(recipe, tmp_path, out, overwrite=True), plan)  # type: ignore[arg-type]
    assert sorted(path.name for path in out.iterdir()) == [
        *("notes.txt", "papers", "recipe.toml", "run.json"),
    ]
    assert caplog.messages == [f"{out}: kept what no hexapla command wrote: notes.txt, papers"]


def test_a_second_run_is_told_who_holds_the_folder_whatever_it_was_asked(tmp_path: Path) -> None:
    write_record(tmp_path / "out", "reproduce", {})
    recipe = toy_recipe(tmp_path / "toy.toml")
    with holder(tmp_path / "out") as process_id:
        for how in ({}, {"resume": True}, {"overwrite": True}):
            config = toy_config(recipe, tmp_path, tmp_path / "out", **how)
            with pytest.raises(InputError, match=f"another run is writing .*process {process_id}"):
                check_reproduction(config)


def test_a_full_disk_is_told_in_one_line_and_leaves_no_empty_result_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = MagicMock(keys=make_dataclass("Keys", [])(), cells=[])

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name, value in {
        "check_reproduction": lambda config: None,
        "plan_matrix": lambda recipe: plan,
        "_estimate": MagicMock(),
        "_check_disk": lambda *_: None,
        "_open_executor": lambda config: (MagicMock(), None),
        "MatrixRunner": fail,
    }.items():
        monkeypatch.setattr(stage, name, value)
    config = toy_config(toy_recipe(tmp_path / "toy.toml"), tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="out: No space left on device; make room, then run"):
        stage.reproduce(config, quiet=True)
    assert not (tmp_path / "out").exists()
