"""A matrix of experiments whose recipe changes: what is done again is what the change touches, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hexapla.reproduce import estimate, job_worker, matrix_estimate, reproduce
from hexapla.reproduce.experiment_reader import read_experiments
from hexapla.reproduce.matrix_plan import plan_matrix
from tests.fixtures.matrix import results, toy_config, toy_recipe


@pytest.mark.slow
def test_a_changed_list_of_seeds_or_encoders_does_only_what_is_new(
    data: Path, out: Path, tmp_path: Path, here: list[str]
) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in (out / "scores").rglob("*") if path.is_file()
    }
    here.clear()
    reproduce(toy_config(toy_recipe(tmp_path / "toy.toml", seeds=(0, 3)), data, out, resume=True))
    assert here == ["one, toy, en-x, rows, seed 3", "one, toy, multiway, rows, seed 3"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    found = json.loads((out / "results.json").read_text())
    assert {value["n_seeds"] for value in found["values"] if value["regime"] != "base"} == {2}
    here.clear()
    reproduce(toy_config(toy_recipe(tmp_path / "toy.toml", seeds=(0, 3)), data, out, resume=True))
    assert here == []


@pytest.mark.slow
def test_a_suite_whose_data_changed_is_measured_again_and_nothing_is_trained(
    data: Path, out: Path, tmp_path: Path, here: list[str]
) -> None:
    own, recipe = tmp_path / "data", toy_recipe(tmp_path / "toy.toml")
    shutil.copytree(data, own)
    weights = {
        path: path.stat().st_mtime_ns for path in (out / "encoders").rglob("model.safetensors")
    }
    from hexapla.corpus.writer import write_corpus
    from tests.fixtures.toy import LANGUAGES, toy_rows

    write_corpus(toy_rows(20, seed=11), own / "test", languages=LANGUAGES, overwrite=True)
    reproduce(toy_config(recipe, own, out, resume=True))
    assert len(here) == 3
    assert {
        path: path.stat().st_mtime_ns for path in (out / "encoders").rglob("model.safetensors")
    } == weights
    assert len(list((out / "scores").glob("*/toy-*"))) == 6


@pytest.mark.slow
def test_budgets_that_come_to_the_same_share_a_cell_and_compare(
    data: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(recipe.read_text() + 'budgets = ["rows", "encodings"]\n')
    outcome = reproduce(toy_config(recipe, data, tmp_path / "out"))
    assert outcome.n_cells == 4 and len([label for label in here if "multiway" in label]) == 1
    comparison = json.loads(
        (tmp_path / "out/comparisons/main.encodings/comparison.json").read_text()
    )
    assert [run["n_encodings"] for run in comparison["runs"]][:3:2] == [256, 256]
    assert not [note for note in comparison["notes"] if "budget" in note]


@pytest.mark.slow
def test_a_new_suite_trains_again_what_was_not_kept(
    data: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe, out = toy_recipe(tmp_path / "toy.toml"), tmp_path / "out"
    reproduce(toy_config(recipe, data, out, keep_encoders=False))
    kept = results(out)
    recipe.write_text(
        recipe.read_text().replace('data = "DATA/test"', 'data = "DATA/test"\nseed = 7')
    )
    outcome = reproduce(toy_config(recipe, data, out, keep_encoders=False, resume=True))
    assert (outcome.n_done, outcome.failures) == (3, {})
    again = {
        name: sha
        for name, sha in results(out).items()
        if name.endswith("scores.jsonl") and name not in kept
    }
    assert len(again) == 3 and not list((out / "encoders").rglob("model.safetensors"))


@pytest.mark.slow
def test_data_and_results_may_move(
    data: Path, tmp_path: Path, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = job_worker.evaluate

    def stops(config, **options):  # type: ignore[no-untyped-def]
        real(config, **options)
        (Path(config.out) / "scores.jsonl").unlink()  # as if it had been killed just before its end
        raise RuntimeError("killed")

    recipe = toy_recipe(tmp_path / "toy.toml")
    monkeypatch.setattr(job_worker, "evaluate", stops)
    assert len(reproduce(toy_config(recipe, data, tmp_path / "out")).failures) == 3
    monkeypatch.setattr(job_worker, "evaluate", real)
    shutil.copytree(data, tmp_path / "elsewhere")
    (tmp_path / "out").rename(tmp_path / "moved")
    weights = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "moved").rglob("model.safetensors")
    }
    outcome = reproduce(toy_config(recipe, tmp_path / "elsewhere", tmp_path / "moved", resume=True))
    assert (outcome.n_done, outcome.failures, len(weights)) == (3, {}, 2)
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


@pytest.mark.slow
def test_what_no_number_depends_on_is_done_by_no_change_again(
    data: Path, out: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    text = recipe.read_text().replace(
        "[align]", "[align]\nchunk_tokens = 64\ncheckpoint_steps = 9\ntemperature = 0.02"
    )
    recipe.write_text(
        text.replace('suite = "bitext"', 'suite = "bitext"\nbatch_size = 5\nheld_out = 0.05')
    )
    reproduce(toy_config(recipe, data, out, resume=True))
    assert here == []
    recipe.write_text(text.replace("temperature = 0.02", "temperature = 0.06"))
    reproduce(toy_config(recipe, data, out, resume=True))
    assert here == ["one, toy, en-x, rows, seed 0", "one, toy, multiway, rows, seed 0"]


@pytest.mark.slow
def test_a_name_is_not_what_it_names(
    data: Path, out: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    before = json.loads((out / "results.json").read_text())["values"]
    text = (
        recipe.read_text()
        .replace("[regimes.multiway]", "[regimes.ours]")
        .replace('"multiway"]', '"ours"]')
    )
    for old, new in (
        ("corpora.toy", "corpora.rows"),
        ('["toy"]\nregimes', '["rows"]\nregimes'),
        ("one", "mine"),
    ):
        text = text.replace(old, new)
    recipe.write_text(
        text.replace("DATA/mine", "DATA/one").replace("experiments.main", "experiments.other")
    )
    assert estimate(toy_config(recipe, data, out))[1].n_cells == 0
    reproduce(toy_config(recipe, data, out, resume=True))
    assert here == []
    after = json.loads((out / "results.json").read_text())["values"]
    assert {value["regime"] for value in after} == {"base", "en-x", "ours"}
    assert [value["value"] for value in after] == [value["value"] for value in before]
    assert [path.name for path in (out / "comparisons").iterdir()] == ["other"], (
        "what has no place in the recipe goes"
    )
    assert "| rows | 32 | 32 | 4 |" in (out / "results.md").read_text()


def test_a_suite_on_the_hub_is_of_the_revisions_that_mteb_names(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(
        recipe.read_text().replace('suite = "bitext"\ndata = "DATA/test"', 'suite = "Tatoeba"')
    )
    found = []
    for revision in ("yesterday", "today", "today"):
        monkeypatch.setattr(
            "hexapla.reproduce.suite_size.data_source",
            lambda task, revision=revision: (task, revision),
        )
        found.append(plan_matrix(read_experiments(recipe, data), dry_run=True).keys.suites["toy"])
    assert found[0] != found[1] == found[2]


@pytest.mark.slow
def test_what_stands_is_not_in_the_estimate(
    data: Path, out: Path, tmp_path: Path, here: list[str]
) -> None:
    recipe = toy_recipe(tmp_path / "toy.toml")
    _, whole = estimate(toy_config(recipe, data, tmp_path / "new"))
    text = recipe.read_text().replace('suites = ["toy"]', 'suites = ["toy", "more"]')
    recipe.write_text(text + '\n[suites.more]\nsuite = "bitext"\ndata = "DATA/test"\nseed = 7\n')
    _, left = estimate(toy_config(recipe, data, out))
    assert left.n_cells == 3 and left.disk_mib == 15 < whole.disk_mib, "scores alone, no training"
    _, anew = estimate(toy_config(recipe, data, out, overwrite=True))
    assert anew.disk_mib > whole.disk_mib, "what is dropped counts for nothing"
    assert reproduce(toy_config(recipe, data, out, resume=True)).n_done == 3
    assert len(list((out / "encoders").glob("*"))) == 2


def test_the_search_for_hard_negatives_is_in_the_estimate(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_estimate, "_operations_per_second", lambda: 1e6)
    recipe = toy_recipe(tmp_path / "toy.toml")
    config = toy_config(recipe, data, tmp_path / "new")
    _, plain = estimate(config)
    recipe.write_text(recipe.read_text().replace("[align]", "[align]\nhard_negatives = 2"))
    _, searched = estimate(config)
    assert searched.seconds > 1.1 * plain.seconds
