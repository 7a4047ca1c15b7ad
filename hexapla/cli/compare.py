"""The commands that compare scores: compare and report."""

from __future__ import annotations

from typing import Annotated

import typer

from hexapla.cli.options import console, say
from hexapla.report.config import CompareConfig, ReportConfig


def compare(
    config: CompareConfig,
    *,
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Print all metrics with intervals.")
    ] = False,
    per_language: Annotated[
        bool, typer.Option("--per-language", help="Print a line for each language.")
    ] = False,
) -> None:
    """Seen and unseen languages have separate lines."""
    from hexapla.report import compare as run
    from hexapla.report import render_comparison

    comparison = run(config)
    render_comparison(comparison, console(), all_metrics=all_metrics, per_language=per_language)


def report(config: ReportConfig) -> None:
    """The page is one file and needs no network."""
    from hexapla.report.page import report as run

    say(run(config))
