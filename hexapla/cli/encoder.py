"""The commands on an aligned encoder and its base: merge and explore. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hexapla.cli.options import (
    Debug,
    Languages,
    Out,
    Overwrite,
    Pickle,
    Quiet,
    Remote,
    State,
    calm_libraries,
    console,
)

if TYPE_CHECKING:
    from rich.table import Table


def merge(
    base: Annotated[
        str, typer.Argument(help="The encoder that was aligned: Hub name, encoder folder, or tiny.")
    ],
    aligned: Annotated[str, typer.Argument(help="The folder that hexapla align made of it.")],
    corpus: Annotated[
        str,
        typer.Option(
            "--corpus",
            help="Corpus folder, table file, or sample, whose held-out rows choose alpha.",
        ),
    ],
    out: Out,
    alpha: Annotated[
        str,
        typer.Option(
            help="START:STOP:STEP, a number, or a list with commas; 0 is the base, 1 the aligned encoder."
        ),
    ] = "0:1:0.1",
    languages: Languages = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the rows to judge by; 0 takes all. "
            "[dim]\\[default: what align held out; all rows if nothing][/dim]"
        ),
    ] = None,
    sts: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file of pairs in the pivot's language: sentence1, sentence2, score."
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="What the pivot may lose. With --sts: of the correlation with the scores, against alpha 0. Without: "
            "of the correlation of the pivot's cosines with the base's, which is 1 at alpha 0 by definition. "
            "[dim]\\[default: 0 with --sts, else 0.05][/dim]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Mix the weights of an encoder and of its aligned child: the best retrieval that costs the pivot nothing.

    Every alpha is measured on held-out rows. One that loses more than the tolerance on the pivot
    does not qualify; of the others the most accurate is kept.
    """
    calm_libraries()
    from hexapla.merge.config import MergeConfig
    from hexapla.merge.stage import merge as run
    from hexapla.text.languages import parse_list

    config = MergeConfig(
        base=base,
        aligned=aligned,
        corpus=corpus,
        out=out,
        alpha=alpha,
        held_out=held_out,
        sts=sts,
        languages=parse_list(languages) if languages else None,
        tolerance=tolerance,
        overwrite=overwrite,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    result = run(config, quiet=State.quiet)
    console().print(_sweep_table(result))
    typer.echo(
        f"{out}: alpha {result['alpha']:g}, {result['n_rows']} rows judged, {result['seconds']:.0f} s"
    )


def _sweep_table(result: dict[str, Any]) -> Table:
    """Return a line for each alpha: accuracy in percent, the pivot's value, and what came of it."""
    from rich import box
    from rich.table import Table

    from hexapla.encoder.encoder_card import verdict

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for header in ("alpha", "accuracy %", f"{result['pivot']} ({result['measure']})"):
        table.add_column(header, justify="right")
    table.add_column("")
    for point in result["sweep"]:
        style = (
            "bold" if point["alpha"] == result["alpha"] else "" if point["loses_nothing"] else "dim"
        )
        cells = (f"{point['alpha']:g}", f"{100 * point['accuracy']:.1f}", f"{point['pivot']:.4f}")
        table.add_row(*cells, verdict(point, result), style=style)
    return table


def explore(
    encoder: Annotated[
        str, typer.Argument(help="After alignment: encoder folder, Hub name, or tiny.")
    ],
    corpus: Annotated[str, typer.Argument(help="Corpus folder, table file, or sample.")],
    before: Annotated[
        str | None,
        typer.Option(help="Encoder to show beside it; what it was aligned from if not given."),
    ] = None,
    languages: Languages = None,
    rows: Annotated[int, typer.Option(help="Rows of the corpus, from its start.")] = 2000,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback, others can query.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free.")] = 7860,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Serve a local page: type a sentence, see the nearest in all languages, before and after alignment."""
    calm_libraries()
    from hexapla.explore.explorer import ExploreConfig, launch, open_explorer
    from hexapla.text.languages import parse_list

    config = ExploreConfig(
        encoder=encoder,
        corpus=corpus,
        before=before,
        languages=parse_list(languages) if languages else None,
        rows=rows,
        host=host,
        port=port,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    launch(open_explorer(config, quiet=State.quiet), config, open_browser=open_browser)
