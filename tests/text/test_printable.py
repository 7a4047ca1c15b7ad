"""Text is shown whole and harmless: nothing moves a cursor, ends a cell, a fence or a file."""

from __future__ import annotations

import itertools
import unicodedata
from html.parser import HTMLParser

import pytest
import yaml
from markdown_it import MarkdownIt

from hexapla.text.printable import (
    front_matter_value,
    markdown,
    markdown_code,
    markdown_row,
    printable,
    printable_all,
    printable_lines,
)
from tests.fixtures.hostile_texts import HOSTILE, harmful


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_becomes_one_line_without_harmful_characters(text: str) -> None:
    for shown in (printable(text), printable_lines(text)):
        assert not harmful(shown.replace("\n", ""))
        shown.encode("utf-8")
    assert "\n" not in printable(text)
    assert printable(printable(text)) == printable(text)


def test_control_characters_are_escaped_and_letters_are_not() -> None:
    places = (range(0x3000), range(0xD7F0, 0xE010), range(0xFD00, 0x10010), (0x1FFFE, 0x10FFFF))
    for number in itertools.chain(*places):
        letter = chr(number)
        shown = printable(letter)
        assert shown
        category = unicodedata.category(letter)
        if category in ("Cc", "Cs", "Zl", "Zp") and letter not in "\t\n\r":
            assert shown.startswith("\\") and shown.isascii(), hex(number)
        elif category not in ("Cc", "Cf", "Cn"):
            assert shown == letter, hex(number)


@pytest.mark.parametrize(
    "text",
    [
        "می‌روم",
        "שלום \u200f(עולם)",
        "क्‍ष",
        "한국어 — “zitat”…",
        "👩‍👩‍👧",
        "a\xa0b\u3000c",
        "e\u0301" * 50,
    ],
)
def test_ordinary_text_of_every_script_is_left_as_it_is(text: str) -> None:
    assert printable(text) == text == printable_lines(text)


def test_nested_content_is_cleaned_in_its_keys_and_values() -> None:
    assert printable_all({"a\x1b": ("b\x0c", [None, 2, {"c": "\ud800"}])}) == {
        "a\\x1b": ("b\\x0c", [None, 2, {"c": "\\ud800"}])
    }


class _Text(HTMLParser):
    """The text of HTML, and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags = "", list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def render(source: str) -> _Text:
    return _Text(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_markdown_shows_a_text_as_it_is_in_a_paragraph_and_in_a_table(text: str) -> None:
    shown = " ".join(printable(text).split())
    assert " ".join(render(f"name {markdown(text)}").text.split()) == f"name {shown}".strip()
    assert render(f"name {markdown(text)}").tags == ["p"]
    table = render(f"| a | b |\n|---|---|\n{markdown_row(text, 'next')}\n")
    assert table.tags.count("td") == 2 and set(table.tags) <= set(
        ["table", "thead", "tbody", "tr", "th", "td"]
    )
    assert " ".join(table.text.split()) == f"a b {shown} next".replace("  ", " ")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_code_span_shows_a_text_as_it_is(text: str) -> None:
    shown = " ".join(printable(text).split())
    span = render(f"x {markdown_code(text)} y")
    assert " ".join(span.text.split()) == f"x {shown} y".replace("  ", " ")
    assert set(span.tags) <= {"p", "code"}
    table = render(f"| a | b |\n|---|---|\n| {markdown_code(text, in_table=True)} | next |\n")
    assert table.tags.count("td") == 2
    assert " ".join(table.text.split()) == f"a b {shown} next".replace("  ", " ")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_in_front_matter_reads_back_as_the_same(text: str) -> None:
    for value in (text, [text, "no", "5"]):
        line = front_matter_value(value)
        assert "\n" not in line
        assert yaml.safe_load(f"---\nname: {line}\nlicense: mit\n") == {
            "name": value,
            "license": "mit",
        }
