"""The command that sets scores side by side: compare. It parses, calls and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli_options import Debug, Overwrite, Quiet, console


def compare(
    scores: Annotated[list[Path], typer.Argument(help="Score folders, two or more; the first is the baseline.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for comparison.md and comparison.json.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Label or folder of the run to compare with.")] = None,
    seeds: Annotated[
        str, typer.Option(help="together: runs that differ in the seed alone are one column; apart: each is one.")
    ] = "together",
    different_budgets: Annotated[
        bool, typer.Option("--different-budgets", help="Compare regimes at different budgets or on different corpora.")
    ] = False,
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Print every metric, not only each task's headline.")
    ] = False,
    per_language: Annotated[bool, typer.Option("--per-language", help="Print every language apart, too.")] = False,
    resamples: Annotated[int, typer.Option(help="Resamples of the bootstrap, draws of the permutation test.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resamples and draws.")] = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Print what each run gains over a baseline, seen and unseen languages apart, with 95 % intervals and tests.

    Regimes are compared at equal budgets on equal corpora. The folder gets all metrics and languages.
    """
    from hexapla.report import CompareConfig
    from hexapla.report import compare as run

    config = CompareConfig(
        scores=tuple(scores), out=out, baseline=baseline, seeds=seeds,  # type: ignore[arg-type]
        different_budgets=different_budgets, n_resamples=resamples, seed=seed, overwrite=overwrite,
    )  # fmt: skip
    run(config).render(console(), all_metrics=all_metrics, per_language=per_language)
