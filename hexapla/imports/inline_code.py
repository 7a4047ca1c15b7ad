"""The text of an element of TMX or XLIFF without its inline codes.

Native code (`<ph>` and others) is markup of the original file, and no text. Code that separates
words in the original becomes a space (see `code_effects.py`). A segment's borders are spaces too,
except in scripts that put none between sentences. Subflows (`<sub>`: footnotes, alternative texts)
are texts of their own, which stand apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import regex

from hexapla.imports.code_effects import NATIVE, SEPARATES, STANDS_FOR_TEXT, code_effect

# Characters that XML cannot hold mark the places until the text is whole.
_SEGMENT = "\x01"
_MARKS = regex.compile(f"([{STANDS_FOR_TEXT}{_SEGMENT}]+)")
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    "\u3000-\u303f\u30fc\uff00-\uffef]"
)
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]")
_LETTER = regex.compile(r"\p{L}")
_SENTENCE_ENDS = frozenset(".!?;:,\u2026\u061f\u060c\u0964")

_OPENING = frozenset({"bx", "sc", "bpt"})
_CLOSING = frozenset({"ex", "ec", "ept"})
_PAIR_KEYS = ("startRef", "rid", "i", "id")


class _Opened(NamedTuple):
    """An open element whose content is no text of the sentence."""

    name: str
    attributes: Mapping[str, str]
    outer: list[str]


class InlineText:
    """Collects the text of one element after another.

    Attributes:
        subflows: The texts within the native code of the element that was collected last.
        segments: Of each of its segments, by id, whether it has text.
        codes: The native code that a file defines apart from its texts, by id.
    """

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.subflows: list[str] = []
        self.segments: dict[str, bool] = {}
        self._parts: list[str] = []
        self._open: list[_Opened | str] = []
        self._pairs: set[str] = set()
        self._has_codes = False

    def clear(self) -> None:
        """Begin a new element."""
        self._parts = []
        if self._has_codes:
            self.subflows, self.segments = [], {}
            self._open, self._pairs, self._has_codes = [], set(), False

    def data(self, text: str) -> None:
        """Add text."""
        self._parts.append(text)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element within the text."""
        self._has_codes = True
        if name in NATIVE or name == "sub":
            self._open.append(_Opened(name, attributes, self._parts))
            self._parts = []
            return
        if name == "mrk" and attributes.get("mtype") == "seg":
            border = _SEGMENT
            self.segments[attributes.get("mid", str(len(self.segments)))] = False
        else:
            border = self._effect(name, attributes, "")
        self._parts.append(border)
        self._open.append(border)

    def end(self) -> None:
        """End the element that was begun last."""
        opened = self._open.pop()
        if isinstance(opened, str):
            if opened and (opened == _SEGMENT or self._parts[-1] != opened):
                self._parts.append(opened)
            return
        content, self._parts = "".join(self._parts), opened.outer
        if opened.name == "sub":
            self.subflows.append(_spaced(content))
        else:
            self._parts.append(self._effect(opened.name, opened.attributes, content))

    def text(self) -> str:
        """Return the text of the element."""
        raw = "".join(self._parts)
        if not self._has_codes:  # as most texts
            return raw
        if self.segments:
            within = raw.split(_SEGMENT)[1::2]
            have_text = [bool(text.strip(STANDS_FOR_TEXT + " \t\r\n")) for text in within]
            self.segments = dict(zip(self.segments, have_text, strict=False))
        return _spaced(raw)

    def _effect(self, name: str, attributes: Mapping[str, str], content: str) -> str:
        """Return what a code leaves in the text; the end of a pair may know it from its start."""
        if self.codes:
            references = (attributes.get(f"dataRef{end}", "") for end in ("", "Start", "End"))
            content += "".join(self.codes.get(each, "") for each in references)
            if name in ("x", "g", "bx", "ex"):
                content += self.codes.get(attributes.get("id", ""), "")
        effect = code_effect(name, attributes, content)
        if name in _OPENING or name in _CLOSING:
            key = next((attributes[key] for key in _PAIR_KEYS if key in attributes), "")
            if name in _OPENING and effect == SEPARATES:
                self._pairs.add(key)
            elif name in _CLOSING and key in self._pairs:
                return SEPARATES
        return effect


def _spaced(raw: str) -> str:
    """Return a text whose marks are spaces where they part words or sentences."""
    if STANDS_FOR_TEXT not in raw and _SEGMENT not in raw:
        return raw
    first, *others = _MARKS.split(raw)
    text: str = first
    for marks, piece in zip(others[::2], others[1::2], strict=True):
        if _needs_space(text[-1:], piece[:1], is_border=_SEGMENT in marks):
            text += " "
        text += piece
    return text


def _needs_space(before: str, after: str, *, is_border: bool) -> bool:
    """Return whether a mark between two characters becomes a space."""
    if not before.strip() or not after.strip():
        return False
    if _UNSPACED.match(before) or _UNSPACED.match(after):
        return False
    if is_border:
        return True
    if before in _SENTENCE_ENDS:
        return bool(_LETTER.match(after))
    return bool(_WORD.match(before) and _WORD.match(after))
