"""The commands that make and show corpora: build, import, filter and inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.build.config import BuildConfig
from hexapla.cli.options import State, console, silence_libraries
from hexapla.corpus.config import InspectConfig
from hexapla.filters.config import FilterConfig
from hexapla.imports.config import ImportConfig


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
            typer.echo(line)
        return
    run(config, quiet=State.quiet).render(console())
    _print_size(config.out)


def import_(config: ImportConfig) -> None:
    """Rows of all files that have the same pivot text become one row."""
    from hexapla.imports import import_corpus

    import_corpus(config, quiet=State.quiet)
    _print_size(config.out)


def filter_(config: FilterConfig) -> None:
    """Rejected cells lie in the new folder under rejected/."""
    from hexapla.filters import filter_corpus

    filter_corpus(config, quiet=State.quiet).render(console())
    _print_size(config.out)


def inspect(config: InspectConfig) -> None:
    """An encoder is anything with a modules.json or config.json; else a corpus is expected."""
    from hexapla.encoder.locate import is_encoder

    if is_encoder(config.folder):
        from hexapla.encoder.encoder_card import inspect_encoder

        inspect_encoder(config.folder).render(console())
        return
    from hexapla.corpus.inspect import inspect_corpus
    from hexapla.corpus.reader import open_corpus

    inspect_corpus(open_corpus(config.folder, languages=config.languages)).render(console())


def _print_size(out: Path) -> None:
    from hexapla.corpus import open_corpus

    corpus = open_corpus(out, verify=False)
    typer.echo(f"{out}: {len(corpus):,} rows in {len(corpus.languages)} languages")
