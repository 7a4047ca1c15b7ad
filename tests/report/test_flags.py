"""Contaminated tasks are marked and noted, and so are runs that were not checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.report.comparison import Contaminated
from hexapla.report.markdown_tables import comparison_to_markdown
from tests.fixtures.score_folders import (
    BITEXT,
    DEU,
    base_and_aligned,
    hits,
    run_compare,
    shown,
    write_aligned,
)

STS = "sts/toy"
MEASURED = {
    (BITEXT, DEU): hits(5),
    (STS, "deu_Latn"): {"cosine": [0.1, 0.3, 0.2], "gold": [1.0, 2.0, 3.0]},
}


def check(folder: Path, n_found: int, *, sha: str = "c0ffee1234", task: str = STS) -> Path:
    """Write the record that `evaluate` leaves of its search for evaluation sentences in a corpus."""
    one = {
        "task": task,
        "split": "test",
        "n_sentences": 250,
        "n_found": n_found,
        "examples": ["A.", "B."][:n_found],
    }
    other = {"task": BITEXT, "split": "test", "n_sentences": 99, "n_found": 0, "examples": []}
    found = {"corpus": "courses", "corpus_sha256": sha, "n_rows": 3, "tasks": [one, other]}
    (folder / "contamination.json").write_text(json.dumps(found))
    return folder


def test_a_contaminated_task_is_flagged_marked_and_noted(tmp_path: Path) -> None:
    en_x = check(write_aligned(tmp_path / "en-x", MEASURED, "en-x"), 12)
    multiway = check(write_aligned(tmp_path / "multiway", MEASURED), 12)
    comparison = run_compare(en_x, multiway)
    flagged = Contaminated(
        run="en-x",
        corpus="courses",
        task=STS,
        split="test",
        n_sentences=250,
        n_found=12,
        examples=("A.", "B."),
    )
    assert [found.run for found in comparison.contamination] == ["en-x", "multiway"]
    assert comparison.contamination[0] == flagged
    assert comparison.notes == (
        "12 of 250 evaluation sentences of sts/toy (test) are in the training corpus courses of en-x and multiway",
    )
    text, markdown = shown(comparison), comparison_to_markdown(comparison)
    assert re.search(r"sts/toy \(test\) † *\nSpearman, %", text)
    assert re.search(r"bitext/toy \(test\) *\naccuracy, %", text)
    assert (
        "## sts/toy (test) †: Spearman, %" in markdown
        and "† A training corpus contains sentences of this task" in markdown
    )
    assert comparison.to_json()["contamination"][0]["n_found"] == 12


def test_a_clean_task_is_not_marked(tmp_path: Path) -> None:
    en_x = check(write_aligned(tmp_path / "en-x", MEASURED, "en-x"), 0)
    # A contaminated task that is not compared.
    multiway = check(write_aligned(tmp_path / "multiway", MEASURED), 5, task="sts/another")
    comparison = run_compare(en_x, multiway)
    assert comparison.contamination == () and comparison.notes == ()
    assert "†" not in shown(comparison)


def test_of_several_seeds_the_worst_is_flagged(tmp_path: Path) -> None:
    en_x = check(write_aligned(tmp_path / "en-x", MEASURED, "en-x"), 0)
    paths = [
        check(write_aligned(tmp_path / f"{seed}", MEASURED, seed=seed), seed + 1)
        for seed in range(2)
    ]
    (found,) = run_compare(en_x, *paths).contamination
    assert (found.run, found.n_found) == ("multiway, 2 seeds", 2)


def test_only_aligned_runs_that_were_not_checked_are_noted(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    assert (
        run_compare(base, aligned).notes[-1]
        == "contamination was not checked for multiway; evaluate with --corpus"
    )
    paths = [write_aligned(tmp_path / f"{seed}", MEASURED, seed=seed) for seed in range(2)]
    en_x = check(write_aligned(tmp_path / "en-x", MEASURED, "en-x"), 0)
    check(paths[0], 0)
    notes = run_compare(en_x, *paths).notes
    assert notes == ("contamination was not checked for multiway, 2 seeds; evaluate with --corpus",)


def test_a_check_of_another_corpus_is_refused(tmp_path: Path) -> None:
    en_x = write_aligned(tmp_path / "en-x", MEASURED, "en-x")
    multiway = check(write_aligned(tmp_path / "multiway", MEASURED), 0, sha="decade5678")
    told = r"multiway: contamination was checked against courses \(decade56\), but multiway was aligned on .*\(c0ffee12\)"
    with pytest.raises(InputError, match=told):
        run_compare(en_x, multiway)
