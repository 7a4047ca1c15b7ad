"""One text, cleaned the same way wherever text enters.

A text goes in and its cleaned form comes out: control and invisible characters gone, Unicode NFC,
runs of whitespace made one space. The zero-width joiner and non-joiner stay, because Persian and
the scripts of India need them.
"""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 but for those that are whitespace, soft hyphen, zero-width space, marks of direction,
# word joiner, BOM.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)


def clean_text(text: str) -> str:
    r"""Return `text` in NFC without control and invisible characters, its whitespace collapsed and stripped.

    Characters go first, for one of them may keep a letter and its accent from being composed.

    >>> clean_text("\ufeffGood\u200b  mor\x00ning\r\n"), clean_text("cafe\u200b\u0301") == "caf\u00e9"
    ('Good morning', True)
    """
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).split())
