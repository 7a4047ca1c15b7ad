"""Tables show value, gain and interval in a terminal of 100 columns, and the same in Markdown."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
from rich.console import Console

from hexapla.report import Comparison, render_comparison
from hexapla.report.markdown_tables import comparison_to_markdown
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


def test_the_terminal_table_shows_value_gain_relative_gain_and_interval(tmp_path: Path) -> None:
    comparison = run_compare(*base_and_aligned(tmp_path))
    (low, high) = comparison.blocks[0].lines[0].cells[1].interval or (0, 0)
    text = shown(comparison)
    assert re.search(r"seen +20\.0 +80\.0\n", text)
    assert "+60.0* +300%" in text and f"[{100 * low:.1f}, {100 * high:.1f}]" in text
    assert re.search(r"\+10\.0  \+50\.0%", text)  # no star
    assert "gain over xlmr" in text
    assert "Headline" not in text  # a single block needs no headline table


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
    text = shown(run_compare(*paths))
    assert max(map(len, text.splitlines())) <= 100
    tables = text[: text.index("Values:")].splitlines()
    assert all("star" in line for line in tables if "en-x" in line)  # side by side, in one table
    assert text.index("Headline") < text.index("bitext/tatoeba (test)  accuracy, %")
    assert "…" not in text


def test_runs_that_do_not_fit_go_into_another_table_beside_the_baseline(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / name, {(BITEXT, DEU): hits(5)}, regime=name)
        for name in ("base", "en-x", "star")
    ]
    text = shown(run_compare(*paths), width=40)
    headers = [line for line in text.splitlines() if re.search(r"^ +baseline +(en-x|star)$", line)]
    assert max(map(len, text.splitlines())) <= 40 and len(headers) == 2
    assert text.count("base") >= 2 and "…" not in text


def test_markdown_has_the_same_numbers_and_escapes_its_own_signs(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    comparison = run_compare(base, aligned)
    runs = (comparison.runs[0], dataclasses.replace(comparison.runs[1], label="a|b"))
    text = comparison_to_markdown(dataclasses.replace(comparison, runs=runs))
    assert "| languages | xlmr (baseline) | a\\|b |\n|---|---:|---:|\n" in text
    assert re.search(
        r"^\| seen: 1 language, 10 items \| 20\.0 \| 80\.0 \+60\.0\\\* \+300% \[.*\] p=0\.\d{3} \|$",
        text,
        re.M,
    )
    assert re.search(
        r"^\| unseen: .* \| 20\.0 \| 30\.0 \+10\.0 \+50\.0% \[.*\] p=0\.\d{3} \|$", text, re.M
    )
    assert "### bitext/toy (test): accuracy, %, by language" in text
    assert re.search(
        r"^\| deu_Latn \| seen \| 20\.0 \| 80\.0 \+60\.0\\\* \+300% \[.*\] p=0\.\d{3} \|$",
        text,
        re.M,
    )


def test_details_are_of_the_headline_metric_unless_all_are_asked_for(tmp_path: Path) -> None:
    comparison = several_metrics(tmp_path)
    text = shown(comparison)
    assert "bitext/toy (test)  accuracy, %" in text and "bitext/toy (test)  F1" not in text
    assert "Also measured: xsim error; F1, as MTEB (--all-metrics)." in text
    text = shown(comparison, all_metrics=True)
    assert "bitext/toy (test)  F1, as MTEB, %" in text and "Also measured" not in text
    assert "bitext/toy (test)  xsim error, %, lower is better" in text
    markdown = comparison_to_markdown(comparison)
    assert "## bitext/toy (test): xsim error, %, lower is better" in markdown
    assert markdown.count(", by language") == 1


def test_fewer_errors_are_green_and_more_are_red(tmp_path: Path) -> None:
    comparison = several_metrics(tmp_path)
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        render_comparison(comparison, console, all_metrics=True)
    green, red = "\x1b[32m", "\x1b[31m"
    text = capture.get()
    assert f"{green}-70.0* -82.4%" in text and f"{green}+70.0* +700%" in text and red not in text


def test_languages_are_shown_one_by_one_when_asked_for(tmp_path: Path) -> None:
    comparison = several_metrics(tmp_path)
    assert "fra_Latn" not in shown(comparison)
    lines = [
        line
        for line in shown(comparison, per_language=True).splitlines()
        if re.match(r"\w{3}_\w{4} ", line)
    ]
    assert [line.split()[:3] for line in lines] == [
        ["fra_Latn", "seen", "10.0"],
        ["deu_Latn", "seen", "20.0"],
        ["swh_Latn", "unseen", "10.0"],
    ]
    assert re.search(r"80\.0 +\+70\.0\* p=0\.0\d\d$", lines[0])
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
