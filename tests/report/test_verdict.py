"""The verdict says in a sentence where a run is better or worse; few items are warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.report import Comparison
from hexapla.report.summary import summary_markdown
from hexapla.report.verdict import few_items, verdicts
from tests.fixtures.score_folders import BITEXT, DEU, FRA, SWH, hits, run_compare, shown, write_run

BASE = {"regime": None, "encoder": "hub/xlmr", "seen": None, "seed": None}


def compared(
    tmp_path: Path, before: dict[tuple[str, str], int], after: dict[tuple[str, str], int], n: int
) -> Comparison:
    """Compare two runs by their hits among n items."""
    folders = [tmp_path / name for name in ("base", "aligned")]
    return run_compare(
        write_run(folders[0], {key: hits(k, n) for key, k in before.items()}, **BASE),  # type: ignore[arg-type]
        write_run(folders[1], {key: hits(k, n) for key, k in after.items()}),
    )


def test_the_verdict_names_where_a_run_is_better_worse_and_not_clearly_different(
    tmp_path: Path,
) -> None:
    topics = "topics/toy"
    before = {(BITEXT, DEU): 20, (BITEXT, SWH): 20, (topics, DEU): 80, (topics, SWH): 50}
    after = {(BITEXT, DEU): 80, (BITEXT, SWH): 30, (topics, DEU): 40, (topics, SWH): 50}
    (sentence,) = verdicts(compared(tmp_path, before, after, 100))
    assert sentence == (
        "multiway is better than xlmr at bitext/toy in seen languages (+60.0 points) and in unseen "
        "languages (+10.0 points), and worse at topics/toy in seen languages (-40.0 points); no "
        "clear difference at topics/toy in unseen languages (+0.0 points)."
    )


def test_the_pool_of_all_languages_counts_where_single_languages_leave_no_room(
    tmp_path: Path,
) -> None:
    before = {(BITEXT, DEU): 99, ("pool/toy", DEU): 10}
    after = {(BITEXT, DEU): 99, ("pool/toy", DEU): 95}
    (sentence,) = verdicts(compared(tmp_path, before, after, 100))
    assert "better than xlmr at pool/toy in seen languages (+85.0 points)" in sentence


def test_a_run_that_is_worse_or_no_different_is_said_to_be(tmp_path: Path) -> None:
    worse = compared(tmp_path / "1", {(BITEXT, DEU): 80}, {(BITEXT, DEU): 20}, 100)
    assert verdicts(worse) == [
        "multiway is worse than xlmr at bitext/toy in seen languages (-60.0 points)."
    ]
    equal = compared(tmp_path / "2", {(BITEXT, DEU): 50}, {(BITEXT, DEU): 51}, 100)
    assert verdicts(equal) == [
        "No clear difference between multiway and xlmr at bitext/toy in seen languages "
        "(+1.0 points): the intervals contain 0."
    ]


def test_many_rows_are_counted(tmp_path: Path) -> None:
    tasks = [f"bitext/{number}" for number in range(3)]
    keys = [(task, pair) for task in tasks for pair in (DEU, SWH)]
    after = dict.fromkeys(keys, 60) | {keys[0]: 90, keys[1]: 10, keys[2]: 20}
    (sentence,) = verdicts(compared(tmp_path, dict.fromkeys(keys, 20), after, 100))
    assert sentence == (
        "multiway is better than xlmr on 4 of 6 rows, worse on 1, and not clearly different on 1; "
        "the largest improvement is at bitext/0 in seen languages (+70.0 points), the largest loss "
        "is at bitext/0 in unseen languages (-10.0 points)."
    )


def test_fewer_than_50_items_are_warned_of_wherever_a_comparison_is_shown(tmp_path: Path) -> None:
    few = compared(tmp_path / "1", {(BITEXT, DEU): 20}, {(BITEXT, DEU): 40}, 49)
    warning = few_items(few)
    assert warning is not None
    assert warning.startswith("Few items in a language: bitext/toy (49). Below about 50")
    assert warning.replace(" ", "") in shown(few).replace("\n", "").replace(" ", "")
    assert warning.split(":")[0] in summary_markdown(few)
    enough = compared(tmp_path / "2", {(BITEXT, DEU): 20}, {(BITEXT, DEU): 40}, 50)
    assert few_items(enough) is None and "Few items" not in shown(enough)


@pytest.mark.parametrize("baseline", ["en-x", "base"])
def test_the_paper_s_column_is_there_only_where_the_baseline_is_en_x(
    tmp_path: Path, baseline: str
) -> None:
    folders = [
        write_run(tmp_path / "base", {(BITEXT, FRA): hits(20, 60)}, **BASE),  # type: ignore[arg-type]
        write_run(tmp_path / "en-x", {(BITEXT, FRA): hits(30, 60)}, regime="en-x"),
        write_run(tmp_path / "multiway", {(BITEXT, FRA): hits(40, 60)}),
    ]
    chosen = {"en-x": folders[1:], "base": [folders[0], folders[2]]}[baseline]
    summary = summary_markdown(run_compare(*chosen))
    assert ("| paper |" in summary) == ("+21.3 %" in summary) == (baseline == "en-x")
