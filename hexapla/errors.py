"""Errors that a user can cause or mend, each in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

# The time to compare words grows with the square of their length, and with their number.
_MAX_WORD = 200  # characters
_MAX_WORDS = 2000


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
    if len(word) > _MAX_WORD:
        return ""
    words = islice((each for each in allowed if len(each) <= _MAX_WORD), _MAX_WORDS)
    close = difflib.get_close_matches(word, list(words), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


class TrainingError(RuntimeError):
    """Training failed for a reason other than the input.

    The message says which checkpoint is whole and what may help.
    """
