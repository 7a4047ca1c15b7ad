"""How translators such as NLLB are known to fail, and the filter that rejects each fault.

`None` is a fault that no filter can see; docs/filters.md names these.
"""

from __future__ import annotations

import pytest

from hexapla.filters import Chain, FilterSettings, Statistics
from hexapla.filters.copies import Copy
from hexapla.filters.form import Marks, Repetition, n_marks
from hexapla.filters.language import Script
from tests.filters.judging import POOL, stays

SOURCE = "The old bridge over the river was closed in 2019, and 45 people still wait for a new one."
GERMAN = (
    "Die alte Brücke über den Fluss wurde 2019 gesperrt, und 45 Menschen warten noch auf eine neue."
)
RUSSIAN = "Старый мост через реку закрыли в 2019 году, и 45 человек всё ещё ждут нового."
CHINESE = "河上的旧桥于2019年关闭，45人仍在等待新桥。"
HINDI = "नदी पर बना पुराना पुल 2019 में बंद कर दिया गया और 45 लोग अब भी नए पुल की प्रतीक्षा कर रहे हैं।"
ARABIC = "أُغلق الجسر القديم فوق النهر عام 2019، ولا يزال 45 شخصًا ينتظرون جسرًا جديدًا."

LANGUAGES = {
    "deu_Latn": GERMAN,
    "rus_Cyrl": RUSSIAN,
    "zho_Hans": CHINESE,
    "hin_Deva": HINDI,
    "arb_Arab": ARABIC,
}


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(FilterSettings(), "eng_Latn", [*POOL, "hin_Deva", "zho_Hant"], Statistics())


def reason(chain: Chain, language: str, text: str, source: str = SOURCE) -> str | None:
    verdict = chain.judge(language, [source], [text])[0]
    return verdict.reason if verdict else None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_right_translations_stay(chain: Chain, language: str) -> None:
    assert reason(chain, language, LANGUAGES[language]) is None


COPIES = {
    "exact": SOURCE,
    "in capitals": SOURCE.upper(),
    "as a title": SOURCE.title(),
    "one word changed": SOURCE.replace("bridge", "Brücke"),
    "before the translation": f"{SOURCE} {GERMAN}",
    "after the translation": f"{GERMAN} ({SOURCE.lower()})",
}


@pytest.mark.parametrize("text", COPIES.values(), ids=COPIES)
def test_a_source_left_untranslated_is_rejected(chain: Chain, text: str) -> None:
    assert reason(chain, "deu_Latn", text) in ("copy", "length_ratio")
    assert not stays(Copy(), SOURCE, text)
    assert not stays(Copy(), SOURCE, text, "jpn_Jpan")


LONG = (
    "She says that the weather will not be any better than before, so they stay at home and read "
    "a book about the old town and its people, who never left it."
)


def test_most_words_left_untranslated_are_rejected() -> None:
    words = LONG.split()
    mixed = " ".join("und" if i % 4 == 3 else word for i, word in enumerate(words))
    assert not stays(Copy(), LONG, mixed)
    assert not stays(Copy(), LONG, mixed.upper())


def test_a_half_left_untranslated_is_rejected_if_it_is_a_sentence() -> None:
    half = "Sie sagt, dass das Wetter nicht besser wird als zuvor, "
    copied = (
        "so they stay at home and read a book about the old town and its people, who never left it."
    )
    assert not stays(Copy(), LONG, half + copied)
    assert not stays(Copy(), LONG, f"彼女は天気が良くならないと言う。{copied}", "jpn_Jpan")
    assert stays(Copy(most_part=0.7), LONG, half + copied)
    assert stays(Copy(), LONG, f"{half}also bleiben sie at home and read a book.")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "play anna berg from los mejores días de mi vida otra vez",
            "spiele anna berg aus los mejores días de mi vida otra vez ab",
        ),
        (
            "The scan rests on an effect that doctors call deep vein resonance (DVR).",
            "De scan berust op een effect dat artsen deep vein resonance (DVR) noemen.",
        ),
        (
            "Put one quiet evening by the old lake again on my Sunday list.",
            "Zet one quiet evening by the old lake again op mijn Sunday lijst.",
        ),
        ("Azure IoT Hub", "AZURE IOT HUB"),
        ("Show my reminder", "Show my reminder"),
    ],
)
def test_titles_and_terms_of_the_source_stay(source: str, text: str) -> None:
    assert stays(Copy(), source, text)


LOOPS = {
    "a word": "Die alte Brücke wurde der der der der der der der der der.",
    "a phrase": "Die alte Brücke über den Fluss, über den Fluss, über den Fluss, über den Fluss",
    "a letter": "Die alte Brücke über den Fluss wurde gesperrtttttttttttt, sagt man, und 45 warten noch.",
    "a letter of Chinese": "河上的旧桥于2019年关闭，45人仍在等等等等等等等等等等等等",
    "in a short cell": "no no no no no",
    "the whole": f"{GERMAN} " * 4,
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_loops_of_a_word_a_phrase_and_a_letter_are_rejected(text: str) -> None:
    assert not stays(Repetition(), SOURCE, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Ha ha ha ha, you wish!", "Ha ha ha ha, schön wär's!"),
        ("Nooooooooooooo!", "Neiiiiiiiiiiiin!"),
        ("He laughed.", "哈哈哈哈哈，他笑了。"),
        ("Zzz", "Zzzzzz"),
    ],
)
def test_a_loop_of_the_source_and_a_short_one_stay(source: str, text: str) -> None:
    assert stays(Repetition(), source, text)


SCRIPTS = {
    "whole": ("rus_Cyrl", HINDI),
    "half": ("rus_Cyrl", f"Старый мост через реку закрыли, {HINDI[40:80]}"),
    "romanised": ("hin_Deva", "Nadi par bana purana pul band kar diya gaya hai"),
    "Traditional in Simplified": ("zho_Hans", "河上的舊橋於2019年關閉，45人仍在等待新橋。"),
    "Simplified in Traditional": ("zho_Hant", CHINESE),
    "Japanese in Chinese": ("zho_Hans", "川にかかる古い橋は2019年にへいさされ、45人が待っている。"),
}


@pytest.mark.parametrize(("language", "text"), SCRIPTS.values(), ids=SCRIPTS)
def test_another_script_is_rejected_whole_or_in_large_part(
    chain: Chain, language: str, text: str
) -> None:
    assert reason(chain, language, text) in ("script", "han_variant", "length_ratio")


def test_names_in_another_script_stay_up_to_three_tenths() -> None:
    source = (
        "Then came a choir, a brass band with a long history, and two singers from the capital."
    )
    text = "随后登场的是一支合唱团、一支历史悠久的铜管乐队以及两位来自首都的著名歌手 (Ayse Demir)。"
    assert stays(Script(), source, text, "zho_Hans")
    assert not stays(Script(), source, text.replace(")", ", Kemal Yildirim)"), "zho_Hans")


def test_another_language_of_the_script_is_rejected(chain: Chain) -> None:
    spanish = "El viejo puente sobre el río se cerró en 2019 y 45 personas aún esperan uno nuevo."
    english = "In 2019 they shut the ancient crossing, while 45 residents keep hoping for another."
    assert reason(chain, "deu_Latn", spanish) == "language"
    assert reason(chain, "deu_Latn", english) == "language"


NUMBERS = {
    "one dropped": ("Die alte Brücke wurde gesperrt, und 45 Menschen warten auf eine neue.", True),
    "both dropped": ("Die alte Brücke wurde gesperrt, und viele warten auf eine neue.", True),
    "one changed": (GERMAN.replace("2019", "2016"), True),
    "digits swapped": (GERMAN.replace("45", "54"), True),
    "one invented": (GERMAN.replace("Menschen", "von 1250 Menschen"), True),
    "a small one in words": (GERMAN.replace("45", "fünfundvierzig"), False),
}


@pytest.mark.parametrize(("text", "is_rejected"), NUMBERS.values(), ids=NUMBERS)
def test_a_lost_or_changed_number_is_rejected_and_a_word_for_it_stays(
    chain: Chain, text: str, is_rejected: bool
) -> None:
    assert reason(chain, "deu_Latn", text) == ("numbers" if is_rejected else None)


@pytest.mark.parametrize(
    ("language", "zero"), [("hin_Deva", "०"), ("arb_Arab", "٠"), ("arb_Arab", "۰")]
)
def test_digits_of_another_script_are_the_same_numbers(
    chain: Chain, language: str, zero: str
) -> None:
    digits = {ord("0") + i: chr(ord(zero) + i) for i in range(10)}
    text = LANGUAGES[language].translate(digits)
    assert text != LANGUAGES[language]
    assert reason(chain, language, text) is None
    assert reason(chain, language, text.replace(chr(ord(zero) + 4), chr(ord(zero) + 7))) == (
        "numbers"
    )


@pytest.mark.parametrize("text", ["", "  \n", ".", "...", "- -", "?!", "«»", "♪"])
def test_a_cell_that_says_nothing_is_rejected(chain: Chain, text: str) -> None:
    assert reason(chain, "deu_Latn", text, "Thanks.") in ("empty", "marks")
    if text.strip():
        assert reason(chain, "deu_Latn", text, "(...)") is None


@pytest.mark.parametrize(
    "token", ["deu_Latn", "__de__", ">>deu<<", ">>cmn_Hans<<", "<2de>", "</s>"]
)
def test_a_language_token_left_in_the_text_is_rejected(chain: Chain, token: str) -> None:
    for text in (f"{token} {GERMAN}", f"{GERMAN} {token}"):
        assert reason(chain, "deu_Latn", text) == "marks"
    assert n_marks(f"Use the token {token} here.", f"Nimm hier {token}.") == 0


@pytest.mark.parametrize("text", ["cout >> x << y;", "abc_Latno", "a 2x<2y>3", "is_Latn", "x << 2"])
def test_code_that_resembles_a_token_stays(text: str) -> None:
    assert stays(Marks(), "See the code.", text)


HOLES = {
    "a negation lost": ("Das Wetter wird besser.", "The weather will not be any better."),
    "the end lost": (GERMAN.split(",")[0] + ", und 45 warten.", SOURCE),
    "a few words before it": (f"Wie gesagt: {GERMAN}", SOURCE),
    "a short copy": ("Thank you", "Thank you"),
    "a name changed": ("Anna wohnt in Bonn.", "Anne lives in Bonn."),
    "a small number changed": ("Sie hat drei Brüder.", "She has two brothers."),
}


@pytest.mark.parametrize(("text", "source"), HOLES.values(), ids=HOLES)
def test_what_has_the_right_form_is_not_seen(chain: Chain, text: str, source: str) -> None:
    assert reason(chain, "deu_Latn", text, source) is None
