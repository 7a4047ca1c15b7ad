"""What may stand in a cell, and the id that a row gets from its pivot text.

A row's id is a hash of its pivot text, not its position. A row therefore keeps its id, and its side
of every split, when a corpus grows, is reordered or is sharded anew.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
import unicodedata

from hexapla.errors import InputError

META = "meta."
"""Prefix of the columns that hold facts about a row instead of one of its texts."""

_ROW_ID_DIGITS = 32
_LONG_BITS = 128  # of an integer; Python refuses to write one of 15,000


class BadRow(InputError):
    """A row that cannot be read, in a file whose other rows can.

    Attributes:
        reason: What such rows are counted under, where they are left out.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def as_cell(value: object, place: str, column: str) -> str | None:
    """Return a value as a cell: a text unchanged, or None if it is missing or all whitespace.

    Args:
        value: A text or None; anything else is refused.
        place: Where the value stands, to begin the error with: "train.tsv:812: row", "row 812".
        column: The column that the value stands in.

    Raises:
        BadRow: The value is not text, or is text that Arrow, a tokenizer or a terminal would fail
            on much later.

    >>> as_cell("Guten Tag", "row 1", "deu_Latn"), as_cell(" ", "row 1", "deu_Latn")
    ('Guten Tag', None)
    """
    if value is None:
        return None
    if not isinstance(value, str):
        kind = type(value).__name__
        raise BadRow(
            f"{place} has {_shown(value)} ({kind}) in {column}; a cell is text or null",
            "a cell that is not text",
        )
    if "\0" in value:
        raise BadRow(f"{place} has a NUL character in {column}; remove it", "a NUL character")
    _refuse_half_pair(value, place, column)
    return value if value.strip() else None


def as_meta(value: object, place: str = "a row", column: str = META) -> str | None:
    """Return a value of a `meta.` column as text: a string unchanged, anything else as its JSON.

    Args:
        value: Anything.
        place: As for `as_cell`.
        column: As for `as_cell`.

    Raises:
        BadRow: The value is nested too deep or too large a number for JSON, or no valid text.

    >>> as_meta("iv"), as_meta(0.5), as_meta(True), as_meta(None)
    ('iv', '0.5', 'true', None)
    """
    if value is None:
        return None
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            raise BadRow(
                f"{place} has a value in {column} that is nested too deep, or a number of "
                "thousands of digits",
                "a value that cannot be kept",
            ) from None
    if not value.isascii():
        _refuse_half_pair(value, place, column)
    return value


def _refuse_half_pair(text: str, place: str, column: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise BadRow(
            f"{place} has half of a surrogate pair ({half}) in {column}; "
            "the text was cut inside a character",
            "half of a surrogate pair",
        ) from None


def _shown(value: object) -> str:
    """Return a value for an error: of a list or an object the beginning, however deep it is."""
    if isinstance(value, int) and value.bit_length() > _LONG_BITS:
        return "a number of many digits"
    return reprlib.repr(value)[:40]


def row_id(pivot_text: str) -> str:
    r"""Hash a row's pivot text: 32 hex digits of BLAKE2b over its UTF-8.

    Before hashing, the text is put in Unicode NFC, every run of whitespace becomes one space, and
    the ends are stripped. Case and punctuation count: "US" and "us" are two rows.

    >>> row_id("Good  morning\n") == row_id("Good morning") != row_id("good morning")
    True
    """
    text = " ".join(unicodedata.normalize("NFC", pivot_text).split())
    return hashlib.blake2b(text.encode(), digest_size=_ROW_ID_DIGITS // 2).hexdigest()


def share_bound(share: float) -> str:
    """Return the row id below which a `share` of all ids lies.

    >>> share_bound(0.5)[:4], share_bound(0.75)[:4]
    ('8000', 'c000')
    """
    if share >= 1:
        return "g"  # sorts after every hex digit
    return f"{int(share * 16**_ROW_ID_DIGITS):0{_ROW_ID_DIGITS}x}"


def is_held_out(row_id: str, share: float) -> bool:
    """Return whether a row belongs to the held-out `share` (0 to 1) of any corpus that has it.

    A larger share holds out every row that a smaller one does.
    """
    return row_id < share_bound(share)
