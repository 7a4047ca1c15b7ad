"""What all commands share: --debug and --quiet, and how lines and tables are printed."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hexapla.text.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


class State:
    """The two flags that every command takes, before its name or after it."""

    debug = False
    quiet = False


def _set_debug(value: bool) -> bool:
    State.debug = State.debug or value
    return value


def _set_quiet(value: bool) -> bool:
    if value:
        State.quiet = True
        logging.getLogger("hexapla").setLevel(logging.WARNING)
    return value


Debug = Annotated[
    bool, typer.Option("--debug", callback=_set_debug, help="Show a traceback on errors.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", callback=_set_quiet, help="Show no progress and no notes.")
]


def console() -> Console:
    """Return the console for tables: as wide as the terminal, or 100 characters into a file."""
    from rich.console import Console

    # Names are shown as they are: neither "[bold]" nor ":smile:" in one means anything.
    return Console(width=None if sys.stdout.isatty() else 100, markup=False, emoji=False)


def say(text: object) -> None:
    """Print a line on standard output, in which no name can move the cursor."""
    print(printable(str(text)), flush=True)


def silence_libraries() -> None:
    """Keep the libraries' own progress bars and notes off stderr, without importing them."""
    # Commands name the prompt themselves.
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if "transformers" in sys.modules:  # the environment is read at import only
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()


def print_size(out: Path) -> None:
    """Print how many rows and languages a corpus has."""
    from hexapla.corpus import open_corpus

    corpus = open_corpus(out, verify=False)
    say(f"{out}: {len(corpus):,} rows in {len(corpus.languages)} languages")
