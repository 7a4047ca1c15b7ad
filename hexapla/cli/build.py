"""The command build. No other command loads its many settings."""

from __future__ import annotations

from typing import Annotated

import typer

from hexapla.build.config import BuildConfig
from hexapla.cli.options import State, console, print_size, say, silence_libraries


def build(
    config: BuildConfig,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what the build will take, and stop.")
    ] = False,
) -> None:
    """An interrupted build continues with --resume, and ends in the same bytes."""
    from hexapla.build.check_build import check_build

    check_build(config, dry_run=dry_run)
    from hexapla.build import build as run
    from hexapla.build import estimate_build

    silence_libraries()
    if dry_run:
        for line in estimate_build(config).lines():
            say(line)
        return
    run(config, quiet=State.quiet).render(console())
    print_size(config.out)
