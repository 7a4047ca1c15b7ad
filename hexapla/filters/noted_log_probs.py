"""The log-probabilities that a build noted beside the cells of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hexapla.errors import InputError

LOG_PROB = "meta.log_prob."
"""Prefix of the columns that hold them; a language code follows."""


def read_log_probs(
    rows: Sequence[Mapping[str, str | None]], language: str
) -> list[float | None] | None:
    """Return the log-probability of a language's cell in each row, or None if there are none.

    Raises:
        InputError: One is not a number.
    """
    key = f"{LOG_PROB}{language}"
    if not rows or key not in rows[0]:
        return None
    return [_as_number(row[key], key) for row in rows]


def _as_number(text: str | None, key: str) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise InputError(f'{key} is "{text}" in a row; it must be a number or null') from None
