"""The commands that compare scores: compare and report."""

from __future__ import annotations

from typing import Annotated

import typer

from hexapla.cli.options import State, console, say, silence_libraries
from hexapla.report.config import CompareConfig, ReportConfig


def compare(
    config: CompareConfig,
    *,
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Print all metrics, and tests.")
    ] = False,
    per_language: Annotated[
        bool, typer.Option("--per-language", help="Print a row for each language, and tests.")
    ] = False,
) -> None:
    """Seen and unseen languages have separate lines."""
    from hexapla.report import compare as run
    from hexapla.report import render_comparison

    silence_libraries()
    comparison = run(config, quiet=State.quiet)
    render_comparison(comparison, console(), all_metrics=all_metrics, per_language=per_language)


def report(config: ReportConfig) -> None:
    """The page is one file and needs no network."""
    from hexapla.report.page import report as run

    silence_libraries()
    say(run(config, quiet=State.quiet))
