"""The cleaning that every text gets, wherever text enters.

Control and invisible characters go, the rest is put in Unicode NFC, and every run of whitespace
becomes one space: line breaks of any kind (U+0085, U+2028 and the form feed too), and spaces that
do not break or are narrow (U+00A0, U+202F), which no encoder needs. The zero-width joiner and
non-joiner stay, because Persian and the scripts of India need them.
"""

from __future__ import annotations

import re
import unicodedata

# The C0 and C1 controls that are not whitespace, soft hyphen, zero-width space, direction marks,
# word joiner, byte order mark.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)


def clean_text(text: str) -> str:
    r"""Return a text in NFC, without invisible characters, with single spaces.

    Invisible characters are removed first, because one between a letter and its accent would keep
    NFC from composing the two.

    >>> clean_text("\ufeffGood\u200b  mor\x00ning\r\n")
    'Good morning'
    >>> clean_text("cafe\u200b\u0301") == "caf\u00e9"
    True
    """
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).split())
