"""Accelerators: the marker of a key goes, and the same character as text stays."""

from __future__ import annotations

import pytest

from hexapla.imports.accelerators import strip_accelerator


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("&Open", "Open"),
        ("Öff&nen", "Öffnen"),
        ("E&xit", "Exit"),
        ("_Open", "Open"),
        ("Save _As…", "Save As…"),
        ("Ab_brechen", "Abbrechen"),
        ("~File", "File"),
        ("Открыть в &новом окне", "Открыть в новом окне"),
        ("打开(&O)", "打开"),
        ("打开（_O）…", "打开…"),
        ("開く (&O):", "開く:"),
        ("Copy && &paste", "Copy & paste"),
        ("&Zoom in 2x", "Zoom in 2x"),
    ],
)
def test_the_marker_of_an_accelerator_goes(text: str, plain: str) -> None:
    assert strip_accelerator(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Open",
        "R&D",
        "AT&T",
        "Fish & chips",
        "&nbsp;Open",
        "&#38;Open",
        "a.php?b=1&c=2",
        "file_name",
        "Set file_name first",
        "max_file_size",
        "&one &two",
        "~/notes",
        "about ~10 files",
        "__init__",
        "(&)",
        "50 % & more",
    ],
)
def test_the_same_character_as_text_stays(text: str) -> None:
    assert strip_accelerator(text) == text
