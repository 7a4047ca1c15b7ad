"""Repetitions go by the exact similarity; other numbers and short texts that differ never repeat."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from hexapla.corpus import near_duplicates
from hexapla.corpus.near_duplicates import NearDuplicates
from hexapla.corpus.rows import row_id
from hexapla.errors import InputError
from hexapla.text.words import tokens

GUITAR = "A man is playing the guitar on a stage."


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts whose shingles are made, in order."""
    found: list[str] = []
    shingles = near_duplicates._shingles
    monkeypatch.setattr(
        near_duplicates, "_shingles", lambda folded: found.append(folded) or shingles(folded)
    )
    return found


def answers(texts: list[str], threshold: float = 0.8) -> list[str | None]:
    seen = NearDuplicates(threshold)
    return [seen.add(text, str(number)) for number, text in enumerate(texts)]


def similarity(a: str, b: str) -> float:
    """The definition, written anew: Jaccard of the 4-grams of the folded texts between spaces."""
    (x, y) = (
        {f" {' '.join(tokens(text))} "[i:][:4] for i in range(len(" ".join(tokens(text))) - 1)}
        for text in (a, b)
    )
    return len(x & y) / len(x | y)


def variants(n_texts: int, seed: int) -> list[str]:
    """Sentences of ten words, and after each one with one to three of its words replaced."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(3, 9))) for _ in range(5000)]
    texts = []
    for _ in range(n_texts):
        sentence = draw.choices(words, k=10)
        changed = list(sentence)
        for place in draw.sample(range(10), draw.randint(1, 3)):
            changed[place] = draw.choice(words)
        texts += [" ".join(sentence), " ".join(changed)]
    return texts


def test_the_similarity_is_jaccard_over_character_4_grams() -> None:
    # " abcde fghij klmno pqrst uvwxy " has 31 characters, 28 grams. With "uvwxz" for the last word
    # " uvw" and "uvwx" stay and "vwxy", "wxy " go: 26 grams of 30 are shared.
    texts = ["abcde fghij klmno pqrst uvwxy", "abcde fghij klmno pqrst uvwxz"]
    assert answers(texts, 26 / 30) == [None, "0"]
    assert answers(texts, 26 / 30 + 1e-9) == [None, None]


def test_nothing_below_the_threshold_is_a_repetition_and_nearly_everything_above_it() -> None:
    texts = variants(400, seed=3)
    answered = [answer is not None for answer in answers(texts)][1::2]
    true = [similarity(a, b) for a, b in zip(texts[::2], texts[1::2], strict=True)]
    assert all(
        value >= 0.8 for value, is_repeated in zip(true, answered, strict=True) if is_repeated
    )
    above = [is_repeated for value, is_repeated in zip(true, answered, strict=True) if value >= 0.8]
    assert len(above) > 40 and sum(above) >= 0.95 * len(above)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_every_threshold_finds_its_pairs(threshold: float) -> None:
    texts = variants(200, seed=4)
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    answered = [answers([a, b], threshold)[1] is not None for a, b in pairs]
    true = [similarity(a, b) >= threshold for a, b in pairs]
    assert not any(
        is_repeated and not is_true for is_repeated, is_true in zip(answered, true, strict=True)
    )
    assert sum(answered) >= 0.95 * sum(true) > 3


def test_the_first_of_several_earlier_texts_is_named() -> None:
    one, other, between = (
        f"alpha beta gamma delta {end}"
        for end in ("epsilon zeta", "epsilons zetas", "epsilon zetas")
    )
    assert answers([one, other, between]) == answers([other, one, between]) == [None, None, "0"]


def test_a_text_is_compared_with_those_kept_and_not_with_repetitions() -> None:
    first, second, third = (
        f"alpha beta gamma delta {end}"
        for end in ("epsilon zeta", "epsilon zetas", "epsilons zetas")
    )
    assert answers([first, second]) == answers([second, third]) == [None, "0"]
    assert similarity(first, third) < 0.8
    assert answers([first, second, third]) == [None, "0", None]


def test_texts_with_other_numbers_are_other_texts() -> None:
    assert answers(["Step 1 of 5: install the package", "Step 2 of 5: install the package"]) == [
        None,
        None,
    ]
    assert answers(["Step 1 of 5", "Step 2 of 5"]) == [None, None]
    assert answers(["Chapter ４ is about the sensors", "Chapter 4 is about the sensor"]) == [
        None,
        "0",
    ]
    assert answers(
        [
            "With 4.7 million ill, it has the highest caseload",
            "It has the highest caseload, with 4.7 million ill",
        ]
    ) == [None, "0"]
    assert answers(
        [
            "With 4.7 million ill, it has the highest caseload",
            "With 4.6 million ill, it has the highest caseload",
        ]
    ) == [None, None]


def test_texts_with_the_same_numbers_in_another_order_are_other_texts() -> None:
    result = (
        "In the final of the tournament the home team won {}-{} against the visitors from the coast"
    )
    assert answers([result.format(2, 1), result.format(1, 2)]) == [None, None]


def test_lines_that_differ_in_a_number_are_not_compared_with_each_other(
    compared: list[str],
) -> None:
    lines = [f"Annual report of the company, page {number}" for number in range(200)]
    assert answers([*lines, "The annual report of the company, page 7"]) == [*[None] * 200, "7"]
    assert len(compared) <= 201 + 1  # each line's own, and those of the one repeated


def test_hardly_any_of_the_dissimilar_texts_of_one_template_are_compared(
    compared: list[str],
) -> None:
    draw = random.Random(0)
    names = ["".join(draw.choices("abcdefghij", k=18)) for _ in range(1500)]
    texts = [f"The committee has approved the report on {name}." for name in names]
    assert answers(texts) == [None] * len(texts)
    assert len(texts) <= len(compared) <= 10 * len(texts)


def test_a_text_of_fewer_than_five_words_repeats_only_its_equal() -> None:
    assert answers(["Open the door", "open  the DOOR!", "Open the doors", "Close the door"]) == [
        None,
        "0",
        None,
        None,
    ]
    assert (
        similarity(
            "Reconfigurations considerably accelerated", "Reconfigurations considerably accelerate"
        )
        > 0.9
    )
    assert answers(
        ["Reconfigurations considerably accelerated", "Reconfigurations considerably accelerate"]
    ) == [
        None,
        None,
    ]


def test_case_punctuation_and_width_do_not_make_another_text() -> None:
    assert answers(
        [GUITAR, GUITAR.upper(), GUITAR.rstrip("."), "Ａ man—is playing “the guitar”: on a stage?"]
    ) == [
        None,
        "0",
        "0",
        "0",
    ]


def test_signs_that_carry_the_meaning_make_another_text() -> None:
    assert (
        answers(["Write it in C", "Write it in C#", "Write it in C++", "x > y", "x < y"])
        == [None] * 5
    )


def test_texts_without_a_letter_are_compared_as_they_stand() -> None:
    assert answers(["...", "!!!", " ... ", ""]) == [None, None, "0", None]


def test_sentences_in_scripts_without_spaces_are_compared_too() -> None:
    text = "我们明天早上一起去图书馆看书然后回家吃饭休息"
    assert answers([text, text + "吧。", "我们昨天晚上一起去电影院看电影然后回家睡觉"]) == [
        None,
        "0",
        None,
    ]


def test_the_key_is_the_row_id_unless_another_is_given() -> None:
    seen = NearDuplicates()
    assert seen.add(GUITAR) is None
    assert seen.add(GUITAR.lower()) == row_id(GUITAR)
    assert len(seen) == 1


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(
        InputError, match=r"near-duplicate threshold is .*; it must be above 0 and at most 1"
    ):
        NearDuplicates(threshold)


def test_a_missing_library_is_named_with_its_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(
        InputError, match=r"rensa; install it with: pip install 'hexapla\[translate\]'"
    ):
        NearDuplicates()


def test_the_answers_do_not_depend_on_pythons_hash_seed() -> None:
    script = "from tests.corpus.test_near_duplicates import answers, variants; print(answers(variants(150, seed=5), 0.7))"
    answered = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert answered == {f"{answers(variants(150, seed=5), 0.7)}\n"}
