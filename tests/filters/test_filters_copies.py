"""Filters on repeated text: copies of the source, and one target for many sources."""

from __future__ import annotations

import pytest

from hexapla.filters.candidate import Candidate
from hexapla.filters.copies import Collapsed, Copy
from hexapla.filters.statistics import Statistics
from tests.filters.judging import column, stays


@pytest.mark.parametrize(
    "sentence",
    [
        "Can I deploy to multiple regions?",
        "press awash with the general elections",
        "Create a new file and save it.",
    ],
)
def test_a_sentence_left_untranslated_is_rejected_in_any_script(sentence: str) -> None:
    assert not stays(Copy(), sentence, sentence, "deu_Latn")
    assert not stays(Copy(), sentence, sentence, "jpn_Jpan")
    assert not stays(Copy(), sentence, sentence.replace(".", "!"))


@pytest.mark.parametrize(
    "text",
    [
        "Azure IoT Hub Device Provisioning Service",
        "Ludwig van Beethoven",
        "docs/getting-started/first-project.md",
        "git clone --filter=blob:none --sparse",
        "pip install my-package && pip freeze",
        "ERROR: No matching distribution found for it",
        "3.14159 2.71828",
        "Node.js / TypeScript / Python 3.11",
        "Taxi",
    ],
)
def test_names_code_numbers_and_headings_may_stay_the_same(text: str) -> None:
    assert stays(Copy(), text, text)


def test_a_translation_that_keeps_many_words_is_no_copy() -> None:
    source = "The Standard Edition One is a single processor version of the Oracle Standard Edition Database."
    assert stays(
        Copy(),
        source,
        "De Standard Edition One is een single processor versie van de Oracle Standard Edition Database.",
    )


def test_one_target_for_many_different_sources_is_rejected_with_their_number() -> None:
    statistics = Statistics()
    target = "Ich habe keine Ahnung."
    statistics.add(
        "deu_Latn", [f"This is sentence number {i} of them." for i in range(10)], [target] * 10
    )
    statistics.add("deu_Latn", ["Something else is said here."], ["Hier steht etwas anderes."])
    scorer = Collapsed().scorer(column(statistics=statistics.column("deu_Latn")))
    assert scorer is not None
    assert scorer(Candidate("x", target)) == 10
    assert scorer(Candidate("x", "ich habe  keine Ahnung!")) == 10
    assert scorer(Candidate("x", "Hier steht etwas anderes.")) is None
    assert not Collapsed().accept(10)
    assert Collapsed().accept(9)


def test_equal_and_short_sources_do_not_make_a_collapse() -> None:
    statistics = Statistics()
    statistics.add(
        "deu_Latn",
        [f"Learn more about the product{'!' * i}" for i in range(30)],
        ["Mehr erfahren"] * 30,
    )
    statistics.add("deu_Latn", [f"Yes {i}" for i in range(30)], ["Ja"] * 30)
    assert statistics.column("deu_Latn").repeats.collapsed(2) == {}
