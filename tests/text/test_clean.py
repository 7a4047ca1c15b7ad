"""Cleaning: what is invisible goes, except where a script needs it."""

from __future__ import annotations

from hexapla.text.clean import clean_text


def test_zero_width_joiners_survive_cleaning() -> None:
    assert clean_text(
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937"
    ) == ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937")
    assert clean_text("a\x85b\x0bc\x9bd\u2067e\u00ad") == "a b cde"
