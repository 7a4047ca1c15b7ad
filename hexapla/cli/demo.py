"""The command that shows the main job: demo."""

from __future__ import annotations

from hexapla.cli.options import State, console, silence_libraries
from hexapla.runs.config import DemoConfig


def demo(config: DemoConfig) -> None:
    """It aligns twice, evaluates and compares, and takes minutes."""
    from hexapla.demo import demo as run
    from hexapla.report import render_comparison

    silence_libraries()
    comparison = run(
        config.out,
        encoder=config.encoder,
        seed=config.seed,
        overwrite=config.overwrite,
        quiet=State.quiet,
    )
    render_comparison(comparison, console())
