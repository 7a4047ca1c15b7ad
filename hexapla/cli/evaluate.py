"""The commands that measure encoders: evaluate and fetch-data."""

from __future__ import annotations

from hexapla.cli.options import State, say, silence_libraries
from hexapla.evaluation.config import EvaluateConfig, FetchDataConfig


def evaluate(config: EvaluateConfig) -> None:
    """Tasks are bitext mining, semantic similarity and classification."""
    from hexapla.evaluation import evaluate as run

    silence_libraries()
    scores = run(config, quiet=State.quiet)
    n_tasks = len({score.task for score in scores})
    say(f"{config.out}: {len(scores)} scores of {n_tasks} tasks")


def fetch_data(config: FetchDataConfig) -> None:
    """`hexapla evaluate --data FOLDER` reads it."""
    from hexapla.evaluation.fetch import fetch_data as run

    silence_libraries()
    say(f"{config.out}: {len(run(config.suite, config.out))} tasks")
