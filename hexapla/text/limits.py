"""How much of a file may be one text: a line, a row, a segment, a message.

Files are streamed, so that only what stands between two borders is held at once. A damaged file, or
a small compressed one that was made to fill the memory, has no borders. What is longer than the
limit is therefore an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from hexapla.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

MAX_TEXT_MIB = 64
"""Size of the longest text by default. Whole books in one line have less than 10 MiB."""
MAX_COLUMNS = 16_384
"""Columns of a table, and variants of one text: as many as a spreadsheet has columns."""

_max_bytes: ContextVar[int] = ContextVar("max_text_bytes", default=MAX_TEXT_MIB << 20)


@contextmanager
def text_limit(max_text_mib: int) -> Iterator[None]:
    """Set the size in MiB of the longest text that is read within the `with` block."""
    token = _max_bytes.set(max_text_mib << 20)
    try:
        yield
    finally:
        _max_bytes.reset(token)


def with_text_limit(stage: Callable[P, T]) -> Callable[P, T]:
    """Make a stage read texts up to the `max_text_mib` of its settings, its first argument."""

    @wraps(stage)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        config = args[0] if args else kwargs["config"]
        with text_limit(config.max_text_mib):  # type: ignore[attr-defined]
            return stage(*args, **kwargs)

    return limited


def max_text_bytes() -> int:
    """Return the size of the longest text."""
    return _max_bytes.get()


def too_long(place: str, what: str, n_bytes: int | None = None) -> InputError:
    """Return the error for a text beyond the limit.

    Args:
        place: Where the text begins, as in `train.tsv:812`.
        what: What is too long: "the line".
        n_bytes: What it may have; by default `max_text_bytes()`.
    """
    mib = (max_text_bytes() if n_bytes is None else n_bytes) / 2**20
    return InputError(
        f"{place}: {what} is longer than {mib:,.4g} MiB, so the file may be damaged or no text; "
        "if it is right, raise the limit (--max-text-mib of build, import, mine and score)"
    )


def check_n_columns(path: object, n_columns: int) -> None:
    """Refuse a table with too many columns.

    Raises:
        InputError: It has more than `MAX_COLUMNS`.
    """
    if n_columns > MAX_COLUMNS:
        raise InputError(
            f"{path} has more than {MAX_COLUMNS:,} columns; a table has a column for each language "
            "and some facts about its rows: drop the others, or check the separator"
        )
