"""The command that finds what says the same: align-documents. It parses, calls and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli_options import Debug, Overwrite, Pickle, Quiet, Remote, State, calm_libraries


def align_documents(
    source: Annotated[Path, typer.Argument(help="Text file, a sentence a line, plain or compressed.")],
    target: Annotated[Path, typer.Argument(help="Its translation, likewise.")],
    encoder: Annotated[str, typer.Option(help="Hub name, encoder folder, or tiny.")],
    out: Annotated[Path, typer.Option("--out", help="TSV file to write.")],
    skip_cost: Annotated[
        float | None,
        typer.Option(help="Of a sentence without translation. [dim]\\[default: taken from the documents][/dim]"),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts in one forward pass.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the sentences that distances are measured by.")] = 0,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Align the sentences of a document with those of its translation: 1-1, 1-2, 2-1, and gaps."""
    import sys

    from hexapla.mine import AlignDocumentsConfig
    from hexapla.mine import align_documents as run

    calm_libraries()
    links = run(
        AlignDocumentsConfig(
            source=source, target=target, encoder=encoder, out=out, skip_cost=skip_cost, batch_size=batch_size,
            seed=seed, overwrite=overwrite, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
        ),
        quiet=State.quiet or not sys.stderr.isatty(),
    )  # fmt: skip
    linked = [link for link in links if link.source and link.target]
    merged = sum(len(link.source) + len(link.target) > 2 for link in linked)
    typer.echo(
        f"{out}: {len(linked)} links, {merged} of them with two sentences on a side; {len(links) - len(linked)} gaps"
    )
