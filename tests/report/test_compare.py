"""Averages and gains worked by hand, groups of languages apart, and runs that cannot be compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.per_item import per_item_path
from hexapla.report.comparison import TableCell
from hexapla.report.markdown_tables import comparison_to_markdown
from tests.fixtures.score_folders import (
    BITEXT,
    DEU,
    DEU_BACK,
    FRA,
    SWH,
    Columns,
    base_and_aligned,
    hits,
    run_compare,
    twins,
    two_languages,
    write_run,
)


def test_averages_and_gains_worked_by_hand(tmp_path: Path) -> None:
    (block,) = run_compare(*base_and_aligned(tmp_path)).blocks
    seen, unseen = block.lines
    # German: (0.1 + 0.3) / 2 = 0.2 to (0.7 + 0.9) / 2 = 0.8. Swahili: 0.2 to (0.2 + 0.4) / 2 = 0.3.
    assert (seen.group, seen.languages, seen.n_items) == ("seen", ("deu_Latn",), (10, 10))
    assert [cell.value for cell in seen.cells] == pytest.approx([0.2, 0.8])
    assert seen.cells[1].gain == pytest.approx(0.6) and seen.cells[1].relative == pytest.approx(3.0)
    assert (unseen.group, unseen.languages) == ("unseen", ("swh_Latn",))
    assert unseen.cells[1].gain == pytest.approx(0.1) and unseen.cells[1].relative == pytest.approx(
        0.5
    )
    # German gains on six of ten items in each direction, which hardly any resample lacks; Swahili
    # gains on two.
    assert seen.cells[1].significant and seen.cells[1].interval is not None
    assert seen.cells[1].interval[0] < 0.6 < seen.cells[1].interval[1]
    assert unseen.cells[1].interval is not None and not unseen.cells[1].significant
    assert seen.cells[0] == TableCell(value=seen.cells[0].value)
    # German gains 1 on items 3 to 6 and 0.5 on items 1, 2, 7 and 8, mean of both directions: 2 of
    # 2^8 swaps give as large a gain. Swahili gains on two items, in one direction.
    assert seen.cells[1].p_rows == pytest.approx(2 / 2**8, abs=0.02)
    assert unseen.cells[1].p_rows == pytest.approx(2 / 2**2, abs=0.1)


def test_languages_count_once_whatever_their_number_of_items_and_directions(tmp_path: Path) -> None:
    measured = {
        (BITEXT, DEU): hits(100, 100),
        (BITEXT, DEU_BACK): hits(0, 100),
        (BITEXT, FRA): hits(1, 10),
    }
    line = run_compare(*twins(tmp_path, measured)).blocks[0].lines[0]
    assert line.cells[0].value == pytest.approx((0.5 + 0.1) / 2)
    assert line.n_items == (10, 100)


def test_identical_runs_gain_exactly_0(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    measured: dict[tuple[str, str], Columns] = {
        (BITEXT, DEU): {"f1": (2 / (1 + draw.integers(1, 9, 99))).tolist()},
        ("sts/toy", "deu_Latn"): {
            "cosine": draw.random(99).tolist(),
            "gold": draw.integers(0, 6, 99).astype(float).tolist(),
        },
    }
    one, other = (write_run(tmp_path / name, measured, encoder=name) for name in ("one", "other"))
    for block in run_compare(one, other).blocks:
        cell = block.lines[0].cells[1]
        assert (cell.gain, cell.interval, cell.p_rows, cell.significant) == (
            0.0,
            (0.0, 0.0),
            1.0,
            False,
        )


def test_groups_are_kept_apart_and_in_order(tmp_path: Path) -> None:
    languages = (DEU, SWH, "deu_Latn-fra_Latn", "fra_Latn-deu_Latn", "swh_Latn-deu_Latn")
    measured = {(BITEXT, pair): hits(place) for place, pair in enumerate(languages)}
    measured |= {
        ("topics/toy", code): hits(place)
        for place, code in enumerate(("swh_Latn", "eng_Latn", "deu_Latn"))
    }
    bitext, topics = run_compare(*twins(tmp_path, measured)).blocks
    assert [(line.group, line.languages) for line in bitext.lines] == [
        ("seen", ("deu_Latn",)),
        ("unseen", ("swh_Latn",)),
        ("seen, no English", ("deu_Latn-fra_Latn",)),
        ("unseen, no English", ("deu_Latn-swh_Latn",)),
    ]
    assert [line.cells[0].value for line in bitext.lines] == pytest.approx([0.0, 0.1, 0.25, 0.4])
    assert [line.group for line in topics.lines] == ["seen", "unseen", "eng_Latn"]


def test_without_any_aligned_run_languages_are_one_group(tmp_path: Path) -> None:
    (line,) = run_compare(*twins(tmp_path, two_languages(1, 2, 3, 4), seen=None)).blocks[0].lines
    assert (line.group, line.languages) == ("all", ("deu_Latn", "swh_Latn"))


def test_spearman_is_computed_from_cosines_and_gold(tmp_path: Path) -> None:
    gold = [0.0, 1.0, 1.0, 3.0, 5.0, 4.0] * 5
    good = {("sts/toy", "deu_Latn"): {"cosine": [value / 5 for value in gold], "gold": gold}}
    bad = {("sts/toy", "deu_Latn"): {"cosine": [-value / 5 for value in gold], "gold": gold}}
    (block,) = run_compare(
        write_run(tmp_path / "bad", bad), write_run(tmp_path / "good", good)
    ).blocks
    cell = block.lines[0].cells[1]
    assert (
        block.metric == "spearman"
        and cell.value == pytest.approx(1.0)
        and cell.gain == pytest.approx(2.0)
    )
    assert cell.interval == pytest.approx((2.0, 2.0)) and cell.significant
    assert cell.relative is None  # undefined over a negative baseline


def test_accuracy_is_the_headline_of_bitext_and_comes_first(tmp_path: Path) -> None:
    columns = {"f1": [0.5, 0.5], "accuracy": [1.0, 0.0], "margin_accuracy": [1.0, 1.0]}
    blocks = run_compare(*twins(tmp_path, {(BITEXT, DEU): columns})).blocks
    assert [(block.metric, block.headline) for block in blocks] == [
        ("accuracy", True),
        ("f1", False),
        ("margin_accuracy", False),
    ]


def test_runs_are_named_by_regime_then_encoder_and_told_apart(tmp_path: Path) -> None:
    measured = {(BITEXT, DEU): hits(5)}
    paths = [
        write_run(
            tmp_path / "a", measured, regime=None, encoder="FacebookAI/xlm-roberta-base", seen=None
        ),
        write_run(tmp_path / "b", measured, regime="multiway", encoder="out/m0", seed=0),
        write_run(tmp_path / "c", measured, regime="multiway", encoder="out/m1", seed=1),
        write_run(tmp_path / "d", measured, regime="star", encoder="out/s0", seed=1),
        write_run(tmp_path / "e", measured, regime="star", encoder="out/s1", seed=1),
    ]
    labels = [run.label for run in run_compare(*paths).runs]
    assert labels == [
        "xlm-roberta-base",
        "multiway seed 0",
        "multiway seed 1",
        "star s0",
        "star s1",
    ]
    alike = [
        write_run(tmp_path / place / "scores", measured, encoder="checkpoint-500", sha=place)
        for place in "xy"
    ]
    assert [run.label for run in run_compare(*alike).runs] == [
        "multiway x/scores",
        "multiway y/scores",
    ]


@pytest.mark.parametrize("by", ["label", "path"])
def test_the_baseline_can_be_chosen_and_comes_first(tmp_path: Path, by: str) -> None:
    base, aligned = base_and_aligned(tmp_path)
    comparison = run_compare(base, aligned, baseline="multiway" if by == "label" else f"{aligned}/")
    assert [run.label for run in comparison.runs] == ["multiway", "xlmr"]
    assert comparison.blocks[0].lines[0].cells[1].gain == pytest.approx(-0.6)
    assert run_compare(base, aligned).runs[0].label == "xlmr"


def test_an_unknown_baseline_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r'"multi-way"; it must be "xlmr", "multiway" or the path of a run; did you mean "multiway"',
    ):
        run_compare(*base_and_aligned(tmp_path), baseline="multi-way")


def test_no_run_is_refused() -> None:
    with pytest.raises(InputError, match="no score folder given; a comparison needs two or more"):
        run_compare()


def test_one_run_alone_has_values_and_no_gains(tmp_path: Path) -> None:
    comparison = run_compare(base_and_aligned(tmp_path)[1])
    (seen, unseen) = comparison.blocks[0].lines
    assert [run.label for run in comparison.runs] == ["multiway"]
    assert seen.cells == (TableCell(value=pytest.approx(0.8)),)  # type: ignore[arg-type]
    assert unseen.cells == (TableCell(value=pytest.approx(0.3)),)  # type: ignore[arg-type]


def test_missing_scores_are_refused(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    with pytest.raises(InputError, match="nowhere does not exist"):
        run_compare(base, tmp_path / "nowhere")
    (aligned / per_item_path(BITEXT, "test", SWH)).unlink()
    with pytest.raises(InputError, match=rf"{SWH}.parquet is missing"):
        run_compare(base, aligned)
    (aligned / "scores.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"scores.jsonl:1: not a score"):
        run_compare(base, aligned)


def test_different_items_are_refused_with_the_first_that_differs(tmp_path: Path) -> None:
    one = write_run(
        tmp_path / "one", {(BITEXT, DEU): hits(1, 3)}, regime="star", items=["a", "b", "c"]
    )
    other = write_run(tmp_path / "other", {(BITEXT, DEU): hits(1, 3)}, items=["a", "x", "c"])
    with pytest.raises(
        InputError, match=rf"{BITEXT} test {DEU} accuracy: item 2 is b in star and x in multiway"
    ):
        run_compare(one, other)


def test_a_run_with_fewer_items_is_refused(tmp_path: Path) -> None:
    one = write_run(
        tmp_path / "one", {(BITEXT, DEU): hits(1, 3)}, regime="star", signed={"n": None}
    )
    other = write_run(tmp_path / "other", {(BITEXT, DEU): hits(1, 2)}, signed={"n": None})
    with pytest.raises(InputError, match="item 3 is 2 in star and missing in multiway"):
        run_compare(one, other)


@pytest.mark.parametrize("turned", [False, True])
def test_a_run_that_lacks_a_pair_is_refused(tmp_path: Path, turned: bool) -> None:
    whole = write_run(
        tmp_path / "whole", {(BITEXT, DEU): hits(1), (BITEXT, FRA): hits(1)}, regime="star"
    )
    part = write_run(tmp_path / "part", {(BITEXT, DEU): hits(1)})
    paths = (part, whole) if turned else (whole, part)
    with pytest.raises(
        InputError, match=rf"multiway \(.*part\) has no {BITEXT} test {FRA} accuracy, which star"
    ):
        run_compare(*paths)


def test_other_data_are_refused_and_another_encoder_setting_is_noted(tmp_path: Path) -> None:
    measured = {(BITEXT, DEU): hits(1)}
    one = write_run(tmp_path / "one", measured, regime="star")
    other_data = write_run(tmp_path / "two", measured, signed={"data": "77ab"})
    with pytest.raises(
        InputError, match=rf"{DEU} accuracy: data differs: 5a1f \(star\); 77ab \(multiway\)"
    ):
        run_compare(one, other_data)
    other_k = write_run(tmp_path / "three", measured, signed={"k": 8})
    with pytest.raises(InputError, match=r"k differs: none \(star\); 8 \(multiway\)"):
        run_compare(one, other_k)
    longer = write_run(tmp_path / "four", measured, signed={"max_tokens": 512, "prompt": "query: "})
    notes = run_compare(one, longer).notes
    assert notes[:2] == (
        "max_tokens differs: 128 (star); 512 (multiway)",
        "prompt differs: none (star); query:  (multiway)",
    )


def test_runs_that_saw_different_languages_are_refused(tmp_path: Path) -> None:
    measured = {(BITEXT, DEU): hits(1)}
    one = write_run(tmp_path / "one", measured, regime="star")
    other = write_run(tmp_path / "other", measured, regime="pivot-only", seen=["eng_Latn"])
    with pytest.raises(
        InputError,
        match=rf"{DEU} is seen for star, unseen for pivot-only; .*hexapla evaluate --seen",
    ):
        run_compare(one, other)


def test_different_gold_values_are_refused(tmp_path: Path) -> None:
    paths = [
        write_run(
            tmp_path / name,
            {("sts/toy", "deu_Latn"): {"cosine": [0.1, 0.2, 0.3], "gold": gold}},
            regime=name,
        )
        for name, gold in (("star", [1.0, 2.0, 3.0]), ("en-x", [1.0, 2.0, 4.0]))
    ]
    with pytest.raises(InputError, match="star and en-x differ in gold values"):
        run_compare(*paths)


def test_a_score_that_differs_from_its_per_item_table_is_refused(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    file = aligned / "scores.jsonl"
    file.write_text(file.read_text().replace('"value": 0.7', '"value": 0.75'))
    with pytest.raises(
        InputError,
        match=rf"{DEU} accuracy is 0.7500 in the scores and 0.7000 by its per-item table",
    ):
        run_compare(base, aligned)


def test_scores_of_two_encoders_in_one_path_are_refused(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    both = tmp_path / "both.jsonl"
    both.write_text((base / "scores.jsonl").read_text() + (aligned / "scores.jsonl").read_text())
    with pytest.raises(
        InputError, match=r"both.jsonl holds the scores of 2 encoders \(hub/xlmr, encoders/one\)"
    ):
        run_compare(both, aligned)
    both.write_text((base / "scores.jsonl").read_text() * 2)
    with pytest.raises(InputError, match=rf"both.jsonl holds {BITEXT} test {DEU} accuracy twice"):
        run_compare(both, aligned)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"resamples": 20}, "resamples is 20; it must be a whole number from 100 to 100,000"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0 to"),
    ],
)
def test_settings_out_of_range_are_refused(
    tmp_path: Path, settings: dict[str, int], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        run_compare(*base_and_aligned(tmp_path), **settings)


def test_a_comparison_is_written_and_replaced_only_with_overwrite(tmp_path: Path) -> None:
    paths, out = base_and_aligned(tmp_path), tmp_path / "out"
    comparison = run_compare(*paths, out=out)
    assert sorted(file.name for file in out.iterdir()) == [
        "comparison.json",
        "comparison.md",
        "run.json",
    ]
    found = json.loads((out / "comparison.json").read_text())
    assert found == json.loads(json.dumps(comparison.to_json()))
    cell = found["blocks"][0]["lines"][0]["cells"][1]
    assert (cell["run"], cell["gain"], cell["significant"]) == (
        "multiway",
        pytest.approx(0.6),
        True,
    )
    assert (found["baseline"], found["n_resamples"], found["seed"]) == ("xlmr", 200, 0)
    assert (out / "comparison.md").read_text() == comparison_to_markdown(comparison)
    before = (out / "comparison.json").read_bytes()
    with pytest.raises(InputError, match=r"out: holds a finished run; --overwrite"):
        run_compare(*paths, out=out, seed=1)
    assert (out / "comparison.json").read_bytes() == before
    run_compare(*paths, out=out, seed=1, overwrite=True)
    assert json.loads((out / "comparison.json").read_text())["seed"] == 1
    with pytest.raises(InputError, match=r"comparison.md is a file; the output must be a folder"):
        run_compare(*paths, out=out / "comparison.md")


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt("killed")


def test_a_run_that_is_killed_while_it_computes_leaves_the_earlier_comparison_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, out = base_and_aligned(tmp_path), tmp_path / "out"
    run_compare(*paths, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr(sys.modules["hexapla.report.table_lines"], "resample", killed)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        run_compare(*paths, out=out, seed=1, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises(KeyboardInterrupt, match="killed"):
        run_compare(*paths, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_that_is_killed_while_it_writes_leaves_no_result_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, out = base_and_aligned(tmp_path), tmp_path / "out"
    run_compare(*paths, out=out)
    monkeypatch.setattr(sys.modules["hexapla.report.stage"], "write_beside", killed)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        run_compare(*paths, out=out, seed=1, overwrite=True)
    assert json.loads((out / "run.json").read_text())["config"]["seed"] == 1
    assert not (out / "comparison.json").exists()


def test_nothing_is_written_when_runs_cannot_be_compared(tmp_path: Path) -> None:
    paths = []
    for last in (3.0, 4.0):
        judged = {"cosine": [0.1, 0.2, 0.3], "gold": [1.0, 2.0, last]}
        paths.append(
            write_run(
                tmp_path / f"{last}", {(BITEXT, DEU): hits(5), ("sts/toy", "deu_Latn"): judged}
            )
        )
    # The error is in the last task that is read.
    with pytest.raises(InputError, match=r"sts/toy test deu_Latn spearman: .* differ in gold"):
        run_compare(*paths, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
