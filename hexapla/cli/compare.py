"""The commands that show what was gained: compare and report. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli.options import Debug, Out, Overwrite, Quiet, console

Scores = Annotated[
    list[Path],
    typer.Argument(
        help="Score folders, two or more; the first is the baseline, seeds may be many."
    ),
]
Baseline = Annotated[str | None, typer.Option(help="Label or folder of the run to compare with.")]
Seeds = Annotated[
    str, typer.Option(help="together: runs that differ in their seed alone are one; or apart.")
]
Different = Annotated[
    bool,
    typer.Option(
        "--different-budgets", help="Compare regimes although their trainings saw unequal amounts."
    ),
]
Resamples = Annotated[
    int, typer.Option(help="Resamples of the bootstrap, and permutations of the tests.")
]


def compare(
    scores: Scores,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for comparison.md and comparison.json.")
    ] = None,
    baseline: Baseline = None,
    seeds: Seeds = "together",
    different_budgets: Different = False,
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Print all metrics with intervals.")
    ] = False,
    per_language: Annotated[
        bool, typer.Option("--per-language", help="Print a line for each language.")
    ] = False,
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the permutations.")] = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Print what each run gains over a baseline, seen and unseen languages apart, with 95 % intervals and tests."""
    from hexapla.report import CompareConfig
    from hexapla.report import compare as run

    config = CompareConfig(
        scores=tuple(scores),
        out=out,
        baseline=baseline,
        seeds=seeds,
        different_budgets=different_budgets,  # type: ignore[arg-type]
        n_resamples=resamples,
        seed=seed,
        overwrite=overwrite,
    )
    run(config).render(console(), all_metrics=all_metrics, per_language=per_language)


def report(
    scores: Scores,
    out: Out,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "What alignment gained",
    baseline: Baseline = None,
    seeds: Seeds = "together",
    different_budgets: Different = False,
    card: Annotated[
        Path | None,
        typer.Option(help="Encoder folder whose model card gets the scores of its weights."),
    ] = None,
    images: Annotated[bool, typer.Option(help="Write PNG and SVG files of the charts.")] = True,
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the permutations.")] = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Write a page that shows what was gained: one HTML file, charts, Markdown and metadata for model cards."""
    from hexapla.report import CompareConfig
    from hexapla.report.page import ReportConfig
    from hexapla.report.page import report as run

    config = CompareConfig(
        scores=tuple(scores),
        out=out,
        baseline=baseline,
        seeds=seeds,
        different_budgets=different_budgets,  # type: ignore[arg-type]
        n_resamples=resamples,
        seed=seed,
        overwrite=overwrite,
    )
    typer.echo(run(ReportConfig(compare=config, title=title, card=card, images=images)))
