"""Only runs that differ in nothing but the seed share a column; equal encoders are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.per_item import per_item_path
from tests.fixtures.score_folders import (
    BITEXT,
    DEU,
    FRA,
    hits,
    run_compare,
    write_aligned,
    write_run,
)

MEASURED = {(BITEXT, DEU): hits(5)}
MERGED = {"base": "tiny", "alpha": 0.5, "accuracy": 0.9, "qualified": True, "n_rows": 20}


def base(tmp_path: Path, n_hits: int = 2) -> Path:
    return write_run(
        tmp_path / "base",
        {(BITEXT, DEU): hits(n_hits)},
        regime=None,
        encoder="hub/xlmr",
        seen=None,
        seed=None,
    )


def seeds_of(tmp_path: Path, regime: str, n_hits: dict[int, int], **changed: object) -> list[Path]:
    """Write a run for each seed, with so many hits of ten."""
    return [
        write_aligned(
            tmp_path / f"{regime}-{seed}", {(BITEXT, DEU): hits(n)}, regime, seed, **changed
        )
        for seed, n in n_hits.items()
    ]


def labels(*paths: Path, **settings: object) -> list[str]:
    return [run.label for run in run_compare(*paths, **settings).runs]


def test_three_seeds_are_one_column_worked_by_hand(tmp_path: Path) -> None:
    comparison = run_compare(base(tmp_path), *seeds_of(tmp_path, "multiway", {2: 9, 0: 5, 1: 7}))
    _, column = comparison.runs
    assert (column.label, column.seeds, column.encoder) == (
        "multiway, 3 seeds",
        (0, 1, 2),
        "out/multiway-0",
    )
    assert [Path(path).name for path in column.scores] == ["multiway-0", "multiway-1", "multiway-2"]
    assert column.encoder_sha == tuple(f"sha of multiway-{seed}" for seed in range(3))
    assert (column.budget, column.n_rows_seen, column.n_encodings) == ("rows", 10_000, 70_000)
    baseline, cell = comparison.blocks[0].lines[0].cells
    # Accuracies 0.5, 0.7 and 0.9 over a baseline of 0.2: mean 0.7, deviations 0.2, 0 and 0.2, and
    # n - 1 = 2.
    assert (cell.value, cell.gain, cell.sd) == (
        pytest.approx(0.7),
        pytest.approx(0.5),
        pytest.approx(0.2),
    )
    assert cell.p_seeds == 2 / 2**3  # all gain: only all flips or none give as much
    assert baseline.sd is None and baseline.p_seeds is None
    # The mean of the seeds gains 1 on items 2 to 4, 2/3 on 5 and 6, 1/3 on 7 and 8: 2 of 2^7 swaps.
    assert cell.p_rows == pytest.approx(2 / 2**7, abs=0.03)


def test_intervals_are_of_the_mean_over_seeds(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    noise = draw.random((5, 400)) < 0.5  # seeds that hit by chance, each on other items
    paths = [
        write_aligned(
            tmp_path / f"s{seed}",
            {(BITEXT, DEU): {"accuracy": row.astype(float).tolist()}},
            seed=seed,
        )
        for seed, row in enumerate(noise)
    ]
    start = write_run(
        tmp_path / "zero", {(BITEXT, DEU): hits(0, 400)}, regime=None, seen=None, seed=None
    )
    widths = {}
    for name, chosen in (("one", paths[:1]), ("five", paths)):
        bounds = run_compare(start, *chosen).blocks[0].lines[0].cells[1].interval
        assert bounds is not None
        widths[name] = bounds[1] - bounds[0]
    assert widths["five"] == pytest.approx(widths["one"] / 5**0.5, rel=0.2)


def test_the_test_over_seeds_uses_the_seeds_shared_with_the_baseline(
    tmp_path: Path,
) -> None:
    en_x = seeds_of(tmp_path, "en-x", {0: 4, 1: 4, 2: 6})
    multiway = seeds_of(tmp_path, "multiway", {0: 5, 1: 7, 3: 9})
    baseline, cell = run_compare(*en_x, *multiway).blocks[0].lines[0].cells
    assert baseline.sd == pytest.approx(np.std([0.4, 0.4, 0.6], ddof=1))
    assert cell.gain == pytest.approx(0.7 - 14 / 30)  # of all
    assert cell.p_seeds == 2 / 2**2  # seeds 0 and 1 gain 0.1 and 0.3
    alone = run_compare(en_x[0], *multiway).blocks[0].lines[0].cells[1]
    assert alone.p_seeds is None  # one seed in common


def test_a_column_for_each_seed_when_asked_for(tmp_path: Path) -> None:
    paths = [base(tmp_path), *seeds_of(tmp_path, "multiway", {0: 5, 1: 7})]
    comparison = run_compare(*paths, seeds="apart")
    assert [run.label for run in comparison.runs] == ["xlmr", "multiway seed 0", "multiway seed 1"]
    assert comparison.blocks[0].lines[0].cells[1].sd is None
    with pytest.raises(
        InputError, match='seeds is "appart"; it must be together or apart; did you mean "apart"'
    ):
        run_compare(*paths, seeds="appart")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"temperature": 0.1}, ["multiway temperature 0.05", "multiway temperature 0.1"]),
        (
            {"learning_rate": 1e-4},
            ["multiway learning rate 2e-05", "multiway learning rate 0.0001"],
        ),
        ({"merged": MERGED}, ["multiway merged no", "multiway merged yes"]),
        ({"n_rows_seen": 20_000}, ["multiway rows 10,000", "multiway rows 20,000"]),
        ({"base_sha256": "other"}, ["multiway seed 0", "multiway seed 1"]),
        ({"signed": {"max_tokens": 64}}, ["multiway seed 0", "multiway seed 1"]),
        ({"n_rows_seen": 10_050}, None),
    ],
)
def test_runs_that_differ_in_more_than_the_seed_stay_apart_and_say_in_what(
    tmp_path: Path, changed: dict[str, object], told: list[str] | None
) -> None:
    one = write_aligned(tmp_path / "one", MEASURED, seed=0)
    other = write_aligned(tmp_path / "other", MEASURED, seed=1, **changed)  # type: ignore[arg-type]
    assert labels(base(tmp_path), one, other)[1:] == (told or ["multiway, 2 seeds"])


def test_runs_without_a_record_are_never_put_together(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{seed}", MEASURED, seed=seed) for seed in (0, 1)]
    assert labels(base(tmp_path), *runs) == ["xlmr", "multiway seed 0", "multiway seed 1"]


def test_runs_of_one_seed_with_different_weights_stay_apart(tmp_path: Path) -> None:
    runs = [
        write_aligned(tmp_path / name, MEASURED, seed=seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    comparison = run_compare(base(tmp_path), *runs)
    assert [run.label for run in comparison.runs] == [
        "xlmr",
        "multiway a",
        "multiway b",
        "multiway c",
    ]
    assert comparison.notes[0] == (
        "multiway a, multiway b, multiway c are not averaged, because they have equal settings and "
        "partly equal seeds but different weights"
    )


def test_two_groups_of_seeds_of_one_regime_are_told_apart(tmp_path: Path) -> None:
    cool = seeds_of(tmp_path, "multiway", {0: 4, 1: 5})
    warm = [
        write_aligned(tmp_path / f"warm-{seed}", MEASURED, seed=seed, temperature=0.2)
        for seed in (0, 1)
    ]
    assert labels(*cool, *warm) == [
        "multiway temperature 0.05, 2 seeds",
        "multiway temperature 0.2, 2 seeds",
    ]
    assert labels(*cool, *warm, seeds="apart")[2] == "multiway temperature 0.2 seed 0"


@pytest.mark.parametrize("name", ["multiway, 2 seeds", "multiway seed 1", "path"])
def test_a_column_is_the_baseline_by_its_label_or_that_or_the_path_of_one_of_its_runs(
    tmp_path: Path, name: str
) -> None:
    en_x, multiway = (
        seeds_of(tmp_path, "en-x", {0: 4, 1: 5}),
        seeds_of(tmp_path, "multiway", {0: 5, 1: 7}),
    )
    chosen = str(multiway[1]) if name == "path" else name
    comparison = run_compare(*en_x, *multiway, baseline=chosen)
    assert [run.label for run in comparison.runs] == ["multiway, 2 seeds", "en-x, 2 seeds"]
    assert comparison.blocks[0].lines[0].cells[1].gain == pytest.approx(0.45 - 0.6)


def test_seeds_of_one_training_have_nothing_to_be_compared_with(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"all 2 runs are multiway, 2 seeds and make one column.*--seeds apart"
    ):
        run_compare(*seeds_of(tmp_path, "multiway", {0: 4, 1: 5}))


def test_the_same_weights_twice_are_refused_unless_they_were_used_differently(
    tmp_path: Path,
) -> None:
    one = write_run(tmp_path / "one", MEASURED, sha="ab12")
    again = write_run(tmp_path / "again", MEASURED, sha="ab12")
    told = (
        r"one and .*again are scores of the same encoder \(encoders/one, equal weights\); give each"
    )
    with pytest.raises(InputError, match=told):
        run_compare(one, again)
    with pytest.raises(InputError, match=r"one and .*one are scores of the same encoder"):
        run_compare(one, one)
    prompted = write_run(tmp_path / "prompted", MEASURED, sha="ab12", signed={"prompt": "query: "})
    assert labels(one, prompted) == ["multiway one", "multiway prompted"]


def test_encoders_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [
        write_run(
            tmp_path / run / "scores",
            MEASURED,
            regime=None,
            encoder="checkpoint-500",
            seen=None,
            seed=None,
            sha=run,
        )
        for run in ("first", "second")
    ]
    assert labels(*paths) == ["checkpoint-500 first/scores", "checkpoint-500 second/scores"]


def test_another_version_of_the_metric_is_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", MEASURED, regime="star", signed={"metric_version": 1})
    two = write_run(tmp_path / "two", MEASURED, signed={"metric_version": 2})
    told = r"accuracy: metric_version differs: 1 \(star\); 2 \(multiway\); evaluate all again with one version of hexapla"
    with pytest.raises(InputError, match=told):
        run_compare(one, two)
    older = write_run(tmp_path / "older", MEASURED)
    with pytest.raises(InputError, match=r"metric_version differs: 1 \(star\); none \(multiway\)"):
        run_compare(one, older)


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {(BITEXT, DEU): {"acuracy": [1.0, 0.0]}})
    with pytest.raises(
        InputError, match=r'one: metric acuracy is unknown to this version.*mean "accuracy"'
    ):
        run_compare(one, one)


def test_a_nan_in_a_per_item_table_is_refused_with_its_item(tmp_path: Path) -> None:
    measured = {(BITEXT, DEU): hits(3), (BITEXT, FRA): hits(4)}
    one, other = (
        write_run(tmp_path / "one", measured, regime="star"),
        write_run(tmp_path / "other", measured),
    )
    values = [1.0, 1.0, float("nan"), *[0.0] * 7]
    table = pa.table({"item": [str(number) for number in range(10)], "accuracy": values})
    pq.write_table(table, other / per_item_path(BITEXT, "test", FRA))
    with pytest.raises(
        InputError,
        match=r"other: the per-item table of .*fra_Latn accuracy has no finite accuracy for item 2",
    ):
        run_compare(one, other)
