"""A column of an imported source that is mostly in another script than its code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from hexapla.errors import InputError
from hexapla.imports.script_guard import ScriptGuard

ENGLISH = ["Open the file", "Close all windows", "Save as another name"]
SERBIAN_LATIN = ["Otvori datoteku", "Zatvori sve prozore", "Sačuvaj pod drugim imenom"]
SERBIAN_CYRILLIC = ["Отвори датотеку", "Затвори све прозоре", "Сачувај под другим именом"]
SIMPLIFIED = ["打开文件", "关闭所有窗口", "另存为其他名称"]
TRADITIONAL = ["開啟檔案", "關閉所有視窗", "另存為其他名稱"]
JAPANESE = ["ファイルを開く", "窓をすべて閉じる", "べつのなまえで保存"]


def check(
    rows: Iterable[Mapping[str, str]], pivot: str = "eng_Latn", source: str = "app.tmx"
) -> None:
    guard = ScriptGuard()
    for row in rows:
        guard.add(source, row, pivot)
    guard.check()


def in_column(code: str, texts: Iterable[str]) -> list[dict[str, str]]:
    return [{"eng_Latn": english, code: text} for english, text in zip(ENGLISH, texts, strict=True)]


def test_three_rows_in_another_script_stop_the_import_with_counts_examples_and_what_to_do() -> None:
    with pytest.raises(InputError, match=r"^app\.tmx: of 3 texts checked in ukr_Cyrl") as caught:
        check(in_column("ukr_Cyrl", SERBIAN_LATIN))
    assert str(caught.value) == (
        "app.tmx: of 3 texts checked in ukr_Cyrl, 3 are in Latin, not in its script: "
        '"Otvori datoteku", "Zatvori sve prozore", "Sačuvaj pod drugim imenom"; '
        "correct the language tag, leave the language out, or raise max_other_script (--max-other-script)"
    )


@pytest.mark.parametrize(
    ("code", "texts", "found"),
    [
        ("deu_Latn", SERBIAN_CYRILLIC, "Cyrillic"),
        ("rus_Cyrl", JAPANESE, "Kana"),
        ("arb_Arab", SIMPLIFIED, "Han"),
        ("zho_Hans", JAPANESE, "Kana"),
        ("kor_Hang", JAPANESE, "Kana"),
        ("zho_Hant", SIMPLIFIED, "Simplified Chinese"),
        ("yue_Hant", SIMPLIFIED, "Simplified Chinese"),
        ("zho_Hans", TRADITIONAL, "Traditional Chinese"),
    ],
)
def test_any_other_script_or_variant_of_chinese_stops_the_import(
    code: str, texts: list[str], found: str
) -> None:
    with pytest.raises(InputError, match=rf"in {code}, \d are in ({found})"):
        check(in_column(code, texts))


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("srp_Cyrl", SERBIAN_CYRILLIC),
        ("pol_Latn", SERBIAN_LATIN),
        ("jpn_Jpan", JAPANESE),
        ("zho_Hans", SIMPLIFIED),
        ("zho_Hant", TRADITIONAL),
    ],
)
def test_texts_in_their_own_script_pass(code: str, texts: list[str]) -> None:
    check(in_column(code, texts))


def test_the_code_of_the_same_language_in_the_script_that_was_found_is_named() -> None:
    with pytest.raises(InputError, match=r"use the tag zh-Hans \(zho_Hans\)"):
        check(in_column("zho_Hant", SIMPLIFIED))


def test_words_of_the_source_are_no_sign_of_another_script() -> None:
    names = ["Visual Studio Code", "git clone --filter=blob", "README.md"]
    check([{"eng_Latn": name, "rus_Cyrl": name} for name in names])
    check([{"eng_Latn": f"Install {name}", "rus_Cyrl": f"{name.upper()}: да"} for name in names])


def test_untranslated_strings_weigh_neither_way() -> None:
    untranslated = [{"eng_Latn": text, "rus_Cyrl": text} for text in ENGLISH * 100]
    check([*untranslated, *in_column("rus_Cyrl", SERBIAN_CYRILLIC)])
    with pytest.raises(InputError, match="of 3 texts checked in rus_Cyrl, 3 are in Latin"):
        check([*untranslated, *in_column("rus_Cyrl", SERBIAN_LATIN)])


def test_numbers_and_marks_weigh_neither_way() -> None:
    numbers = [{"eng_Latn": f"{n} %", "deu_Latn": f"{n} %"} for n in range(100)]
    with pytest.raises(InputError, match="of 3 texts checked in deu_Latn, 3 are in Cyrillic"):
        check([*numbers, *in_column("deu_Latn", SERBIAN_CYRILLIC)])


@pytest.mark.parametrize(
    "texts",
    [
        ["α + β", "Δx", "λ = 2π"],  # three texts of few letters
        ["Angela Merkel sagte es", "Δx"],
        ["Сачувај под другим именом", "Отвори датотеку"],  # two texts
        ["Сачувај под другим именом", "Отвори датотеку", *["Datei", "Ordner", "Name"]],
    ],
)
def test_a_few_names_formulas_or_quotations_are_too_little_evidence(texts: list[str]) -> None:
    check([{"eng_Latn": "(untitled)", "deu_Latn": text} for text in texts])


def test_the_pivot_is_judged_too() -> None:
    with pytest.raises(InputError, match="of 3 texts checked in eng_Latn, 3 are in Cyrillic"):
        check({"eng_Latn": cyrillic, "srp_Cyrl": cyrillic} for cyrillic in SERBIAN_CYRILLIC)


def test_the_pivot_cannot_be_left_out_so_the_file_is() -> None:
    with pytest.raises(InputError, match=r"correct the language tag, leave the file out, or"):
        check({"eng_Latn": cyrillic, "deu_Latn": "Datei"} for cyrillic in SERBIAN_CYRILLIC)


def test_one_wrong_source_among_a_hundred_is_seen() -> None:
    guard = ScriptGuard()
    for number in range(100):
        wrong = number == 37
        for row in in_column("srp_Cyrl", SERBIAN_LATIN if wrong else SERBIAN_CYRILLIC):
            guard.add(f"{number}.po", row, "eng_Latn")
    with pytest.raises(
        InputError, match=r"^37\.po: of 3 texts checked in srp_Cyrl, 3 are in Latin"
    ):
        guard.check()


def test_sources_too_small_to_judge_alone_are_judged_together() -> None:
    guard = ScriptGuard()
    for number, row in enumerate(in_column("srp_Cyrl", SERBIAN_LATIN)):
        guard.add(f"{number}.po", row, "eng_Latn")
    with pytest.raises(
        InputError, match=r"^3 sources together: of 3 texts checked in srp_Cyrl, 3 are"
    ):
        guard.check()


def test_a_wrong_column_in_two_scripts_names_the_more_frequent_one() -> None:
    texts = [SIMPLIFIED[0], *SERBIAN_LATIN[:2]]
    with pytest.raises(InputError, match=r"in rus_Cyrl, 3 are in Latin \(2\) or Han \(1\), not"):
        check(in_column("rus_Cyrl", texts))


def test_traditional_chinese_with_a_simplified_name_in_each_text_passes() -> None:
    check(
        {"eng_Latn": f"Zhang Wei says {n}", "zho_Hant": f"張說：這是張偉，不是张伟 {n}"}
        for n in range(20)
    )


def test_chinese_of_a_chinese_pivot_is_judged() -> None:
    rows = [{"zho_Hans": text, "zho_Hant": text} for text in SIMPLIFIED]
    with pytest.raises(InputError, match="in zho_Hant, 3 are in Simplified Chinese"):
        check(rows, pivot="zho_Hans")


def test_of_a_large_column_one_in_ten_texts_after_the_first_thousand_is_checked() -> None:
    rows = [*in_column("srp_Cyrl", SERBIAN_CYRILLIC), *in_column("srp_Cyrl", SERBIAN_LATIN) * 700]
    with pytest.raises(InputError, match="of 1,110 texts checked in srp_Cyrl, 1,107 are in Latin"):
        check(rows)


def test_the_share_that_may_be_in_another_script_can_be_raised() -> None:
    rows = [*in_column("zho_Hans", TRADITIONAL) * 2, *in_column("zho_Hans", SIMPLIFIED)]
    for max_share, stops in ((0.5, True), (0.7, False)):
        guard = ScriptGuard(max_share)
        for row in rows:
            guard.add("mixed.tsv", row, "eng_Latn")
        if stops:
            with pytest.raises(InputError, match="of 9 texts checked in zho_Hans, 6 are in Trad"):
                guard.check()
        else:
            guard.check()
