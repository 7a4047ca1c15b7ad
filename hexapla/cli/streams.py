"""Standard output and error of the command: closed, full, without a reader, of another encoding.

What goes wrong with them is told apart from what goes wrong with the files that a stage writes: a
reader that has gone away, as `head` does, ends the command quietly.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

from hexapla.errors import InputError
from hexapla.text.printable import printable, printable_lines

READER_GONE = 141
"""Exit status of a process that SIGPIPE ends; the shell's own number for it."""


class ReaderGoneError(Exception):
    """Nobody reads standard output any more."""


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make standard output and error fit to be written to, and flush them at the end.

    Raises:
        InputError: Standard output cannot be written, because a disk is full, say.
        ReaderGoneError: Nobody reads it any more.
    """
    _open_closed_streams()
    before = sys.stdout
    with contextlib.suppress(AttributeError, ValueError):
        # A character that the encoding lacks is shown as an escape, as it is on standard error.
        cast(Any, before).reconfigure(errors="backslashreplace")
    sys.stdout = cast(TextIO, _StandardOutput(before))
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout = before


def _open_closed_streams() -> None:
    """Give closed streams an end; a file opened later would get their numbers and their texts."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


class _StandardOutput:
    """A stream whose failures are not taken for those of other files."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _failures(self._stream):
            return self._stream.write(text)

    def flush(self) -> None:
        with _failures(self._stream):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _failures(stream: IO[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _discard(stream)
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from error
        raise InputError(
            f"standard output cannot be written: {error.strerror}; give it another place"
        ) from error


def _discard(stream: IO[str]) -> None:
    """Lead a stream nowhere, so that what is left in it causes no second failure at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class PrintableFormatter(logging.Formatter):
    """Log lines in which no name can move the cursor or begin a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message on one line."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return the traceback on its lines."""
        return printable_lines(super().formatException(ei))


def print_error(text: str) -> None:
    """Print a text on standard error, if that can be written at all."""
    with contextlib.suppress(OSError, ValueError):
        print(printable_lines(text), file=sys.stderr, flush=True)
