"""What the printed comparison must show: value, gain and interval, within 100 columns, in Markdown as in a terminal."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

from tests.test_compare import BITEXT, DEU, SWH, base_and_aligned, hits, run_compare, shown, write_run


def test_the_terminal_table_shows_value_gain_relative_gain_and_interval(tmp_path: Path) -> None:
    comparison = run_compare(*base_and_aligned(tmp_path))
    (low, high) = comparison.blocks[0].lines[0].cells[1].interval or (0, 0)
    text = shown(comparison)
    assert re.search(r"seen +20\.0 +80\.0\n", text)
    assert "+60.0* +300%" in text and f"[{100 * low:.1f}, {100 * high:.1f}]" in text
    assert re.search(r"\+10\.0  \+50\.0%", text)  # no star
    assert "gain over xlmr" in text
    assert "Headline" not in text  # one block is its own headline


def test_six_runs_fit_into_100_columns(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rates = {"e5-base": 0.1, "en-x": 0.3, "multiway": 0.9, "multilingual-e5-base": 0.6, "pivot-only": 0.5, "star": 0.7}
    tasks = [("bitext/tatoeba", DEU), ("topics-zero-shot/sib200", DEU), ("topics-zero-shot/sib200", SWH)]
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
    assert all("star" in line for line in text.splitlines() if "en-x" in line)  # side by side, not dealt out
    assert text.index("Headline") < text.index("bitext/tatoeba (test)  accuracy, %")
    assert "…" not in text


def test_runs_that_do_not_fit_go_into_another_table_beside_the_baseline(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / name, {(BITEXT, DEU): hits(5)}, regime=name) for name in ("base", "en-x", "star")]
    text = shown(run_compare(*paths), width=40)
    table = text[: text.index("Values:")]
    headers = [line for line in table.splitlines() if re.search(r"en-x|star", line)]
    assert max(map(len, text.splitlines())) <= 40 and len(headers) == 2
    assert text.count("base") >= 2 and "…" not in text


def test_markdown_has_the_same_numbers_and_escapes_its_own_signs(tmp_path: Path) -> None:
    base, aligned = base_and_aligned(tmp_path)
    comparison = run_compare(base, aligned)
    runs = (comparison.runs[0], dataclasses.replace(comparison.runs[1], label="a|b"))
    text = dataclasses.replace(comparison, runs=runs).to_markdown()
    assert "| languages | xlmr (baseline) | a\\|b |\n|---|---:|---:|\n" in text
    assert re.search(
        r"^\| seen: 1 language, 10 items \| 20\.0 \| 80\.0 \+60\.0\\\* \+300% \[.*\] p\(rows\)=0\.\d+ \|$", text, re.M
    )
    assert re.search(r"^\| unseen: .* \| 20\.0 \| 30\.0 \+10\.0 \+50\.0% \[.*\] p\(rows\)=\S+ \|$", text, re.M)
