"""Each filter alone: what it must reject, and the similar cell that must stay."""

from __future__ import annotations

import pytest

from hexapla.filters.candidate import Candidate, JudgedColumn
from hexapla.filters.changed_numbers import count_changed_numbers
from hexapla.filters.content import LogProb, Numbers, Punctuation
from hexapla.filters.copies import Collapsed, Copy
from hexapla.filters.form import LengthRatio, Marks, Repetition, n_marks, repetition
from hexapla.filters.language import LanguageIdentity, Script, identifier_label, share_of_others
from hexapla.filters.statistics import ColumnStatistics, Statistics, asks

POOL = (
    "eng_Latn",
    "deu_Latn",
    "spa_Latn",
    "por_Latn",
    "rus_Cyrl",
    "jpn_Jpan",
    "zho_Hans",
    "arb_Arab",
    "swh_Latn",
)


def column(
    language: str = "deu_Latn", statistics: ColumnStatistics | None = None, pivot: str = "eng_Latn"
) -> JudgedColumn:
    return JudgedColumn(
        language=language, pivot=pivot, pool=POOL, statistics=statistics or ColumnStatistics()
    )


def stays(
    chosen: object, source: str, text: str, language: str = "deu_Latn", **known: object
) -> bool:
    """Return whether one filter accepts a cell, as the chain uses it."""
    scorer = chosen.scorer(column(language))  # type: ignore[attr-defined]
    score = scorer(Candidate(source, text)) if scorer else None
    return score is None or chosen.accept(score)  # type: ignore[attr-defined]


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


# Copies


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


# Script


def test_the_script_share_leaves_out_words_of_the_source() -> None:
    # 4 Han letters; "Deploy", 6 Latin letters, are the source's, "setup", 5, are not
    candidate = Candidate("Run Deploy now", "运行设置 Deploy setup")
    assert share_of_others(candidate, ["Deploy", "setup"]) == pytest.approx(5 / 9)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("jpn_Jpan", "Kubernetes no senmon chishiki ga hitsuyō"),
        ("rus_Cyrl", "Das Wetter ist heute wirklich schön"),
        ("deu_Latn", "Погода сегодня действительно хорошая"),
        ("zho_Hans", "これはかなりながいぶんしょうですね"),
        ("arb_Arab", "天气真的很好我们出去走走吧好不好"),
    ],
)
def test_another_script_is_rejected(language: str, text: str) -> None:
    assert not stays(Script(), "The weather is really fine today", text, language)


@pytest.mark.parametrize(
    ("language", "source", "text"),
    [
        (
            "jpn_Jpan",
            "Install Azure IoT Hub with Visual Studio Code",
            "Visual Studio CodeでAzure IoT Hubを導入する",
        ),
        ("jpn_Jpan", "Strategic decisions", "戦略的意思決定"),
        ("zho_Hans", "Azure IoT Edge", "Azure IoT Edge"),
        (
            "rus_Cyrl",
            "session01chatbootstrap.ipynb is a notebook",
            "session01chatbootstrap.ipynb — это блокнот",
        ),
        ("arb_Arab", "The SDK", "حزمة SDK"),
    ],
)
def test_names_of_the_source_in_another_script_stay(language: str, source: str, text: str) -> None:
    assert stays(Script(), source, text, language)


# Language identity


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("spa_Latn", "O tempo não está bom e por isso ficamos em casa hoje à noite"),
        ("deu_Latn", "She said that the weather would not be any better than before"),
        ("swh_Latn", "Das Wetter ist heute nicht gut, deshalb bleiben wir zu Hause"),
        ("jpn_Jpan", "今天天气不好，所以我们晚上待在家里看电影"),
    ],
)
def test_another_language_of_the_corpus_in_the_same_script_is_rejected(
    language: str, text: str
) -> None:
    assert not stays(LanguageIdentity(), "We stay home tonight because of rain", text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("spa_Latn", "El tiempo no está bueno y por eso nos quedamos en casa esta noche"),
        ("deu_Latn", "Azure Functions mit Visual Studio Code auf dem Raspberry Pi bereitstellen"),
        ("deu_Latn", "OK"),
        ("jpn_Jpan", "性能最適化戦略"),
    ],
)
def test_the_right_language_stays_and_so_does_what_is_too_short_to_tell(
    language: str, text: str
) -> None:
    source = "Deploy Azure Functions with Visual Studio Code on the Raspberry Pi"
    assert stays(LanguageIdentity(), source, text, language)


def test_a_language_that_the_identifier_lacks_is_noted_and_nothing_is_rejected() -> None:
    lushai = JudgedColumn(language="lus_Latn", pivot="eng_Latn", pool=("eng_Latn", "lus_Latn"))
    assert LanguageIdentity().scorer(lushai) is None
    assert lushai.notes == ["lus_Latn: the identifier lacks it; only its script is checked"]


def test_a_script_of_its_own_needs_no_identity_and_no_note() -> None:
    russian = column("rus_Cyrl")
    assert LanguageIdentity().scorer(russian) is None
    assert russian.notes == []


def test_labels_of_varieties_are_those_of_the_identifier() -> None:
    varieties = [
        "zho_Hans",
        "zho_Hant",
        "pes_Arab",
        "arz_Arab",
        "nno_Latn",
        "nob_Latn",
        "tgl_Latn",
        "swh_Latn",
    ]
    assert [identifier_label(code) for code in varieties] == [
        "zh",
        "zh",
        "fa",
        "arz",
        "nn",
        "no",
        "tl",
        "sw",
    ]


# Numbers


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("It cost 1,250.50 dollars in 2019.", "Es kostete 2019 1.250,50 Dollar."),
        ("1,000,000 people", "1 000 000 человек"),
        ("12 of 345 rows", "345 पंक्तियों में से १२"),
        ("In 2021, 56 percent", "في عام ٢٠٢١، ٥٦٪"),
        ("two cats and 3 dogs", "2 Katzen und 3 Hunde"),
        ("sales fell to $107.6 million", "売上高は1億760万ドルに減少"),
        ("10 million users", "1000万ユーザー"),
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
    ],
)
def test_a_changed_or_lost_number_is_rejected(source: str, text: str) -> None:
    assert not stays(Numbers(), source, text)


def test_hours_count_from_sunrise_in_swahili_only() -> None:
    assert stays(Numbers(), "at 3 p.m.", "saa 9 mchana", "swh_Latn")
    assert not stays(Numbers(), "at 3 p.m.", "um 9 Uhr", "deu_Latn")


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


def test_marks_may_be_allowed() -> None:
    assert stays(Marks(most=1), "tea", "Tee <unk>")
    assert not stays(Marks(most=1), "tea", "Tee <unk> <unk>")
