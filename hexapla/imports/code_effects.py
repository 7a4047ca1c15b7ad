r"""An inline code of TMX or XLIFF -> what it leaves in the text: nothing, a space, or a mark.

A line break, a paragraph, a tab, the border of a cell or of a list's item, or mere whitespace
separates words and becomes a space. It is told by the code itself (`<br/>`, `\n`, `\par` of RTF)
or by its type (`lb`, `x-br`, `LINE_BREAK`). Bold, a colour, a link and every other pair of codes
leave nothing. A code that stands alone and is neither, such as `{0}`, may stand for a word or for
anything else: the text within is not known, but it parts the words beside it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache

NATIVE = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Elements whose content is code of the original file."""

JOINS, SEPARATES, STANDS_FOR_TEXT = "", " ", "\x00"

_STANDALONE = frozenset({"ph", "ut", "x"})
_OF_STANDARDS = NATIVE | {"x", "g", "bx", "ex", "mrk", "pc", "sc", "ec", "sm", "em", "hi"}
_TYPES = ("type", "ctype", "subType")
_CODES = ("equiv-text", "disp", "equiv", "dispStart", "dispEnd", "equivStart", "equivEnd")
_TELLING = frozenset({*_TYPES, *_CODES})

_OF_BLOCKS = """
    address article aside blockquote body br caption cell center col colgroup cr dd details dialog
    dir div dl dt entry fieldset figcaption figure footer form h head header hgroup hr html item lb
    legend li listitem main menu nav ol optgroup option p para paragraph pb cb pre row search
    section select simpara space summary tab table tbody tc td tfoot th thead tr ul whitespace nbsp
    linebreak newline list-item heading-level horizontal-rule ordered-list unordered-list
    table-body table-cell table-footer table-header table-header-cell table-row
"""
_OF_FORMATTING = """
    a abbr accel accelerator acronym b bdi bdo big bold cf cite code color colour csf del dfn
    dulined em emphasis font hotkey hyperlink i ins italic kbd label link literal mark mnemonic nobr
    q r rt ruby s samp shortcut size small span strike strong style sub subscript sup superscript tt
    u ulined underline underlined var wbr
"""
_SEPARATORS = frozenset(_OF_BLOCKS.split())
_FORMATTING = frozenset(_OF_FORMATTING.split())
_BREAK = re.compile(
    r"(?:line|page|column|section|para(?:graph)?|soft|hard)[-_ ]?break|new[-_ ]?line"
)
_ANGULAR = re.compile(r"(?:(?:START|CLOSE|EMPTY|TAG)_)*([A-Z]+(?:_[A-Z]+)*?)_?\d*(?:_\d+)?")
_MAX_ANGULAR = 200  # characters of such a name; the time to match one grows with their square
_TAG = re.compile(r"[<\[]\s*(?:/\s*)?([A-Za-z][\w:.-]*)")
_ESCAPE = re.compile(r"\\[nrt](?![a-z])")
# Words of RTF: breaks, tabs, cells, and the dashes and wide spaces that are text between words.
_RTF_BREAK = re.compile(
    r"\\(?:par|line|softline|tab|cell|row|nestcell|nestrow|page|softpage|column|sect|lbr|emdash|"
    r"endash|bullet|emspace|enspace|qmspace)(?![a-z])|\\~"
)
_RTF = re.compile(r"\\[a-z]+-?\d*|\\[-_*]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]+")
_MARKERS = re.compile(r"[&_~*`'\"\[\](){}^]+")


def code_effect(name: str, attributes: Mapping[str, str], content: str) -> str:
    """Return what a code leaves: `JOINS`, `SEPARATES`, or `STANDS_FOR_TEXT`.

    Args:
        name: The element.
        attributes: Its attributes, without their namespaces.
        content: The code of the original file; empty where the element has none.
    """
    if name == "cp":
        return SEPARATES if _character(attributes.get("hex", "")).isspace() else JOINS
    told = []
    for key, value in attributes.items():
        if key in _TELLING:
            told.append((key, value))
        elif key == "id" and value.isupper():
            told.append(("equiv", value))
    return _effect(name, content.replace(STANDS_FOR_TEXT, ""), tuple(told))


@lru_cache(maxsize=4096)
def _effect(name: str, content: str, told: tuple[tuple[str, str], ...]) -> str:
    """Return the effect of a code; files repeat few of them many times."""
    effects = set()
    if name not in _OF_STANDARDS:
        effects.add(_of_name(name))
    for key, value in told:
        effects.add(_of_name(value) if key in _TYPES else _of_code(value))
    if content:
        effects.add(_of_code(content))
    if SEPARATES in effects:
        return SEPARATES
    return STANDS_FOR_TEXT if name in _STANDALONE and JOINS not in effects else JOINS


def _of_name(name: str) -> str:
    """Return the effect of a type or a tag: `x-html-br`, `xlf:lb`, `w:tab`, `h1`, `x-bold;`."""
    plain = name.strip(" ;/").casefold().removeprefix("x-").replace("_", "-")
    whole = plain.rpartition(":")[2]
    last = re.split("[-.:]", plain)[-1]
    names = {whole, whole.rstrip("0123456789-"), last, last.rstrip("0123456789")}
    if names & _SEPARATORS or _BREAK.search(plain) or re.match(r"(?:lb|pb|br)\b", whole):
        return SEPARATES
    if names & _FORMATTING or "discretionary" in plain or "soft-hyphen" in plain:
        return JOINS
    return STANDS_FOR_TEXT


def _of_code(code: str) -> str:
    """Return the effect of code of the original file, or of what is shown for it."""
    plain = html.unescape(code)
    if plain.isspace() or _ESCAPE.search(plain) or _RTF_BREAK.search(plain):
        return SEPARATES
    if _INVISIBLE.fullmatch(plain) or _MARKERS.fullmatch(plain.strip()):
        return JOINS
    if tags := _TAG.findall(plain):
        effects = {_of_name(tag) for tag in tags}
        if SEPARATES in effects:
            return SEPARATES
        return STANDS_FOR_TEXT if STANDS_FOR_TEXT in effects else JOINS
    if len(plain) <= _MAX_ANGULAR and (angular := _ANGULAR.fullmatch(plain)):
        return _of_angular(angular[1])
    if _BREAK.fullmatch(plain.casefold()):
        return SEPARATES
    return JOINS if _RTF.search(plain) else STANDS_FOR_TEXT


def _of_angular(name: str) -> str:
    """Return the effect of a name that Angular gives to a tag: `LINE_BREAK`, `BOLD_TEXT`."""
    if name.endswith("_TEXT") or name == "LINK":
        return JOINS
    return _of_name(name) if "_" in name or len(name) > 1 else STANDS_FOR_TEXT


def _character(hexadecimal: str) -> str:
    """Return the character of a `<cp>`; nothing for one that is none."""
    try:
        return chr(int(hexadecimal, 16))
    except (ValueError, OverflowError):
        return ""
