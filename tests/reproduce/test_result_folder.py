"""Replacing a result folder removes what reproduce made, and nothing else."""

from __future__ import annotations

from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from hexapla.reproduce import stage
from tests.fixtures.matrix import toy_config, toy_recipe


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
