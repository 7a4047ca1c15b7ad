"""What may stand in a cell, and the identity that a row gets from its pivot text.

A row's id is a hash of what its pivot says, never its position, so a row keeps its id, and its side
of every split, when a corpus grows, is reordered or is sharded anew.
"""

from __future__ import annotations

import hashlib
import unicodedata

from hexapla.errors import InputError

ROW_ID_DIGITS = 32


def as_cell(value: object, place: str, column: str) -> str | None:
    """Return `value` as a cell: the text unchanged, or None for a missing, empty or all-whitespace one.

    Args:
        value: What was found; only text and None are allowed.
        place: Where it was found, to begin the error with: "train.tsv:812: row", "row 812".
        column: The column it was found in.

    Raises:
        InputError: Not text, or text that Arrow, tokenizers or a terminal would choke on much
            later.

    >>> as_cell("Guten Tag", "row 1", "deu_Latn"), as_cell(" ", "row 1", "deu_Latn")
    ('Guten Tag', None)
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(
            f"{place} has {str(value)[:40]} ({type(value).__name__}) in {column}; a cell is text or null"
        )
    if "\0" in value:
        raise InputError(f"{place} has a NUL character in {column}; remove it")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(value[error.start]):04X}"
        message = f"{place} has half of a surrogate pair ({half}) in {column}; the text was cut inside a character"
        raise InputError(message) from None
    return value if value.strip() else None


def row_id(pivot_text: str) -> str:
    r"""Hash a row's pivot text: 32 hex digits of BLAKE2b over its UTF-8.

    Before hashing the text is put in Unicode NFC and every run of whitespace becomes one space,
    with none at the ends. Case and punctuation count: "US" and "us" are two rows.

    >>> row_id("Good  morning\n") == row_id("Good morning") != row_id("good morning")
    True
    """
    text = " ".join(unicodedata.normalize("NFC", pivot_text).split())
    return hashlib.blake2b(text.encode(), digest_size=ROW_ID_DIGITS // 2).hexdigest()


def share_bound(share: float) -> str:
    """Return the row id that `share` of all ids sort before.

    >>> share_bound(0.5)[:4], share_bound(0.75)[:4]
    ('8000', 'c000')
    """
    if share >= 1:
        return "g"  # sorts after every hex digit
    return f"{int(share * 16**ROW_ID_DIGITS):0{ROW_ID_DIGITS}x}"


def is_held_out(row_id: str, share: float) -> bool:
    """Say whether a row belongs to the held-out `share` (0 to 1) of any corpus that has it.

    A larger share holds out every row that a smaller one does.
    """
    return row_id < share_bound(share)
