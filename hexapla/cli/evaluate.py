"""The commands that measure encoders: evaluate and fetch-data."""

from __future__ import annotations

from hexapla.cli.options import State, console, say, silence_libraries
from hexapla.encoder.alignment_record import base_of
from hexapla.encoder.locate import locate
from hexapla.evaluation.config import EvaluateConfig, FetchDataConfig


def evaluate(config: EvaluateConfig) -> None:
    """Tasks are bitext mining, semantic similarity and classification."""
    from hexapla.evaluation import evaluate as run
    from hexapla.report import CompareConfig, compare, render_comparison

    silence_libraries()
    scores = run(config, quiet=State.quiet)
    render_comparison(compare(CompareConfig(scores=(config.out,))), console())
    n_tasks = len({score.task for score in scores})
    say(f"{config.out}: {len(scores)} scores of {n_tasks} tasks")
    folder = locate(config.encoder)
    base = None if folder is None else base_of(folder)
    if base is None:
        say(f"Next: hexapla compare {config.out} ENCODER evaluates another one in the same way")
    else:
        say(f"Next: hexapla compare {base} {config.out} says what the alignment gained")


def fetch_data(config: FetchDataConfig) -> None:
    """`hexapla evaluate --data FOLDER` reads it."""
    from hexapla.evaluation.fetch import fetch_data as run

    silence_libraries()
    say(f"{config.out}: {len(run(config.suite, config.out))} tasks")
