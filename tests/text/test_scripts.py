"""The scripts of every language of the table, and the patterns of letters in and outside them."""

from __future__ import annotations

import pytest

from hexapla.text.language_table import language_table
from hexapla.text.scripts import letters_of, other_letters, scripts_of

# One word in each script that the table uses.
WORDS = {
    "Adlm": "𞤀𞤣𞤤𞤢𞤥",
    "Arab": "سلام",
    "Armn": "բարեւ",
    "Avst": "𐬀𐬬𐬆",
    "Beng": "নমস্কার",
    "Cans": "ᐃᓄᒃ",
    "Cyrl": "привет",
    "Deva": "नमस्ते",
    "Ethi": "ሰላም",
    "Geor": "გამარჯობა",
    "Grek": "γεια",
    "Gujr": "નમસ્તે",
    "Guru": "ਸਤਿ",
    "Hang": "안녕",
    "Hans": "汉语",
    "Hant": "漢語",
    "Hebr": "שלום",
    "Java": "ꦗꦮ",
    "Jpan": "日本のカナ",
    "Khmr": "សួស្តី",
    "Knda": "ನಮಸ್ಕಾರ",
    "Laoo": "ສະບາຍດີ",
    "Latn": "hello",
    "Mlym": "നമസ്കാരം",
    "Mong": "ᠮᠣᠩᠭᠣᠯ",
    "Mtei": "ꯃꯤꯇꯩ",
    "Mymr": "မင်္ဂလာပါ",
    "Nkoo": "ߒߞߏ",
    "Olck": "ᱡᱚᱦᱟᱨ",
    "Orya": "ନମସ୍କାର",
    "Sinh": "ආයුබෝවන්",
    "Taml": "வணக்கம்",
    "Telu": "నమస్కారం",
    "Tfng": "ⴰⵣⵓⵍ",
    "Thaa": "ދިވެހި",
    "Thai": "สวัสดี",
    "Tibt": "བཀྲ་ཤིས",
    "Yiii": "ꆈꌠ",
}


@pytest.mark.parametrize("code", language_table())
def test_every_row_of_the_table_has_letters_in_its_script_and_outside_it(code: str) -> None:
    word, foreign = WORDS[code[-4:]], "привет" if code[-4:] != "Cyrl" else "hello"
    assert letters_of(code).search(word)
    assert not other_letters(code).search(word)
    assert other_letters(code).findall(f"{word} 12, {foreign}!") == [foreign]


def test_a_code_that_stands_for_several_scripts_has_all_of_them() -> None:
    assert scripts_of("jpn_Jpan") == ("Han", "Hiragana", "Katakana")
    assert scripts_of("kor_Hang") == ("Hangul", "Han")
    assert scripts_of("zho_Hans") == scripts_of("zho_Hant") == ("Han", "Bopomofo")


def test_santali_is_written_in_ol_chiki_despite_its_code() -> None:
    assert letters_of("sat_Beng").fullmatch("ᱡᱚᱦᱟᱨ")


def test_marks_digits_and_punctuation_are_in_no_other_script() -> None:
    assert not other_letters("deu_Latn").search("1 µm — „ʻokina“ ½ ５ ª")
