"""Filters on what a cell says: what they must reject, and the similar cell that must stay."""

from __future__ import annotations

import pytest

from hexapla.filters.candidate import Candidate
from hexapla.filters.changed_numbers import count_changed_numbers
from hexapla.filters.content import LogProb, Numbers, Punctuation
from hexapla.filters.statistics import ColumnStatistics, Statistics, asks
from tests.filters.judging import column, stays

# Numbers


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("It cost 1,250.50 dollars in 2019.", "Es kostete 2019 1.250,50 Dollar."),
        ("1,000,000 people", "1 000 000 человек"),
        ("1,000,000 people", "1\u00a0000\u00a0000 человек"),
        ("1250000 people", "1\u202f250\u202f000 personnes"),
        ("1250000 people", "1\u2009250\u2009000 personnes"),
        ("1250000 people", "1\u00a0250\u00a0000 personnes"),
        ("1250000 people", "1 250 000 personnes"),
        ("1,250,000.50 euros", "1\u202f250\u202f000,50 euros"),
        ("1250000 people", "1’250’000 Personen"),
        ("12 of 345 rows", "345 पंक्तियों में से १२"),
        ("In 2021, 56 percent", "في عام ٢٠٢١، ٥٦٪"),
        ("two cats and 3 dogs", "2 Katzen und 3 Hunde"),
        ("sales fell to $107.6 million", "売上高は1億760万ドルに減少"),
        ("10 million users", "1000万ユーザー"),
        ("It cost $426,000 in 2010.", "2010년에 42만 6,000달러가 들었다."),
        ("325 million won", "3억 2,500만 원"),
        ("the train at 3 p.m.", "der Zug um 15:00 Uhr"),
        ("on 4/21/21", "2021年4月21日"),
        ("June 5, 2024", "2024年6月5日"),
        ("Chapter 2, March 2026", "第二章，2026年3月"),
        ("in the 21st century", "en el siglo XXI"),
        ("in the 1980s", "20世纪80年代"),
        ("a one-day course", "ein 24-Stunden-Kurs"),
        ("1, 2, 3, go", "1、2、3、スタート"),
        ("Use GPT-4 with 128k tokens", "GPT-4 mit 128.000 Tokens verwenden"),
    ],
)
def test_the_same_numbers_in_another_form_stay(source: str, text: str) -> None:
    assert stays(Numbers(), source, text)
    assert stays(Numbers(), text, source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("5 cats", "7 Katzen"),
        ("He is 25 years old.", "Er ist 52 Jahre alt."),
        ("azd 1.27.1", "azd 1.25.6"),
        ("in 2019", "im Jahr 2018"),
        ("It has 451 rows.", "Es hat viele Zeilen."),
        ("1,500 metres", "15,7 Meter"),
        ("5 miles", "8 km"),
        ("50,000 tickets for 345 people", "5만 346장"),
        ("in 1977", "ปี พ.ศ. 2520"),
    ],
)
def test_a_changed_or_lost_number_is_rejected(source: str, text: str) -> None:
    assert not stays(Numbers(), source, text)


def test_hours_count_from_sunrise_in_swahili_only() -> None:
    assert stays(Numbers(), "at 3 p.m.", "saa 9 mchana", "swh_Latn")
    assert not stays(Numbers(), "at 3 p.m.", "um 9 Uhr", "deu_Latn")


def test_years_of_the_buddhist_calendar_are_known_in_thai_only() -> None:
    source, text = "In 1977 it had 120 seats.", "ในปี พ.ศ. 2520 มีที่นั่ง 120 ที่"
    assert stays(Numbers(), source, text, "tha_Thai")
    assert not stays(Numbers(), source, text.replace("2520", "2521"), "tha_Thai")
    assert not stays(Numbers(), source, text, "deu_Latn")


def test_numbers_on_one_side_weigh_by_size() -> None:
    weights = [
        count_changed_numbers("", f"{number} times") for number in (2, 12, 13, 99, 1000, 1950, 101)
    ]
    assert weights == [0, 0, 0.5, 0.5, 0, 0.5, 1]
    assert count_changed_numbers("13 and 14", "") == 1


def test_digits_beyond_any_number_are_compared_and_no_error() -> None:
    assert count_changed_numbers("key " + "7" * 5000, "Schlüssel " + "7" * 5000) == 0


# Punctuation


def asking(n_kept: int) -> ColumnStatistics:
    return ColumnStatistics(n_questions=100, n_asked=n_kept)


def judge_question(
    source: str, text: str, n_kept: int = 100, language: str = "deu_Latn"
) -> float | None:
    scorer = Punctuation().scorer(column(language, asking(n_kept)))
    return scorer(Candidate(source, text)) if scorer else None


def test_a_question_that_became_a_statement_is_rejected() -> None:
    assert judge_question("Do you see it?", "Du siehst es.") == 1
    assert judge_question("Do you see it?", "तुम इसे देखते हो।", language="hin_Deva") == 1


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Do you see it?", "Siehst du es?"),
        ("“Do you see it?”", "„Siehst du es?“"),
        ("Why this course?", "Warum dieser Kurs"),
        ("How it works", "Wie funktioniert das?"),
        ("Explain how it works.", "Wie funktioniert das?"),
        ("Think of it. Do you see it?", "Denk nach, ob du es siehst."),
        ("So what?", "Na und..."),
    ],
)
def test_other_changes_of_the_last_mark_stay(source: str, text: str) -> None:
    assert judge_question(source, text) == 0


def test_a_column_that_loses_its_question_marks_is_not_checked() -> None:
    assert judge_question("Do you see it?", "見えますか。", n_kept=80, language="jpn_Jpan") is None


def test_a_column_of_few_questions_is_not_checked() -> None:
    few = ColumnStatistics(n_questions=19, n_asked=19)
    assert Punctuation().scorer(column(statistics=few)) is None


def test_greek_asks_with_a_semicolon() -> None:
    statistics = Statistics()
    for language in ("ell_Grek", "deu_Latn"):
        statistics.add(language, ["Really?"], ["Αλήθεια;"])
    assert (statistics.column("ell_Grek").n_asked, statistics.column("deu_Latn").n_asked) == (1, 0)
    assert judge_question("Really?", "Αλήθεια;", language="ell_Grek") == 0
    assert asks("Αλήθεια;", greek=True)
    assert not asks("so; or so;")


# Log-probability


def test_log_probabilities_far_below_the_columns_median_are_rejected() -> None:
    statistics = Statistics()
    values = [-0.4] * 20 + [-0.5] * 20 + [-0.6] * 20
    statistics.add("deu_Latn", ["a"] * 60, ["b"] * 60, values)
    scorer = LogProb().scorer(column(statistics=statistics.column("deu_Latn")))
    assert scorer is not None
    # median -0.5, MAD 0.1, sigma 0.14826
    assert scorer(Candidate("a", "b", -1.0)) == pytest.approx(0.5 / 0.14826)
    assert scorer(Candidate("a", "b", None)) is None
    assert scorer(Candidate("a", "b", -0.1)) == pytest.approx(-0.4 / 0.14826)
    assert not LogProb().accept(7)
    assert LogProb().scorer(column()) is None
