"""Texts of user interfaces with the keys of their menus (`&Open`, `_Open`) -> texts without."""

from __future__ import annotations

import re

# `打开(&O)`: in scripts without Latin letters, the key stands in parentheses of its own.
_IN_PARENTHESES = re.compile(r"\s*[(（]\s*[&_~]\w\s*[)）]")
# One marker before a letter or digit. `&amp;` is a character reference, `&&` and `__` are literal.
_MARKER = re.compile(r"(?<!&)&(?!\w+;|#)(?=\w)|(?<!_)_(?=[^\W_])|(?<![~\w])~(?=[^\W\d_])")
_IDENTIFIER = re.compile(r"[a-z0-9]+_[a-z0-9]+|\S*[=:/]\S*[&_~]\S*")


def strip_accelerator(text: str) -> str:
    r"""Return a text without the marker of its accelerator.

    A text has at most one accelerator. Several markers of one kind are therefore text
    (`max_file_size`), and so is one between capitals (`R&D`), in an address, or in a name that is
    written with it (`file_name`).

    >>> strip_accelerator("&Open"), strip_accelerator("Öff&nen"), strip_accelerator("Save _As...")
    ('Open', 'Öffnen', 'Save As...')
    >>> strip_accelerator("打开(&O)..."), strip_accelerator("Search && replace")
    ('打开...', 'Search & replace')
    >>> strip_accelerator("R&D"), strip_accelerator("Fish & chips"), strip_accelerator("file_name")
    ('R&D', 'Fish & chips', 'file_name')
    """
    if not ("&" in text or "_" in text or "~" in text):
        return text
    plain, n_found = _IN_PARENTHESES.subn("", text)
    if n_found == 1 and plain.strip():
        return plain
    found = list(_MARKER.finditer(text))
    if len(found) == 1 and not _is_literal(text, found[0].start()):
        marker = found[0].start()
        text = text[:marker] + text[marker + 1 :]
        return text.replace("&&", "&") if found[0].group() == "&" else text
    return text.replace("&&", "&") if not found else text


def _is_literal(text: str, at: int) -> bool:
    """Return whether the marker belongs to the text: `R&D`, `file_name`, `a.php?b=1&c=2`."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    word_start = text.rfind(" ", 0, at) + 1
    word = text[word_start:].split(" ", 1)[0]
    return (before.isupper() and after.isupper()) or bool(_IDENTIFIER.fullmatch(word))
