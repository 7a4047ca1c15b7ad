"""Words: the same for all copies of a text, one per character where a script has no spaces."""

from __future__ import annotations

from hexapla.text.words import n_grams, tokens


def test_tokens_of_a_sentence_and_of_its_full_width_copy_are_equal() -> None:
    assert tokens("ＡＢＣ １２３") == tokens("abc 123")


def test_vowel_signs_and_tone_marks_stay_with_their_letters() -> None:
    assert tokens("हिन्दी में लिखो।") == ["हिन्दी", "में", "लिखो"]
    assert tokens("ที่นี่") == ["ที่", "นี่"]
    assert tokens("コーヒー、ｶﾞｽ") == ["コー", "ヒー", "ガ", "ス"]


def test_scripts_with_spaces_give_words_and_those_without_characters() -> None:
    assert tokens("Привет, мир! 한국어 문장 ግዕዝ።") == ["привет", "мир", "한국어", "문장", "ግዕዝ"]
    assert tokens("AWSの使い方 3.5 €") == ["aws", "の", "使", "い", "方", "3", "5", "€"]
    assert tokens("ភាសាខ្មែរ") != ["ភាសាខ្មែរ"]


def test_a_run_has_as_many_characters_as_its_words_would_have() -> None:
    assert n_grams(list("abcdefghi"), 8) == {"a b c d e f g h", "b c d e f g h i"}
    assert (
        n_grams(list("我" * 15), 8) == set()
        and len(n_grams([chr(0x4E00 + i) for i in range(18)], 8)) == 3
    )
    assert n_grams(["ก"] * 31, 8) == set() and n_grams(["ก"] * 32, 8) == {" ".join(["ก"] * 32)}
    # A Latin name among ideograms is a word: 7 words and 2 characters.
    assert n_grams([*"abcdefg", "我", "们"], 8) == {"a b c d e f g 我 们"}
    assert n_grams([], 8) == set()
