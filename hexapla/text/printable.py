r"""Text from data -> text that can be drawn, printed or written into Markdown, HTML and XML.

Names and sentences come from files that others wrote. An escape character in one would move the
cursor or set the title of a terminal, a form feed is no character of XML, a right-to-left override
makes a name look like another one, and half of a surrogate pair cannot be written in UTF-8. Such
characters are shown as an escape, such as `\x1b`, so that a reader sees that they are there.

Every renderer calls these functions where text leaves it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

# Controls (C0, DEL, C1) but for line ends and tabs; line and paragraph separators; embeddings,
# overrides and isolates of direction; surrogates; noncharacters.
_NONCHARACTERS = "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
_HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    f"\ufdd0-\ufdef{_NONCHARACTERS}]"
)
_LINE_ENDS = re.compile("\r\n|\r")
_SPACES = re.compile("\r\n|[\t\n\r]")

# What Markdown would interpret: code, emphasis, strikethrough, table cells; links and footnotes;
# tags and entities. A sign that could not be interpreted where it stands is left, since
# "[-0.1, 0.3]" and "deu_Latn" should be readable in the file too.
_MARKDOWN = re.compile(
    r"""[`*~|]
    | \\ (?=[!-/:-@\[-`{-~]|$)
    | \] (?=[(\[:])
    | < (?=[A-Za-z/!?])
    | & (?=\#?\w+;)
    | (?<![^\W_])_ | _(?![^\W_])""",
    re.VERBOSE,
)


def printable(text: str) -> str:
    r"""Return a text on one line, with every harmful character shown as an escape.

    Line ends and tabs become spaces.

    >>> printable("a\x1b[2J name\n")
    'a\\x1b[2J name '
    >>> printable("page one\fpage two"), printable("\u202egnp.exe")
    ('page one\\x0cpage two', '\\u202egnp.exe')
    """
    return _escape(_SPACES.sub(" ", text))


def printable_lines(text: str) -> str:
    r"""Return a text of several lines, with every harmful character shown as an escape.

    >>> printable_lines("two\r\nlines\x07")
    'two\nlines\\x07'
    """
    return _escape(_LINE_ENDS.sub("\n", text))


def _escape(text: str) -> str:
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def printable_all(content: T) -> T:
    r"""Return a copy of plain content in which every text is printable: values and keys.

    >>> printable_all({"run\n": ["a\x07", 1, None]})
    {'run ': ['a\\x07', 1, None]}
    """
    return _printable_all(content)  # type: ignore[no-any-return]


def _printable_all(content: Any) -> Any:
    if isinstance(content, str):
        # Members of an enumeration stay as they are, since their values are in this package.
        return printable(content) if type(content) is str else content
    if dataclasses.is_dataclass(content) and not isinstance(content, type):
        fields = {field.name: getattr(content, field.name) for field in dataclasses.fields(content)}
        return dataclasses.replace(content, **_printable_all(fields))
    if isinstance(content, Mapping):
        return {_printable_all(key): _printable_all(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(map(_printable_all, content))
    return content


def markdown(text: str) -> str:
    r"""Return a text as Markdown that shows it as it is, on one line, and in a cell of a table too.

    >>> print(markdown("a|b `c` [d](javascript:1) <b> deu_Latn p<0.05"))
    a\|b \`c\` [d\](javascript:1) \<b> deu_Latn p<0.05
    """
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def markdown_code(text: str, *, in_table: bool = False) -> str:
    r"""Return a text as a code span of Markdown.

    Args:
        text: Any text. An empty one stays empty, as there is no empty span.
        in_table: The span is in a cell of a table, which a "|" would end.

    >>> print(markdown_code("eng_Latn"), markdown_code("a`b"))
    `eng_Latn` `` a`b ``
    """
    shown = printable(text)
    if not shown:
        return ""
    runs = {len(run) for run in re.findall("`+", shown)}
    fence = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    # One space on each side is taken off again, unless the text is of spaces alone.
    if shown.strip(" ") and (runs or shown[0] == shown[-1] == " "):
        shown = f" {shown} "
    return fence + (shown.replace("|", "\\|") if in_table else shown) + fence


def markdown_row(*cells: str) -> str:
    r"""Return the line of a Markdown table with these cells.

    >>> print(markdown_row("a|b", "1.0"))
    | a\|b | 1.0 |
    """
    return f"| {' | '.join(map(markdown, cells))} |"


def front_matter_value(value: object) -> str:
    r"""Return a text, or a list of texts, as YAML on one line; every text is in quotes.

    A bare language `no` would be read as false. JSON would not do in place of YAML, which allows
    fewer characters unescaped.

    >>> front_matter_value(["no", "a\n---\nb"])
    '["no", "a\\n---\\nb"]'
    """
    import yaml

    shown = yaml.safe_dump(
        value,
        allow_unicode=True,
        default_style='"',
        default_flow_style=True,
        width=float("inf"),
    )
    return str(shown).rstrip("\n")
