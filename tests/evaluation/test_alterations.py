"""Altered sentences: each kind of change by hand; versions are new, distinct, few, and deterministic."""

from __future__ import annotations

import pytest

from hexapla.evaluation.alterations import MAX_PER_KIND, alter_sentences


def versions(sentence: str, *others: str) -> list[str]:
    return alter_sentences([sentence, *others])[sentence]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("It is here.", ["It is not here."]),
        ("It is not here.", ["It is here."]),
        ("They cannot stay.", ["They can stay."]),
        ("They can stay.", ["They cannot stay."]),
        ("They won't stay, we don't.", ["They will stay, we don't.", "They won't stay, we do."]),
        ("He does not know.", ["He does know."]),
        ("He has been there.", ["He has not been there."]),
        ("He has a dog.", []),
        ("It was no use.", []),
        ("It was not only useful.", []),
        ("More came before noon.", ["Less came before noon.", "More came after noon."]),
        ("The most useful of all.", ["The least useful of all."]),
        ("It pays more.", ["It pays less."]),
        (
            "A moreover, a three-year-old, a Northerner.",
            ["A moreover, a four-year-old, a Northerner."],
        ),
    ],
)
def test_causality_by_hand(sentence: str, expected: list[str]) -> None:
    assert versions(sentence)[: len(expected) or None] == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("In 2004.", ["In 2005.", "In 2006.", "In 2007.", "In 2008."]),
        ("On 1,300 of them.", ["On 1,400 of them.", "On 1,500 of them.", "On 1,600 of them."]),
        (
            "About 0.5 of it.",
            ["About 0.4 of it.", "About 0.6 of it.", "About 0.7 of it.", "About 0.8 of it."],
        ),
        (
            "The 20th of 3.",
            ["The 40th of 3.", "The 20th of 4.", "The 50th of 3.", "The 20th of 5."],
        ),
        ("The 21st, 2nd and 3rd A4.", []),
        ("Two came.", ["Three came.", "Four came.", "Five came.", "Six came."]),
        (
            "It ended on Sunday.",
            ["It began on Sunday.", "It ended on Monday.", "It ended on Tuesday."],
        ),
        ("Ninety days.", ["Twenty days.", "Thirty days.", "Forty days.", "Fifty days."]),
        ("One may march in May.", ["One may not march in May."]),
    ],
)
def test_numbers_by_hand(sentence: str, expected: list[str]) -> None:
    assert versions(sentence)[: len(expected) or None] == expected


def test_names_are_replaced_by_names_of_other_sentences() -> None:
    found = versions("We met Ann in Rome.", "They saw Machu Picchu.", "He left Cape Town.")
    places = ("Machu Picchu", "Cape Town")
    assert set(found) == {f"We met {new} in Rome." for new in places} | {
        f"We met Ann in {new}." for new in places
    }


def test_a_name_is_replaced_by_one_of_its_class() -> None:
    others = (
        "They speak Spanish.",
        "They want HIV tests.",
        "They saw Rome.",
        "They like Italians.",
    )
    assert versions("They eat Polish food.", *others) == ["They eat Spanish food."]
    assert versions("They run the FAA.", *others) == ["They run the HIV."]
    assert versions("They like the Germans.", *others) == ["They like the Italians."]
    assert versions("They went to Cape Town.", *others) == ["They went to Rome."]


def test_the_first_word_of_a_sentence_is_a_name_only_if_it_is_one_elsewhere() -> None:
    others = ("They saw Rome.", "They met Nadal.")
    assert versions("Water runs. Children ran.", *others) == []
    assert versions("Nadal ran.", *others) == ["Rome ran."]
    assert versions("They ran. Nadal ran.", *others) == ["They ran. Rome ran."]
    assert versions("The Nadal ran, and The I ran.", *others) == ["The Rome ran, and The I ran."]


def test_a_possessive_ending_and_the_part_after_a_hyphen_are_kept() -> None:
    assert versions("Of Nadal's Rome-based club.", "They met Ann.") == [
        "Of Ann's Rome-based club.",
        "Of Nadal's Ann-based club.",
    ]


MANY = [
    "It is 3 before 4, is it, or was it more with Rome, or Ann, or is it?",
    "It is not 3 before 4, is it, or was it more with Rome, or Ann, or is it?",
    "It is 4 before 4, is it, or was it more with Rome, or Ann, or is it?",
    "They saw Cape Town, Machu Picchu, Nadal, Noosa, Poland and Texas.",
    "Nothing here.",
]


def test_no_version_equals_an_original_or_another_version() -> None:
    found = [text for one in alter_sentences(MANY).values() for text in one]
    assert len(set(found) | set(MANY)) == len(found) + len(MANY)


def test_there_are_at_most_four_versions_of_each_kind() -> None:
    found = alter_sentences(MANY)
    assert list(found) == sorted(MANY)
    assert len(found[MANY[0]]) == 3 * MAX_PER_KIND
    assert found["Nothing here."] == []


def test_every_place_is_changed_before_one_is_changed_again() -> None:
    found = versions("It is 3, 5 and 7.")
    assert found[1:] == [
        "It is 4, 5 and 7.",
        "It is 3, 4 and 7.",
        "It is 3, 5 and 4.",
        "It is 5, 5 and 7.",
    ]


def test_order_and_repetition_of_the_sentences_change_nothing() -> None:
    assert alter_sentences([*reversed(MANY), MANY[0]]) == alter_sentences(MANY)
