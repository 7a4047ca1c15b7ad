"""Filters on the form of a cell: what they must reject, and the similar cell that must stay."""

from __future__ import annotations

import pytest

from hexapla.filters.candidate import Candidate
from hexapla.filters.form import LengthRatio, Marks, Repetition, n_marks, repetition
from hexapla.filters.statistics import Statistics
from tests.filters.judging import column, stays

# Marks


@pytest.mark.parametrize(
    "mark", ["<unk>", "\ufffd", "\x07", "\x9d", "</s>", "⁇", "[UNK]", "<|im_end|>", "__deu__"]
)
def test_marks_of_a_broken_text_count_unless_the_source_has_them(mark: str) -> None:
    assert n_marks("tea", f"Tee {mark} {mark}") == 2
    assert n_marks(f"the sign {mark} alone", f"das Zeichen {mark}") == 0


@pytest.mark.parametrize(
    "text",
    ["Tab\there, line\nthere", "ن\u200cم", "क्\u200dष", "next line\x85", "snake_case __init__"],
)
def test_joiners_white_space_and_code_are_no_marks(text: str) -> None:
    assert n_marks("def __init__", text) == 0


def test_marks_may_be_allowed() -> None:
    assert stays(Marks(most=1), "tea", "Tee <unk>")
    assert not stays(Marks(most=1), "tea", "Tee <unk> <unk>")


# Length


def test_length_is_measured_in_sigmas_from_the_median_of_the_column() -> None:
    statistics = Statistics()
    # 90 characters against 40: log(100/50) = 0.69, the median; every other cell lies 0.2 away on
    # either side
    sources = ["s" * 40] * 99
    lengths = (
        [90] * 33
        + [round(50 * 2 * 2.718281828**0.2) - 10] * 33
        + [round(50 * 2 * 2.718281828**-0.2) - 10] * 33
    )
    statistics.add("deu_Latn", sources, ["t" * n for n in lengths])
    spread = statistics.column("deu_Latn").length_ratios.spread()
    assert spread.median == pytest.approx(0.69, abs=0.005)
    assert spread.sigma == pytest.approx(1.4826 * 0.2, abs=0.01)
    scorer = LengthRatio().scorer(column(statistics=statistics.column("deu_Latn")))
    assert scorer(Candidate("s" * 40, "t" * 90)) == pytest.approx(0, abs=0.02)
    assert scorer(Candidate("s" * 40, "t" * 40)) == pytest.approx(0.69 / (1.4826 * 0.2), rel=0.02)


def test_a_column_too_small_for_a_median_is_judged_by_a_wide_default() -> None:
    sentence = "The weather will be fine over the weekend, say the forecasters."
    assert stays(LengthRatio(), sentence, "天气预报员说，周末天气会很好。", "zho_Hans")
    assert not stays(LengthRatio(), sentence, "Gut." * 200)


def test_short_cells_may_differ_in_length_more() -> None:
    assert stays(LengthRatio(), "Yes", "Selbstverständlich")
    assert not stays(LengthRatio(), "Yes" * 20, "Selbstverständlich" * 40)


# Repetition


def test_repetition_is_the_share_of_repeated_four_grams_beyond_the_source() -> None:
    # 20 letters and the same 20 again: 37 four-grams, of which 20 are distinct but for those over
    # the seam (23)
    assert repetition("no repetition at all here", "abcdefghijklmnopqrst" * 2) == pytest.approx(
        1 - 20 / 37
    )
    assert repetition("uvwxyzabcdefghijklmn" * 2, "abcdefghijklmnopqrst" * 2) == 0


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("The house on the hill is old.", "Das Haus auf dem Hügel ist alt, alt, alt, alt, alt."),
        (
            "He was glad to hear that news.",
            "他很高兴听到听到听到听到听到听到听到这个消息，非常非常",
        ),
        (
            "A long way to go until the end of the road.",
            "Ein weiter Weg bis zum Ende der Straße, " * 4,
        ),
    ],
)
def test_loops_are_rejected(source: str, text: str) -> None:
    assert not stays(Repetition(), source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "Two types of memory: program memory and random memory.",
            "Aina mbili za kumbukumbu - kumbukumbu ya programu",
        ),
        (
            "Very, very, very, very well done, my dear!",
            "Sehr, sehr, sehr, sehr gut gemacht, mein Lieber!",
        ),
        (
            "AI Issues: AI Troubleshooting - AI problems",
            "Problemas em IA: Resolução de Problemas em IA - Problemas",
        ),
        ("----------------------- end ----------", "----------------------- Ende ----------------"),
    ],
)
def test_reduplication_and_repetition_of_the_source_stay(source: str, text: str) -> None:
    assert stays(Repetition(), source, text)
