"""Errors that a user can cause or mend, each in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A mistake in what the user gave: the value, what is allowed, what to do.

    The command line prints it on one line and exits with 2.
    """


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return a hint with the allowed word closest to `word`, to end an error with.

    >>> did_you_mean("multi-way", ["multiway", "star"])
    '; did you mean "multiway"?'
    >>> did_you_mean("xyz", ["multiway", "star"])
    ''
    """
    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


class TrainingError(RuntimeError):
    """Training failed for a reason other than the input.

    The message says which checkpoint is whole and what may help.
    """
