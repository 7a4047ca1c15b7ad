"""The table shows baseline, run, gain, interval and n in a terminal, and the same in Markdown."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
from rich.console import Console

from hexapla.report import Comparison, render_comparison
from hexapla.report.markdown_tables import comparison_to_markdown
from hexapla.report.number_format import format_interval
from tests.fixtures.score_folders import (
    BITEXT,
    DEU,
    FRA,
    SWH,
    base_and_aligned,
    hits,
    run_compare,
    shown,
    write_run,
)


def several_metrics(tmp_path: Path) -> Comparison:
    """Compare two runs of which the second is better by every metric: more hits, fewer errors."""
    measured = [
        {
            (BITEXT, pair): {
                "accuracy": hits(n)["accuracy"],
                "xsim": hits(10 - n)["accuracy"],
                "f1": [0.5] * 10,
            }
            for pair, n in ((FRA, n_hits), (DEU, n_hits + 1), (SWH, n_hits))
        }
        for n_hits in (1, 8)
    ]
    return run_compare(
        write_run(tmp_path / "en-x", measured[0], regime="en-x"),
        write_run(tmp_path / "multiway", measured[1]),
    )


def test_the_table_has_baseline_run_gain_interval_and_number_of_items(tmp_path: Path) -> None:
    comparison = run_compare(*base_and_aligned(tmp_path))
    cell = comparison.blocks[0].lines[0].cells[1]
    text = shown(comparison)
    assert re.search(r"xlmr +multiway *\n +baseline +run +gain +95 % interval +n *\n", text)
    interval = re.escape(format_interval(cell))
    assert re.search(rf"seen, 1 language +20\.0 +80\.0 +\+60\.0\* +{interval} +10 *\n", text)
    assert re.search(r"unseen, 1 language +20\.0 +30\.0 +\+10\.0   .* 10 *\n", text)  # no star
    assert "Gains over xlmr are points" in " ".join(text.split())
    assert text.startswith("multiway is better than xlmr at bitext/toy in seen languages (+60.0")
    assert "p rows" not in text and "p rows" in shown(comparison, per_language=True)


def test_a_run_alone_has_its_values(tmp_path: Path) -> None:
    comparison = run_compare(base_and_aligned(tmp_path)[1])
    text = shown(comparison, per_language=True)
    assert re.search(r"^ +multiway +n *$", text, re.M) and "gains" not in text.lower()
    assert re.search(r"^  seen, 1 language +80\.0 +10 *$", text, re.M)
    assert re.search(r"^    swh_Latn  unseen +30\.0 +10 *$", text, re.M)
    markdown = comparison_to_markdown(comparison)
    assert "| 1 language | unseen | multiway | 30.0 | 10 |" in markdown and "+" not in markdown


def test_six_runs_fit_into_100_columns(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rates = {
        "e5-base": 0.1,
        "en-x": 0.3,
        "multiway": 0.9,
        "multilingual-e5-base": 0.6,
        "pivot-only": 0.5,
        "star": 0.7,
    }
    tasks = [
        ("bitext/tatoeba", DEU),
        ("topics-zero-shot/sib200", DEU),
        ("topics-zero-shot/sib200", SWH),
    ]
    paths = [
        write_run(
            tmp_path / name,
            {key: {"accuracy": (draw.random(200) < rate).astype(float).tolist()} for key in tasks},
            regime=name,
        )
        for name, rate in rates.items()
    ]
    comparison = run_compare(*paths)
    for asked in (False, True):
        text = shown(comparison, all_metrics=asked)
        assert max(map(len, text.splitlines())) <= 100 and "…" not in text
    table = text[text.index("95 % interval") : text.index("Values are")]
    for name in rates:
        assert len(re.findall(rf" {name} ", table)) == (0 if name == "e5-base" else 3)


def test_a_narrow_terminal_cuts_nothing_off(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / name, {(BITEXT, DEU): hits(5)}, regime=name)
        for name in ("base", "en-x", "star")
    ]
    text = shown(run_compare(*paths), width=70)
    assert max(map(len, text.splitlines())) <= 70 and "…" not in text
    assert " en-x " in text and " star " in text and "+0.0 to +0.0" in text


def test_markdown_has_the_same_numbers_and_escapes_its_own_signs(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    comparison = run_compare(base, aligned)
    runs = (comparison.runs[0], dataclasses.replace(comparison.runs[1], label="a|b"))
    text = comparison_to_markdown(dataclasses.replace(comparison, runs=runs))
    assert text.startswith("# Comparison\n\nVerdict: a\\|b is better than xlmr at bitext/toy")
    assert (
        "| task | languages | run | xlmr (baseline) | value | gain | 95 % interval | n |\n"
        "|---|---|---|---:|---:|---:|---:|---:|\n" in text
    )
    for languages, group, row in (
        ("1 language", "seen", r"80\.0 \| \+60\.0\\\* \| .* \| 10 \| \+300%"),
        ("1 language", "unseen", r"30\.0 \| \+10\.0 \| .* \| 10 \| \+50\.0%"),
        ("deu_Latn", "seen", r"80\.0 \| \+60\.0\\\* \| .* \| 10 \| \+300%"),
    ):
        line = rf"^\| {languages} \| {group} \| a\\\|b \| 20\.0 \| {row} \| p=0\.\d{{3}} \|  \|$"
        assert re.search(line, text, re.M), line


def test_other_metrics_are_printed_if_all_are_asked_for(tmp_path: Path) -> None:
    comparison = several_metrics(tmp_path)
    text = shown(comparison)
    assert re.search(r"bitext/toy \(test\) *\naccuracy, %", text) and "F1, as MTEB, %" not in text
    assert "Also measured: xsim error; F1, as MTEB (--all-metrics)." in text
    text = shown(comparison, all_metrics=True)
    assert re.search(r"bitext/toy \(test\) *\nF1, as MTEB, %", text)
    assert "Also measured" not in text and "xsim error, %, lower is better" in text
    markdown = comparison_to_markdown(comparison)
    assert "## bitext/toy (test): xsim error, %, lower is better" in markdown
    assert markdown.count("| swh_Latn |") == 1  # languages of the headline metric alone


def test_xsim_stands_behind_xsim_with_altered_sentences(tmp_path: Path) -> None:
    measured = [
        {("xsim/toy", SWH): {"xsim": hits(0)["accuracy"], "xsim++": hits(n)["accuracy"]}}
        for n in (8, 4)
    ]
    comparison = run_compare(
        write_run(tmp_path / "base", measured[0]), write_run(tmp_path / "aligned", measured[1])
    )
    assert [(block.metric, block.headline) for block in comparison.blocks] == [
        ("xsim++", True),
        ("xsim", False),
    ]


def test_fewer_errors_are_green_and_more_are_red(tmp_path: Path) -> None:
    comparison = several_metrics(tmp_path)
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        render_comparison(comparison, console, all_metrics=True)
    green, red = "\x1b[32m", "\x1b[31m"
    text = capture.get()
    assert f"{green}-70.0*" in text and f"{green}+70.0*" in text and red not in text


def test_languages_are_shown_one_by_one_when_asked_for(tmp_path: Path) -> None:
    comparison = several_metrics(tmp_path)
    assert "fra_Latn" not in shown(comparison)
    lines = [
        line
        for line in shown(comparison, per_language=True).splitlines()
        if re.match(r" +\w{3}_\w{4} ", line)
    ]
    assert [line.split()[:3] for line in lines] == [
        ["fra_Latn", "seen", "10.0"],
        ["deu_Latn", "seen", "20.0"],
        ["swh_Latn", "unseen", "10.0"],
    ]
    assert re.search(r"80\.0 +\+70\.0\* .* 10 +p=0\.0\d\d *$", lines[0])
    (accuracy, *_) = comparison.blocks
    assert [(line.group, line.languages) for line in accuracy.languages] == [
        ("seen", ("fra_Latn",)),
        ("seen", ("deu_Latn",)),
        ("unseen", ("swh_Latn",)),
    ]
    cell = accuracy.languages[1].cells[1]
    assert (
        cell.gain is not None
        and round(cell.gain, 9) == 0.7
        and cell.relative
        and round(cell.relative, 9) == 3.5
    )
    assert cell.interval is not None and cell.p_rows is not None
    found = comparison.to_json()["blocks"][0]["languages"][1]["cells"][1]
    assert (found["run"], found["significant"]) == ("multiway", True)
