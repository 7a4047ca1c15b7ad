"""A matrix of experiments, whatever happens to it.

Pinned here: killed and resumed it equals the uninterrupted one; a cell that fails leaves a hole
with its reason, and the others go on; what stands in a folder is not lost.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from pkgutil import resolve_name

import pytest

from hexapla.cli.app import main
from hexapla.errors import InputError
from hexapla.reproduce import estimate, job_worker, matrix_runner, reproduce
from tests.fixtures.forks import fork_workers, forks
from tests.fixtures.matrix import do_here, one_thread, results, toy_config, toy_recipe


@pytest.mark.slow
def test_two_workers_and_a_page_from_the_command_line(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fork_workers(monkeypatch)
    recipe = toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(recipe.read_text().replace("page = false", ""))
    out = tmp_path / "out"
    assert (
        main(["reproduce", str(recipe), "--data", str(data), "--out", str(out), "--workers", "2"])
        == 0
    )
    assert capsys.readouterr().out.strip() == f"{out}/results.md: 3 of 3 cells done now, 0 failed"
    page = (out / "comparisons" / "main" / "report.html").read_text()
    assert "Headline gains over en-x" in page
    said = (out / "results.md").read_text()
    assert "Baseline en-x; encoder one; corpus toy; budget rows; suite toy." in said
    assert all(
        f"| task | languages | {kind} | how many | means, % |" in said
        for kind in ("script", "family")
    )
    assert "| bitext/test | seen | Germanic | 1 | en-x " in said
    found = json.loads((out / "results.json").read_text())
    values = {
        (value["regime"], value["languages"]): value["value"]
        for value in found["values"]
        if value["task"].startswith("bitext/")
    }
    assert values["multiway", "seen"] > values["en-x", "seen"] > values["base", "seen"]


def _die_at(name: str, place: int, recipe: Path, data: Path, out: Path) -> None:
    """Run in a process of its own, and die in the call of that number of a function."""
    patch = pytest.MonkeyPatch()
    do_here(patch)
    real, n_calls = resolve_name(name), 0

    def deadly(*given, **options):  # type: ignore[no-untyped-def]
        nonlocal n_calls
        n_calls += 1
        if n_calls == place:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **options)

    patch.setattr(name, deadly)
    with one_thread():
        reproduce(toy_config(recipe, data, out))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "place", "n_left"),
    [
        ("hexapla.evaluation.resume.record_measurement", 2, 3),
        ("hexapla.alignment.stage.save_encoder", 2, 1),
    ],
)
def test_killed_and_resumed_it_equals_the_uninterrupted(
    data: Path, done: Path, tmp_path: Path, here: list[str], name: str, place: int, n_left: int
) -> None:
    recipe, out = toy_recipe(tmp_path / "toy.toml"), tmp_path / "killed"
    process = forks().Process(target=_die_at, args=(name, place, recipe, data, out))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with one_thread():
        assert reproduce(toy_config(recipe, data, out, resume=True)).n_done == n_left
    assert results(out) == results(done)


@pytest.mark.slow
def test_a_cell_that_fails_leaves_a_hole_and_its_reason(
    data: Path,
    tmp_path: Path,
    here: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = job_worker.align

    def fails(config, **options):  # type: ignore[no-untyped-def]
        if config.seed == 1 and config.regime == "en-x":
            raise RuntimeError("no room on the device")
        return real(config, **options)

    monkeypatch.setattr(job_worker, "align", fails)
    recipe = toy_recipe(tmp_path / "toy.toml", seeds=(0, 1))
    recipe.write_text(recipe.read_text().replace("page = false", ""))
    out = tmp_path / "out"
    assert main(["reproduce", str(recipe), "--data", str(data), "--out", str(out)]) == 1
    reason = "one, toy, en-x, rows, seed 1 is missing: RuntimeError: no room on the device"
    assert reason in (out / "results.md").read_text()
    assert reason in (out / "comparisons" / "main" / "report.html").read_text()
    assert "1 failed" in capsys.readouterr().out
    assert (
        "RuntimeError: no room on the device"
        in next((out / "logs").glob("*en-x.rows.seed1*")).read_text()
    )
    monkeypatch.setattr(job_worker, "align", real)
    recipe.write_text(recipe.read_text() + "page = false\n")  # it takes longer than the cell
    assert reproduce(toy_config(recipe, data, out, resume=True)).n_done == 1
    assert "missing" not in (out / "results.md").read_text()


@pytest.mark.slow
def test_a_cell_whose_process_dies_is_told_and_the_others_go_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_here(monkeypatch, deadly="one, toy, en-x, rows, seed 0")
    recipe, out = toy_recipe(tmp_path / "toy.toml"), tmp_path / "out"
    outcome = reproduce(toy_config(recipe, data, out))
    assert outcome.n_done == 2
    (label, reason), *_ = outcome.failures.items()
    assert label == "one, toy, en-x, rows, seed 0"
    assert reason.startswith("its process died (signal 9; out of memory?) (")
    assert f"{label} is missing: {reason}" in (out / "results.md").read_text()


@pytest.mark.slow
def test_encoders_that_are_not_kept_leave_their_records(
    data: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe, out = toy_recipe(tmp_path / "toy.toml"), tmp_path / "out"
    reproduce(toy_config(recipe, data, out, keep_encoders=False))
    left = {path.name for path in (out / "encoders").rglob("*") if path.is_file()}
    assert left == {"align.json", "run.json", "README.md"}
    assert reproduce(toy_config(recipe, data, out, keep_encoders=False, resume=True)).n_done == 0


@pytest.mark.slow
def test_regimes_that_differ_in_any_setting_are_columns_of_their_own(
    data: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml", seeds=(0, 1))
    text = recipe.read_text().replace(
        "[regimes.en-x]", '[regimes.warmer]\nregime = "multiway"\nwarmup = 0.5\n[regimes.en-x]'
    )
    recipe.write_text(text.replace('"en-x", "multiway"', '"en-x", "multiway", "warmer"'))
    reproduce(toy_config(recipe, data, tmp_path / "out"))
    found = json.loads((tmp_path / "out/comparisons/main/comparison.json").read_text())
    assert [run["label"] for run in found["runs"]] == [
        "en-x, 2 seeds",
        "base",
        "multiway, 2 seeds",
        "warmer, 2 seeds",
    ]


@pytest.mark.slow
def test_what_is_read_is_not_dropped(data: Path, out: Path, tmp_path: Path) -> None:
    before = results(out)
    with pytest.raises(InputError, match=r"holds the recipe, .*recipe.toml; give another folder"):
        reproduce(toy_config(out / "recipe.toml", data, out, overwrite=True))
    recipe = toy_recipe(tmp_path / "toy.toml")
    (out / "text.txt").write_text("It is raining.\n")
    build = f'build = {{texts = "{out / "text.txt"}", to = ["deu_Latn"], translator = "org/nmt"}}'
    recipe.write_text(recipe.read_text().replace('path = "DATA/corpus"', build))
    with pytest.raises(InputError, match=r"holds the input .*text.txt, .*; give another folder"):
        reproduce(toy_config(recipe, data, out, overwrite=True))
    assert results(out) == before


@pytest.mark.slow
def test_a_corpus_that_fails_takes_its_own_cells_along_and_no_others(
    data: Path, tmp_path: Path, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = matrix_runner.make_corpus

    def fails(recipe, out):  # type: ignore[no-untyped-def]
        if recipe.n_rows == 24:
            raise OSError("No space left on device")
        return real(recipe, out)

    monkeypatch.setattr(matrix_runner, "make_corpus", fails)
    recipe = toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(recipe.read_text().replace("n_rows = 32", "n_rows = [24, 48]"))
    outcome = reproduce(toy_config(recipe, data, tmp_path / "out"))
    assert set(outcome.failures.values()) == {"its corpus toy-24 failed: No space left on device"}
    assert outcome.n_done == 3 and set(outcome.lacking) == {"main.toy-24"}
    assert "its corpus toy-24 failed" in (tmp_path / "out" / "results.md").read_text()


@pytest.mark.slow
def test_a_sweep_is_drawn_and_its_values_stand_in_the_table(
    data: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml", seeds=(0, 1))
    recipe.write_text(recipe.read_text().replace("n_rows = 32", "n_rows = [12, 48]"))
    out = tmp_path / "out"
    assert reproduce(toy_config(recipe, data, out)).n_cells == 9
    assert "![main](figures/main-n_rows.svg)" in (out / "results.md").read_text()
    drawn = (out / "figures" / "main-n_rows.svg").read_text()
    assert all(word in drawn for word in ("multiway", "en-x", "n rows", "seen"))
    found = json.loads((out / "results.json").read_text())["values"]
    of = [value for value in found if (value["corpus"], value["regime"]) == ("toy-48", "multiway")]
    gains = of[0]["interval_seeds"]
    assert (
        of[0]["n_seeds"] == 2
        and sum(gains) / 2 == pytest.approx(of[0]["gain"])
        and gains[0] <= gains[1]
    )


@pytest.mark.slow
def test_sweeps_of_several_corpora_are_told_apart_by_their_names(
    data: Path, tmp_path: Path, here: list[str]
) -> None:
    long = "toy-with-some-of-its-cells-missing"
    more = f'[corpora.{long}]\npath = "DATA/corpus"\nn_rows = [12, 24]\nmissing = 0.3\n'
    recipe = toy_recipe(tmp_path / "toy.toml", more=more)
    text = recipe.read_text().replace("n_rows = 32", "n_rows = [12, 24]")
    recipe.write_text(text.replace('corpora = ["toy"]', f'corpora = ["toy", "{long}"]'))
    reproduce(toy_config(recipe, data, tmp_path / "out"))
    drawn = (tmp_path / "out" / "figures" / "main-n_rows.svg").read_text()
    labels = [
        label for label in (">toy<", f">{long}<", ">multiway<", ">en-x<") if label not in drawn
    ]
    assert not labels, "colours are of the training, shapes of the corpus, each with its whole name"


@pytest.mark.slow
def test_a_dry_run_writes_nothing_and_knows_what_is_done(
    data: Path, done: Path, tmp_path: Path
) -> None:
    recipe, out = toy_recipe(tmp_path / "toy.toml"), tmp_path / "new"
    plan, before = estimate(toy_config(recipe, data, out))
    assert (len(plan.cells), before.n_cells, out.exists()) == (3, 3, False)
    assert before.seconds > 0 and before.disk_mib > 0
    _, after = estimate(toy_config(recipe, data, done))
    assert after.n_cells == 0


@pytest.mark.slow
def test_what_stands_in_the_folder_is_not_lost(data: Path, out: Path, tmp_path: Path) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    with pytest.raises(InputError, match="holds results; --resume continues them"):
        reproduce(toy_config(recipe, data, out))
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**run, "format": 0}))
    with pytest.raises(InputError, match="holds results of format 0; this version"):
        reproduce(toy_config(recipe, data, out, resume=True))
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    for changes in ({}, {"overwrite": True}):
        with pytest.raises(InputError, match="not empty, and it holds no results of reproduce"):
            reproduce(toy_config(recipe, data, other, **changes))
    assert (other / "thesis.tex").read_text() == "mine"


def test_too_little_disk_is_said_before_it_starts(
    data: Path, tmp_path: Path, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**20))
    with pytest.raises(InputError, match=r"[1-9]\d* MiB are needed and 1 MiB are free"):
        reproduce(toy_config(toy_recipe(tmp_path / "toy.toml"), data, tmp_path / "out"))
    assert not (tmp_path / "out").exists() and here == []
