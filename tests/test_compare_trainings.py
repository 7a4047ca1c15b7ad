"""Budgets, seeds and contamination: what may be compared, what is one column, and what a reader is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from hexapla.corpus_writer import write_corpus
from hexapla.encoder import EncoderFacts
from hexapla.errors import InputError
from hexapla.evaluate.overlap import corpus_overlap, find_corpus
from tests.test_compare import BITEXT, DEU, DEU_BACK, SWH, SWH_BACK, hits, lines_of, run_compare, shown, write_run

TRAINING = {
    "budget": "rows", "n_rows_seen": 1000, "n_encodings": 7000, "corpus": "courses", "corpus_sha256": "c1",
    "base_sha256": "b1", "temperature": 0.05, "negatives": "target",
}  # fmt: skip


def trained(folder: Path, regime: str, n_hits: int, seed: int = 0, sha: str | None = None, **changed: object) -> Path:
    """Write scores of one German pair and, beside them, the record of a training."""
    measured = {(BITEXT, pair): hits(n_hits, 100) for pair in (DEU, DEU_BACK, SWH, SWH_BACK)}
    write_run(folder, measured, regime=regime, seed=seed, encoder=sha or f"{regime}{seed}")
    training = {**TRAINING, "regime": regime, "seed": seed, **changed}
    (folder / "run.json").write_text(json.dumps({"encoder": {"training": training}}), encoding="utf-8")
    return folder


# Budgets


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_rows_seen": 2000}, r"\(rows, 1,000 rows seen, .*\) against \(rows, 2,000 rows seen"),
        ({"budget": "encodings"}, r"\(rows, .*\) against \(encodings, "),
        ({"corpus_sha256": "c2", "corpus": "stsb"}, r"the corpora are not the same \(courses and stsb\)"),
    ],
)
def test_regimes_at_different_budgets_are_no_comparison_unless_told(
    tmp_path: Path, changed: Mapping[str, object], message: str
) -> None:
    one, other = trained(tmp_path / "a", "en-x", 10), trained(tmp_path / "b", "multiway", 20, **changed)
    with pytest.raises(InputError, match=rf"no fair comparison of regimes: .*{message}.*--different-budgets"):
        run_compare(one, other)
    notes = run_compare(one, other, different_budgets=True).notes
    assert any("en-x and multiway are no comparison of regimes: " in note for note in notes)


def test_equal_rows_may_be_unequal_sentences_and_the_budget_is_named(tmp_path: Path) -> None:
    one = trained(tmp_path / "a", "en-x", 10, n_encodings=2000)
    comparison = run_compare(one, trained(tmp_path / "b", "multiway", 20, n_rows_seen=1004))
    (budget,) = (note for note in comparison.notes if note.startswith("budget:"))
    assert budget == (
        "budget: en-x (rows, 1,000 rows seen, 2,000 sentences encoded); "
        "multiway (rows, 1,004 rows seen, 7,000 sentences encoded)"
    )
    assert (comparison.runs[0].budget, comparison.runs[0].n_encodings) == ("rows", 2000)


def test_converged_runs_are_compared_whatever_they_took(tmp_path: Path) -> None:
    one = trained(tmp_path / "a", "en-x", 10, budget="converged", n_rows_seen=50)
    run_compare(one, trained(tmp_path / "b", "multiway", 20, budget="converged"))


def test_one_regime_at_several_budgets_is_an_ablation_and_an_unaligned_base_has_none(tmp_path: Path) -> None:
    base = write_run(tmp_path / "base", {(BITEXT, DEU): hits(5, 100)}, regime=None, seen=None, seed=None, encoder="x")
    for name, rows in (("a", 1000), ("b", 2000)):
        trained(tmp_path / name, "multiway", 20, n_rows_seen=rows, n_rows=rows)
        write_run_german_only(tmp_path / name)
    comparison = run_compare(base, tmp_path / "a", tmp_path / "b")
    assert any("differ in their training" in note for note in comparison.notes)


def write_run_german_only(folder: Path) -> None:
    lines = (folder / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["languages"] == DEU]
    (folder / "scores.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "a", "en-x", 10), trained(tmp_path / "b", "multiway", 20)
    (other / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"b/run\.json cannot be read: .*; evaluate again"):
        run_compare(one, other)


# Seeds


def seeds(tmp_path: Path) -> list[Path]:
    return [
        trained(tmp_path / f"{regime}{seed}", regime, n_hits + seed, seed)
        for regime, n_hits in (("en-x", 40), ("multiway", 50))
        for seed in range(3)
    ]


def test_runs_that_differ_in_their_seed_alone_are_one_column(tmp_path: Path) -> None:
    comparison = run_compare(*seeds(tmp_path))
    assert [run.label for run in comparison.runs] == ["en-x, 3 seeds", "multiway, 3 seeds"]
    assert comparison.runs[1].seeds == (0, 1, 2)
    one, other = lines_of(comparison.blocks[0])["seen"].cells
    assert (one.value, other.value) == (pytest.approx(0.41), pytest.approx(0.51))
    assert (one.sd, other.sd) == (pytest.approx(0.01), pytest.approx(0.01))
    assert other.gain == pytest.approx(0.1)
    assert other.p_seeds == pytest.approx(2 / 8)  # three gains of 0.1
    assert other.p_rows is not None and other.p_rows < 0.05
    text = shown(comparison)
    assert "51.0 ± 1.0" in text and "p(seeds)=0.25" in text
    assert "of 3 no less than 0.25" in " ".join(text.split())


def test_seeds_stay_apart_when_told_and_where_settings_differ(tmp_path: Path) -> None:
    assert len(run_compare(*seeds(tmp_path), seeds="apart").runs) == 6
    warmer = trained(tmp_path / "warmer", "multiway", 60, 7, temperature=0.1)
    labels = [run.label for run in run_compare(*seeds(tmp_path / "again"), warmer).runs]
    assert labels == ["en-x, 3 seeds", "multiway, 3 seeds", "multiway seed 7"]


def test_two_runs_of_one_seed_stay_apart_with_a_note(tmp_path: Path) -> None:
    one = trained(tmp_path / "a", "multiway", 10, 0, sha="x")
    other = trained(tmp_path / "b", "multiway", 12, 0, sha="y")
    comparison = run_compare(one, other)
    assert len(comparison.runs) == 2
    assert any("not each a seed of its own" in note for note in comparison.notes)


def test_a_base_without_a_seed_is_compared_with_every_seed(tmp_path: Path) -> None:
    measured = {(BITEXT, pair): hits(5, 100) for pair in (DEU, DEU_BACK, SWH, SWH_BACK)}
    base = write_run(tmp_path / "base", measured, regime=None, seen=None, seed=None, encoder="hub/x")
    cell = lines_of(run_compare(base, *seeds(tmp_path)).blocks[0])["unseen"].cells[2]
    assert cell.p_seeds == pytest.approx(0.25)


def test_a_baseline_is_named_by_its_column_or_by_a_run_in_it(tmp_path: Path) -> None:
    paths = seeds(tmp_path)
    for name in ("multiway, 3 seeds", str(paths[4])):
        assert run_compare(*paths, baseline=name).runs[0].label == "multiway, 3 seeds"
    with pytest.raises(InputError, match=r'baseline is "star"; it must be one of en-x, 3 seeds, multiway, 3 seeds'):
        run_compare(*paths, baseline="star")


def test_two_checkpoints_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [trained(tmp_path / name, "multiway", 10, 0, sha="checkpoints/best") for name in ("early", "late")]
    assert [run.label for run in run_compare(*paths).runs] == ["multiway early", "multiway late"]


# Direction and version of a metric


def test_a_metric_whose_lower_values_are_better_says_so(tmp_path: Path) -> None:
    key = ("xsim/toy", DEU_BACK)
    paths = [
        write_run(tmp_path / name, {key: {"xsim": hits(n, 100)["accuracy"]}}, regime=name)
        for name, n in (("en-x", 60), ("multiway", 20))
    ]
    (block,) = run_compare(*paths).blocks
    assert not block.higher_is_better
    assert block.lines[0].cells[1].gain == pytest.approx(-0.4)
    assert "xsim, %, lower is better" in shown(run_compare(*paths))


def test_another_version_of_a_metric_and_an_unknown_metric_are_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", {(BITEXT, DEU): hits(5)}, signed={"metric_version": 1})
    other = write_run(tmp_path / "b", {(BITEXT, DEU): hits(5)}, regime="star", signed={"metric_version": 2})
    with pytest.raises(InputError, match=r"metric_version differs: 1 .*; 2 .*of one version of the metric, evaluate"):
        run_compare(one, other)
    odd = write_run(tmp_path / "c", {(BITEXT, DEU): {"acuracy": [1.0] * 10}})
    with pytest.raises(InputError, match='a metric that this version does not know; did you mean "accuracy"'):
        run_compare(one, odd)


def test_a_table_with_a_value_that_is_no_number_is_refused(tmp_path: Path) -> None:
    one, other = (write_run(tmp_path / name, {(BITEXT, DEU): hits(5)}, regime=name) for name in ("a", "b"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    (table,) = (other / "per_item").rglob("*.parquet")
    broken = pa.table({"item": list(map(str, range(10))), "accuracy": [np.nan] * 10})
    pq.write_table(broken, table)
    with pytest.raises(InputError, match=r"is 0\.5000 in the scores and nan by its per-item table"):
        run_compare(one, other)


def test_per_language_lines_are_in_markdown_and_in_the_terminal_when_asked(tmp_path: Path) -> None:
    comparison = run_compare(trained(tmp_path / "a", "en-x", 10), trained(tmp_path / "b", "multiway", 20))
    assert [line.languages for line in comparison.blocks[0].languages] == [("deu_Latn",), ("swh_Latn",)]
    assert "| swh_Latn (unseen) | 10.0 | 20.0 +10.0" in comparison.to_markdown()
    assert "swh_Latn" not in shown(comparison)


# Contamination


def corpus_of(tmp_path: Path) -> Path:
    rows = [{"eng_Latn": f"Sentence number {n} of the corpus.", "deu_Latn": f"Satz {n}."} for n in range(5)]
    write_corpus(rows, tmp_path / "corpus", languages=("eng_Latn", "deu_Latn"))
    return tmp_path / "corpus"


def test_evaluation_sentences_that_the_corpus_holds_are_counted_in_every_task(tmp_path: Path) -> None:
    from hexapla.corpus import open_corpus

    found = corpus_overlap(
        open_corpus(corpus_of(tmp_path)),
        {
            ("sts/x", "test"): ["Sentence number 3 of the corpus.", "Nothing of the kind."],
            ("bitext/y", "test"): ["sentence number 3, of the corpus", "Satz 1.", "Satz 2.", "Satz 2."],
            ("bitext/z", "test"): [],
        },
    )
    by_task = {one["task"]: (one["n_found"], one["n_sentences"]) for one in found["tasks"]}
    assert by_task == {"sts/x": (1, 2), "bitext/y": (3, 3), "bitext/z": (0, 0)}


def facts(sha: str | None) -> EncoderFacts:
    training = {} if sha is None else {"corpus_sha256": sha}
    return EncoderFacts(
        name="e", sha256="s", regime="multiway", corpus="corpus", seed=0, languages=(), training=training
    )


def test_the_corpus_is_the_one_that_the_encoder_was_aligned_on(tmp_path: Path) -> None:
    from hexapla.corpus import open_corpus

    path = corpus_of(tmp_path)
    sha = open_corpus(path).sha256
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}", encoding="utf-8")
    config = {"corpus": str(path), "languages": ["eng_Latn"]}
    (encoder / "run.json").write_text(json.dumps({"config": config}), encoding="utf-8")
    found = find_corpus(str(encoder), facts(sha), None)
    assert found is not None and found.sha256 == sha
    english = open_corpus(path, languages=("eng_Latn",))
    assert english.sha256 != sha  # of training on a part of the columns
    found = find_corpus(str(encoder), facts(english.sha256), None)
    assert found is not None and found.languages == ("eng_Latn",)
    assert find_corpus(str(encoder), facts("other"), None) is None
    assert find_corpus(str(encoder), facts(None), None) is None
    with pytest.raises(InputError, match=r"corpus is not what .* was aligned on"):
        find_corpus(str(encoder), facts("other"), str(path))
    with pytest.raises(InputError, match="does not say what it was aligned on"):
        find_corpus(str(encoder), facts(None), str(path))


def test_contamination_is_flagged_at_the_task_and_in_the_legend(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "a", "en-x", 10), trained(tmp_path / "b", "multiway", 20)
    task = {"task": BITEXT, "split": "test", "n_sentences": 100, "n_found": 7, "examples": ["A sentence."]}
    (other / "contamination.json").write_text(json.dumps({"tasks": [task]}), encoding="utf-8")
    comparison = run_compare(one, other)
    (flag,) = comparison.contamination
    assert (flag.run, flag.n_found) == ("multiway", 7)
    text = shown(comparison)
    assert f"{BITEXT} (test) †" in text
    assert "7 of 100 evaluation sentences" in " ".join(text.split())
    assert any("not looked for in the training corpus of en-x" in note for note in comparison.notes)
