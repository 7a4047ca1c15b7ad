"""The command line: parses, calls, prints. No logic; every command is a function of the library.

Heavy imports live inside the commands, so that `hexapla --help` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import hexapla
from hexapla.cli import (
    compare as cli_compare,
)
from hexapla.cli import (
    corpus as cli_corpus,
)
from hexapla.cli import (
    encoder as cli_encoder,
)
from hexapla.cli import (
    evaluate as cli_evaluate,
)
from hexapla.cli import (
    mine as cli_mine,
)
from hexapla.cli import (
    reproduce as cli_reproduce,
)
from hexapla.cli.options import (
    Debug,
    Languages,
    MaxTokens,
    Out,
    Overwrite,
    Pickle,
    PoolingOption,
    Quiet,
    Remote,
    State,
    calm_libraries,
    console,
)
from hexapla.errors import InputError

app = typer.Typer(
    name="hexapla",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Multi-way aligned sentence encoders: from text in many languages to an aligned encoder, measured.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(hexapla.__version__)
        raise typer.Exit


for _command, _name, _example in (
    (
        cli_corpus.build,
        "build",
        "hexapla build text.txt --to de,fr,sw --translator facebook/nllb-200-distilled-600M --allow-pickle --out corpus",
    ),
    (cli_corpus.import_, "import", "hexapla import memory.tmx de.po --out corpus"),
    (cli_corpus.filter_, "filter", "hexapla filter sample --out filtered"),
    (cli_corpus.inspect, "inspect", "hexapla inspect sample"),
    (
        cli_encoder.merge,
        "merge",
        "hexapla merge tiny aligned --corpus sample --alpha 0:1:0.1 --out merged",
    ),
    (
        cli_evaluate.evaluate,
        "evaluate",
        "hexapla evaluate tiny --suite bitext --data sample --out scores",
    ),
    (cli_encoder.explore, "explore", "hexapla explore aligned sample"),
    (
        cli_mine.mine,
        "mine",
        "hexapla mine news.en.txt news.de.txt --encoder aligned --out bitext.tsv",
    ),
    (cli_mine.score, "score", "hexapla score bitext.tsv --encoder aligned --out scored.tsv"),
    (
        cli_mine.align_documents,
        "align-documents",
        "hexapla align-documents book.en.txt book.de.txt --encoder aligned --out links.tsv",
    ),
    (cli_compare.compare, "compare", "hexapla compare scores/base scores/en-x scores/multiway"),
    (
        cli_compare.report,
        "report",
        "hexapla report scores/base scores/en-x scores/multiway --out report",
    ),
    (cli_reproduce.reproduce, "reproduce", "hexapla reproduce paper --out paper --dry-run"),
    (cli_evaluate.fetch_data, "fetch-data", "hexapla fetch-data --suite quick --out data"),
):
    app.command(_name, epilog=f"Example: [bold]{_example}[/bold]")(_command)


@app.command(
    epilog="Example: [bold]hexapla align sample --encoder tiny --regime en-x --out aligned[/bold]"
)
def align(
    corpus: Annotated[str, typer.Argument(help="Corpus folder, table file, or sample.")],
    out: Out,
    encoder: Annotated[str | None, typer.Option(help="Hub name, encoder folder, or tiny.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="TOML file, or paper or hexapla: settings below, but for those given here."
        ),
    ] = None,
    languages: Languages = None,
    regime: Annotated[
        str | None,
        typer.Option(
            help="Which cells of a row meet. multiway: all, each with each. Controls: en-x (the pivot and one other, "
            "drawn anew), star (all, but only with the pivot), sampled-pair (two, drawn anew), pivot-only (the pivot "
            "with itself, by dropout). [dim]\\[default: multiway][/dim]"
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="When training ends. rows: after --epochs. encodings: after as many sentences as multiway encodes in "
            "them. converged: when held-out rows improve no more. [dim]\\[default: rows][/dim]"
        ),
    ] = None,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="What a translation is told from: other rows in its language (target), or in all. "
            "[dim]\\[default: target][/dim]"
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of the loss: cosines are divided by it. [dim]\\[default: 0.05][/dim]"),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="By which a translation must beat other rows, in cosine. [dim]\\[default: 0][/dim]"
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Passes over the rows. [dim]\\[default: 1; at most 50 when converged][/dim]"
        ),
    ] = None,
    rows_per_step: Annotated[
        int | None, typer.Option(help="Rows in one batch. [dim]\\[default: 64][/dim]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="AdamW's peak. [dim]\\[default: 2e-5][/dim]")
    ] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Share of steps, rising. [dim]\\[default: 0.1][/dim]")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="AdamW's. [dim]\\[default: 0.01][/dim]")
    ] = None,
    gradient_accumulation: Annotated[
        int | None, typer.Option(help="Batches per optimiser step. [dim]\\[default: 1][/dim]")
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            help="Most tokens held at once; a larger step goes by gradient caching, as it does by itself "
            "after running out of memory."
        ),
    ] = None,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option(
            "--gradient-checkpointing", help="Keep no activations: slower, far less memory."
        ),
    ] = False,
    lora: Annotated[
        int | None,
        typer.Option(
            help="Rank of low-rank adapters, trained instead of the weights. [dim]\\[default: 0][/dim]"
        ),
    ] = None,
    matryoshka: Annotated[
        str | None,
        typer.Option(metavar="DIM,DIM,...", help="Leading dimensions that must do by themselves."),
    ] = None,
    whiten: Annotated[
        str | None,
        typer.Option(
            help="Append a linear layer that whitens vectors by the covariance within rows (WCCN): at the start of "
            "training, at its end, or none. [dim]\\[default: none][/dim]"
        ),
    ] = None,
    preserve: Annotated[
        float | None,
        typer.Option(
            help="Weight of a term that keeps the pivot's vectors as they are. [dim]\\[default: 0][/dim]"
        ),
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    pooling: PoolingOption = None,
    max_tokens: MaxTokens = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="Text in front of every cell; the encoder's own if not given."),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            help="Share of rows kept from training. [dim]\\[default: 0; 0.05 when converged][/dim]"
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Evaluations without improvement after which a converged run's learning rate falls; three times "
            "as many end it. [dim]\\[default: 4][/dim]"
        ),
    ] = None,
    checkpoint_steps: Annotated[
        int | None, typer.Option(help="Steps between checkpoints. [dim]\\[default: 500][/dim]")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, bf16 or fp32. [dim]\\[default: auto][/dim]")
    ] = None,
    report_to: Annotated[
        str | None,
        typer.Option(
            help="tensorboard, none, or another the trainer knows. [dim]\\[default: tensorboard][/dim]"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of order, draws and dropout. [dim]\\[default: 0][/dim]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted run in the folder.")
    ] = False,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train an encoder on a multi-way corpus, under a regime and a budget."""
    given = {
        key: value for key, value in locals().items() if key not in ("recipe", "debug", "quiet")
    }
    said = {key: value for key, value in given.items() if value is not None and value is not False}
    from accelerate import PartialState

    from hexapla.alignment.config import AlignConfig
    from hexapla.alignment.stage import align as run
    from hexapla.runs.recipe import read_recipe

    calm_libraries()
    settings = {**(read_recipe(recipe, "align", AlignConfig) if recipe else {}), **said}
    if "encoder" not in settings:
        raise InputError(
            'no encoder; give --encoder, a Hub name such as "xlm-roberta-base", a folder, or "tiny"'
        )
    result = run(AlignConfig(**settings), quiet=State.quiet)
    processes = PartialState()
    if processes.is_main_process:
        typer.echo(
            f"{out}: {result['regime']}, {result['n_steps']} steps, {result['n_rows_seen']} rows seen, "
            f"{result['n_encodings']} sentences encoded, {result['seconds']:.0f} s"
        )
    processes.destroy_process_group()


@app.command(epilog="Example: [bold]hexapla demo[/bold]")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Of the two trainings.")] = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Run the main job on the sample corpus and the tiny encoder, offline: align twice, evaluate, compare."""
    from hexapla.demo import demo as run

    calm_libraries()
    run(out, seed=seed, overwrite=overwrite, quiet=State.quiet).render(console())


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 2 the user's mistake, 130 Ctrl-C, 1 anything else."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # see hexapla.mine.nearest
    State.debug = State.quiet = False  # of an earlier call in this process
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("hexapla").setLevel(logging.INFO)
    run: Callable[..., Any] = app
    try:
        status = run(args=arguments, standalone_mode=False, prog_name="hexapla")
    except InputError as error:
        return _fail(f"hexapla: {error}", 2)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is not None:
            return _fail(f"hexapla: {usage()}", 2)
        return _fail(f"hexapla: {type(error).__name__}: {error} (--debug shows where)", 1)
    if status == 130:  # what the parser makes of Ctrl-C, and the shell's own number for it
        return _fail(
            "hexapla: interrupted; what takes --resume goes on with it (align, build, evaluate, mine, reproduce)",
            130,
        )
    return status if isinstance(status, int) else 0


def _fail(line: str, status: int) -> int:
    if State.debug:
        traceback.print_exc()
    print(" ".join(line.split()), file=sys.stderr)
    return status
