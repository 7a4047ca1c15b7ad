"""The one error that a user can cause: what was given, what is allowed, what to do, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A mistake in what the user gave. The command line prints it on one line and exits with 2."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Name the allowed word that is closest to `word`, as a hint to end an error with.

    >>> did_you_mean("multi-way", ["multiway", "star"])
    '; did you mean "multiway"?'
    >>> did_you_mean("xyz", ["multiway", "star"])
    ''
    """
    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


class TrainingError(RuntimeError):
    """Training had to stop, by no mistake in what was given; what is left, and what may help, is said."""
