"""The command build. No other command loads its many settings."""

from __future__ import annotations

from typing import Annotated

import typer

from hexapla.build.config import BuildConfig
from hexapla.cli.options import State, console, print_size, say, silence_libraries
from hexapla.errors import InputError


def build(
    config: BuildConfig,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what the build will take, and stop.")
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            "--preview",
            metavar="N",
            min=1,
            help="Translate N sentences into every language, show them with what the filters say "
            "and what the whole build will take, write nothing, and stop.",
        ),
    ] = None,
) -> None:
    """An interrupted build continues with --resume, and ends in the same bytes.

    With --add or --top-up, a corpus folder takes the place of the texts, as in
    hexapla build corpus --add sw --translator facebook/nllb-200-distilled-600M --out larger.
    """
    from hexapla.build.check_build import check_build

    if dry_run and preview is not None:
        raise InputError(
            "--dry-run and --preview exclude each other; a preview ends with what a dry run prints"
        )
    check_build(config, dry_run=dry_run or preview is not None)
    from hexapla.build import build as run
    from hexapla.build import estimate_build

    silence_libraries()
    if dry_run:
        for line in estimate_build(config).lines():
            say(line)
        return
    if preview is not None:
        from hexapla.build import preview_build

        preview_build(config, preview, quiet=State.quiet).render(console())
        return
    run(config, quiet=State.quiet).render(console())
    print_size(config.out)
