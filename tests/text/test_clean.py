"""Cleaning: what is invisible goes, except where a script needs it."""

from __future__ import annotations

import pytest

from hexapla.text.clean import clean_text


def test_zero_width_joiners_survive_cleaning() -> None:
    assert clean_text(
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937"
    ) == ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937")
    assert clean_text("a\x85b\x0bc\x9bd\u2067e\u00ad") == "a b cde"


@pytest.mark.parametrize(
    "character",
    ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"],
)
def test_whatever_breaks_a_line_becomes_one_space(character: str) -> None:
    assert clean_text(f"one{character}two {character} three{character}") == "one two three"


@pytest.mark.parametrize("character", ["\u00a0", "\u202f", "\u2009", "\u3000"])
def test_spaces_of_any_width_become_plain_ones(character: str) -> None:
    assert clean_text(f"10{character}000{character}?") == "10 000 ?"
