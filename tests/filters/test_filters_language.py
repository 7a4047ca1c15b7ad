"""Filters on the language of a cell: its script, the variant of Chinese, and identification."""

from __future__ import annotations

import pytest

from hexapla.filters.candidate import Candidate, JudgedColumn
from hexapla.filters.chain import Chain
from hexapla.filters.filter_settings import FilterSettings
from hexapla.filters.han_variant import HanVariant
from hexapla.filters.language import LanguageIdentity, Script, identifier_label, share_of_others
from hexapla.filters.statistics import Statistics
from hexapla.text.language_table import language_table
from tests.filters.judging import column, stays

SIMPLIFIED = "天气预报员说，这个周末的天气会很好，我们还是待在家里吧。"
TRADITIONAL = "天氣預報員說，這個週末的天氣會很好，我們還是待在家裡吧。"


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


# Variants of Chinese


def test_four_hundred_simplified_sentences_are_rejected_as_traditional_ones() -> None:
    sentences = [f"{SIMPLIFIED}{number}" for number in range(400)]
    sources = [f"Number {number}: the forecasters say it will be fine." for number in range(400)]
    chain = Chain(FilterSettings(), "eng_Latn", ["zho_Hant", "zho_Hans"], Statistics())
    of_hant = chain.judge("zho_Hant", sources, sentences)
    assert {verdict.reason for verdict in of_hant if verdict} == {"han_variant"}
    assert None not in of_hant
    assert chain.judge("zho_Hans", sources, sentences) == [None] * 400


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zho_Hant", SIMPLIFIED),
        ("zho_Hant", SIMPLIFIED[:10]),
        ("yue_Hant", "佢哋话听日会落雨。"),
        ("zho_Hans", TRADITIONAL),
        ("zho_Hans", TRADITIONAL[:10]),
    ],
)
def test_the_other_variant_is_rejected(language: str, text: str) -> None:
    assert not stays(HanVariant(), "The forecasters say it will be fine.", text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zho_Hant", TRADITIONAL),
        ("zho_Hans", SIMPLIFIED),
        ("yue_Hant", "佢哋話聽日會落雨。"),
        ("zho_Hant", "後台只有一面，里長在臺上着急。"),
        ("zho_Hant", "記者张伟說，這個週末天氣會很好。"),
        ("zho_Hant", "作者是「张伟庆」。"),
        ("zho_Hans", "他叫“張偉慶”。"),
        ("zho_Hans", "我读了《紅樓夢》。"),
        ("zho_Hant", "好"),
        ("zho_Hant", "Azure IoT 中心"),
    ],
)
def test_the_right_variant_stays_and_so_does_a_quoted_name_of_the_other(
    language: str, text: str
) -> None:
    assert stays(HanVariant(), "It is said that it will be fine.", text, language)


def test_han_words_of_an_english_source_are_no_sign_of_the_other_variant() -> None:
    assert stays(HanVariant(), "His name is 张伟庆.", "他的名字是张伟庆。", "zho_Hant")
    assert not stays(HanVariant(), "His name is Zhang.", "他的名字是张伟庆。", "zho_Hant")


def test_a_chinese_source_excuses_no_copy_of_it_in_the_other_variant() -> None:
    column = JudgedColumn(language="zho_Hant", pivot="zho_Hans", pool=("zho_Hans", "zho_Hant"))
    scorer = HanVariant().scorer(column)
    assert scorer is not None
    assert scorer(Candidate(SIMPLIFIED, SIMPLIFIED)) == 1


def test_a_sentence_wholly_in_quotes_is_judged() -> None:
    assert not stays(HanVariant(), "“It will be fine.”", f"「{SIMPLIFIED}」", "zho_Hant")


@pytest.mark.parametrize("language", ["jpn_Jpan", "kor_Hang", "deu_Latn"])
def test_only_columns_of_chinese_are_judged(language: str) -> None:
    assert stays(HanVariant(), "Learn the country's language.", "国語を学ぶ会社", language)


def test_the_evidence_and_the_share_are_settings() -> None:
    source, two_of_three = "Zhang says so.", "张伟說"
    assert not stays(HanVariant(), source, two_of_three, "zho_Hant")
    assert stays(HanVariant(least_characters=3), source, two_of_three, "zho_Hant")
    assert stays(HanVariant(most=0.7), source, two_of_three, "zho_Hant")


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


def test_a_label_holds_only_for_the_script_that_the_identifier_knows_the_language_in() -> None:
    # The identifier takes Serbian in Latin script for Bosnian or Croatian.
    further = ["ace_Arab", "srp_Latn", "uzn_Cyrl", "azj_Cyrl", "kaz_Latn", "khk_Mong", "hin_Latn"]
    in_table = [code for code in further if code in language_table()]
    assert "ace_Arab" in in_table
    assert [identifier_label(code) for code in in_table] == [None] * len(in_table)
    usual = ["ace_Latn", "srp_Cyrl", "uzn_Latn", "azj_Latn", "kaz_Cyrl", "khk_Cyrl", "hin_Deva"]
    assert [identifier_label(code) for code in usual] == ["ace", "sr", "uz", "az", "kk", "mn", "hi"]
    assert identifier_label("kor_Hang") == "ko"
    assert identifier_label("crh_Latn") == "crh"
