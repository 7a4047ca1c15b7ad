"""What the commands of the command line share: their common flags, and where each finds them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run left in the folder.")
]
Languages = Annotated[
    str | None,
    typer.Option(
        "--languages",
        metavar="LANG,LANG,...",
        help="Those to take, such as eng_Latn,deu_Latn or en,de; else all.",
    ),
]
Remote = Annotated[bool, typer.Option("--trust-remote-code", help="Run the encoder's own code.")]
Pickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Load weights other than safetensors.")
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens", help="Truncate longer texts; the encoder's own limit if not given."
    ),
]
PoolingOption = Annotated[
    str | None,
    typer.Option(
        "--pooling",
        help="Of a bare transformer: mean, cls or lasttoken; by its attention if not given.",
    ),
]


def console() -> Console:
    """Return where tables are printed: as wide as the terminal, or 100 characters into a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 100)


def calm_libraries() -> None:
    """Keep the libraries' own bars and notes off stderr; what a user must know, the commands say."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
