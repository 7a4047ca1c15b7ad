"""Regimes are compared at equal budgets on equal corpora only, as the records of their training say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.report.markdown_tables import comparison_to_markdown
from tests.fixtures.score_folders import (
    BITEXT,
    DEU,
    hits,
    record,
    run_compare,
    shown,
    write_aligned,
    write_run,
)

MEASURED = {(BITEXT, DEU): hits(5)}


def regimes(tmp_path: Path, **changed: object) -> tuple[Path, Path]:
    """Write en-x and multiway, the latter with something changed in its training."""
    return (
        write_aligned(tmp_path / "en-x", MEASURED, "en-x"),
        write_aligned(tmp_path / "multiway", MEASURED, "multiway", **changed),
    )


def flat(text: str) -> str:
    return " ".join(text.split())


def test_regimes_at_equal_rows_compare_and_the_budget_is_named(tmp_path: Path) -> None:
    comparison = run_compare(*regimes(tmp_path))
    assert [(run.budget, run.n_rows_seen, run.n_encodings) for run in comparison.runs] == [
        ("rows", 10_000, 20_000),
        ("rows", 10_000, 70_000),
    ]
    assert not any("budget" in note for note in comparison.notes)
    told = (
        "Budget: rows. en-x saw 10,000 rows and encoded 20,000 sentences; "
        "multiway saw 10,000 rows and encoded 70,000 sentences."
    )
    assert told in flat(shown(comparison)) and told in comparison_to_markdown(comparison)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"n_rows_seen": 10_102},
            r"had different budgets: .*multiway rows, 10,102 rows seen, 70,000 sentences",
        ),
        (
            {"budget": "converged"},
            r"had different budgets: en-x rows, 10,000 rows seen, 20,000 sentences .*converged",
        ),
        (
            {"corpus_sha256": "decade5678"},
            r"had different corpora, or other columns or rows of one: .*\(c0ffee12\); .*\(decade56\)",
        ),
    ],
)
def test_regimes_at_other_budgets_or_on_other_corpora_are_refused_unless_asked_for(
    tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    paths = regimes(tmp_path, **changed)
    whole = rf"en-x \(.*en-x\) and multiway \(.*multiway\) {told}.*; align both .*, or pass --different-budgets"
    with pytest.raises(InputError, match=whole):
        run_compare(*paths)
    notes = run_compare(*paths, different_budgets=True).notes
    assert sum("this is no comparison of regimes" in note for note in notes) == 1
    # The refusal comes before any per-item table is read.
    for path in paths:
        shutil.rmtree(path / "per_item")
    with pytest.raises(InputError, match=whole):
        run_compare(*paths)


def test_a_run_held_to_the_sentences_that_another_encoded_has_its_budget(tmp_path: Path) -> None:
    en_x = {"n_rows_seen": 35_000, "n_encodings": 70_200, "budget": "encodings"}
    multiway = write_aligned(tmp_path / "multiway", MEASURED, "multiway")
    comparison = run_compare(write_aligned(tmp_path / "en-x", MEASURED, "en-x", **en_x), multiway)
    assert not any("budget" in note for note in comparison.notes)
    more = write_aligned(tmp_path / "more", MEASURED, "en-x", **{**en_x, "n_encodings": 71_000})
    with pytest.raises(InputError, match="had different budgets"):
        run_compare(more, multiway)


def test_one_percent_more_is_the_same_budget(tmp_path: Path) -> None:
    assert len(run_compare(*regimes(tmp_path, n_rows_seen=10_100)).runs) == 2


def test_a_budget_of_encodings_is_about_sentences_and_not_rows(tmp_path: Path) -> None:
    same = {"budget": "encodings", "n_encodings": 70_000}
    en_x = write_aligned(tmp_path / "en-x", MEASURED, "en-x", n_rows_seen=35_000, **same)
    multiway = write_aligned(tmp_path / "multiway", MEASURED, **same)
    assert run_compare(en_x, multiway).runs[1].budget == "encodings"
    more = write_aligned(tmp_path / "more", MEASURED, budget="encodings", n_encodings=72_000)
    with pytest.raises(InputError, match="different budgets"):
        run_compare(en_x, more)


def test_runs_that_converged_compare_whatever_they_used(tmp_path: Path) -> None:
    en_x = write_aligned(
        tmp_path / "en-x", MEASURED, "en-x", budget="converged", n_rows_seen=99_000
    )
    multiway = write_aligned(
        tmp_path / "multiway", MEASURED, budget="converged", n_rows_seen=12_000
    )
    text = flat(shown(run_compare(en_x, multiway)))
    assert "Budget: converged. en-x saw 99,000 rows" in text and "multiway saw 12,000 rows" in text


def test_one_regime_at_two_budgets_is_an_ablation_and_noted(tmp_path: Path) -> None:
    one = write_aligned(tmp_path / "one", MEASURED)
    longer = write_aligned(tmp_path / "longer", MEASURED, n_rows_seen=20_000)
    comparison = run_compare(one, longer)
    assert [run.label for run in comparison.runs] == [
        "multiway rows 10,000",
        "multiway rows 20,000",
    ]
    (note,) = [note for note in comparison.notes if "budgets" in note]
    assert note.startswith(
        "some runs of one regime had different budgets or corpora: multiway one rows, 10,000"
    )


def test_other_settings_that_differ_between_trainings_are_noted(tmp_path: Path) -> None:
    notes = run_compare(*regimes(tmp_path, temperature=0.1, languages=["eng_Latn"])).notes
    assert notes[0] == "trainings differ in temperature: 0.05 (en-x); 0.1 (multiway)"
    assert not any("languages" in note for note in notes)


def test_trainings_on_other_numbers_of_cells_a_row_are_not_seeds_of_one(tmp_path: Path) -> None:
    whole = write_aligned(tmp_path / "whole", MEASURED, seed=0)
    part = write_aligned(tmp_path / "part", MEASURED, seed=1, cells_per_row=3)
    comparison = run_compare(whole, part)
    labels = [run.label for run in comparison.runs]
    assert labels == ["multiway cells per row all", "multiway cells per row 3"]
    assert "trainings differ in cells per row" in comparison.notes[0]


def test_an_encoder_that_was_not_aligned_compares_with_any(tmp_path: Path) -> None:
    base = write_run(
        tmp_path / "base",
        MEASURED,
        regime=None,
        encoder="hub/xlmr",
        seen=None,
        seed=None,
        training={},
    )
    comparison = run_compare(base, write_aligned(tmp_path / "multiway", MEASURED))
    assert comparison.runs[0].budget is None
    assert comparison.notes == (
        "contamination was not checked for multiway; evaluate with --corpus",
    )


def test_an_unknown_budget_is_noted(tmp_path: Path) -> None:
    en_x, multiway = regimes(tmp_path, n_rows_seen=99_999)
    (multiway / "run.json").unlink()
    comparison = run_compare(en_x, multiway)
    assert comparison.runs[1].budget is None
    assert (
        comparison.notes[0]
        == "the training budget of multiway is not known; evaluate again with this version"
    )


def test_the_record_of_another_command_is_ignored(tmp_path: Path) -> None:
    en_x, multiway = regimes(tmp_path)
    (multiway / "run.json").write_text('{"command": "compare"}')
    assert run_compare(en_x, multiway).runs[1].budget is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", r"run.json is damaged: it is not JSON \(.*\); run again what wrote it"),
        ("[]", r"run.json is damaged: it is \[\]; it must be an object"),
        ('{"command": "evaluate"}', r"run.json is damaged: it has no encoder"),
        ({"sha256": "other"}, r"run.json belongs to another encoder than the scores beside it"),
        (
            {"training": [1]},
            r"run.json is damaged: encoder.training is \[1\]; it must be an object",
        ),
        (
            {"training": record(budget="steps")},
            r"the training budget is steps; this version knows rows, encodings",
        ),
        (
            {"training": record(n_rows_seen="many")},
            r'encoder.training.n_rows_seen is "many"; it must be a whole number',
        ),
        (
            {"training": record(corpus_sha256=None)},
            r"run.json is damaged: encoder.training.corpus_sha256 is null; it must be a text",
        ),
    ],
)
def test_a_damaged_record_is_refused_with_its_path(
    tmp_path: Path, content: object, told: str
) -> None:
    en_x, multiway = regimes(tmp_path)
    path = multiway / "run.json"
    if isinstance(content, dict):
        run = json.loads(path.read_text())
        content = json.dumps({**run, "encoder": {**run["encoder"], **content}})
    path.write_text(str(content))
    with pytest.raises(InputError, match=rf"multiway/run.json.*{told.removeprefix('run.json')}"):
        run_compare(en_x, multiway)
