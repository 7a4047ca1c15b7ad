"""Tags of files: scripts stay as stated, asked languages settle the rest, and names make precise."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.text.language_tags import LanguageTags, TagMeaning
from hexapla.text.languages import parse


def tags(*asked: str) -> LanguageTags:
    """The tags of an import with English as pivot."""
    return LanguageTags("eng_Latn", asked or None)


def codes_of(spellings: str, *asked: str) -> set[str]:
    return {tags(*asked).code(tag, "x.tmx:1") for tag in spellings.split()}


# Scripts


@pytest.mark.parametrize(
    ("spellings", "asked"),
    [
        ("sr-Latn-RS sr-Latn sr@latin sr@Latn sr@ijekavianlatin sr-ME sh sr_RS.UTF-8@latin", "sr"),
        ("sr-Cyrl-RS sr@cyrillic sr@Cyrl sr@ijekavian", "sr-Latn"),
        ("uz-Cyrl-UZ uz@cyrillic uz-AF uz@Arab", "uz"),
        ("az-Cyrl-AZ az-Arab az-IR", "az"),
        ("pa-Arab-PK pa-PK pa@arabic", "pa"),
        ("mn-Mong-CN mn-CN", "mn"),
        ("zh-Latn-pinyin zh@pinyin zh-TW zh-HK zh-Hant", "zh-CN"),
        ("ja-Latn ja-Latn-hepburn", "ja"),
        ("tt@iqtelif", "tt"),
        ("sd@devanagari", "sd"),
        ("ha-SD", "ha"),
    ],
)
def test_a_text_in_another_script_is_never_in_the_column_asked_for(
    spellings: str, asked: str
) -> None:
    (code,) = tags(asked).asked[1:] if tags(asked).asked else ("",)
    assert code not in codes_of(spellings, asked)


def test_windows_names_of_the_chinese_scripts_are_known() -> None:
    tags = LanguageTags("eng_Latn", None)
    assert [tags.code(tag, "x") for tag in ("zh-CHS", "zh_CHT")] == ["zho_Hans", "zho_Hant"]
    assert parse("zh-CHT") == "zho_Hant"


def test_a_modifier_that_nobody_knows_makes_a_tag_unknown() -> None:
    assert tags("sr").resolve("sr@nowhere", "x.po") == TagMeaning("sr@nowhere")
    with pytest.raises(InputError, match=r'^x.po: language "sr@nowhere" is unknown'):
        tags().resolve("sr@nowhere", "x.po")


def test_a_modifier_that_says_nothing_of_the_text_is_dropped() -> None:
    assert codes_of("de_DE@euro de@quot de@boldquot", "de") == {"deu_Latn"}


# The languages asked for


def test_a_bare_tag_is_the_only_language_asked_for_that_it_may_mean() -> None:
    assert codes_of("zh zho cmn", "zh-TW") == {"zho_Hant"}
    assert codes_of("sr srp sr-RS", "sr-Latn") == {"srp_Latn"}
    assert codes_of("ku", "ckb") == {"ckb_Arab"}
    assert codes_of("zh", "zh-TW", "zh-CN") == {"zh"}


def test_a_bare_tag_is_in_the_usual_script_if_both_are_asked_for_or_none() -> None:
    assert codes_of("sr", "sr", "sr-Latn") == codes_of("sr") == codes_of("sr", "de") == {"srp_Cyrl"}


def test_a_tag_of_another_language_is_that_language_or_itself() -> None:
    assert codes_of("fr", "de") == {"fra_Latn"}
    assert codes_of("xx", "de") == {"xx"}
    assert codes_of("ar", "arz") == {"arb_Arab"}


def test_the_error_for_a_tag_recommends_what_helps() -> None:
    with pytest.raises(
        InputError, match=r'"zh" is ambiguous; .*; or name the one to keep with --languages$'
    ):
        tags().resolve("zh", "x.tmx:1")
    with pytest.raises(
        InputError, match=r'"de-Cyrl" is unknown; .*; or name others to keep, without it, with'
    ):
        tags().resolve("de-Cyrl", "x.tmx:1")


# Ranks


@pytest.mark.parametrize(
    ("asked", "ranks"),
    [
        ((), {"pt": 1, "pt-BR": 2, "pt-PT": 3, "pt_AO": 3, "pt-PT-ao90": 4}),
        (("pt",), {"pt": 1, "pt-BR": 2, "pt-PT": 3}),
        (("pt-PT",), {"pt-PT": 0, "PT_pt": 0, "pt": 1, "pt-BR": 2, "pt-AO": 3}),
        (("zh-HK",), {"zh-HK": 0, "zh-Hant-HK": 0, "zh-Hant": 1, "zh-TW": 2, "zh-MO": 3}),
        ((), {"ca": 1, "ca@valencia": 4, "be@tarask": 4, "de-CH": 3, "de-DE": 2, "en-US": 2}),
    ],
)
def test_a_variant_ranks_by_its_region(asked: tuple[str, ...], ranks: dict[str, int]) -> None:
    resolver = tags(*asked)
    assert {tag: resolver.resolve(tag, "x").rank for tag in ranks} == ranks


# Headers and names of files


@pytest.mark.parametrize(
    ("header", "path", "code"),
    [
        ("sr", "sr_Latn/app.po", "srp_Latn"),
        ("sr", "sr_Latn/LC_MESSAGES/app.po", "srp_Latn"),
        ("sr", "sr@latin.po", "srp_Latn"),
        ("sr_RS", "app.sr_Latn.po.gz", "srp_Latn"),
        ("Serbian", "shop-sr_ME.po", "srp_Latn"),
        ("sr@latin", "sr/LC_MESSAGES/app.po", "srp_Latn"),
        ("sr", "sr/app.po", "srp_Cyrl"),
        ("zh", "zh_TW.po", "zho_Hant"),
        ("ku", "ckb.po", "ckb_Arab"),
        ("no", "nn.po", "nno_Latn"),
        ("nn", "no.po", "nno_Latn"),
        ("de", "my/to-do.po", "deu_Latn"),
        ("de", "no/sun/man.po", "deu_Latn"),
        ("", "de.po", "deu_Latn"),
        ("", "ast.po", "ast_Latn"),
        ("LL", "pt_BR/app.po", "por_Latn"),
        ("", "German.po", "deu_Latn"),
    ],
)
def test_a_name_makes_a_header_precise(header: str, path: str, code: str) -> None:
    meaning = tags().of_header(header, Path(path), path)
    assert meaning and meaning.code == code


@pytest.mark.parametrize(
    ("header", "path", "said"),
    [
        ("sr_Cyrl", "sr_Latn/app.po", r'"sr_Cyrl" \(srp_Cyrl\), .* "sr_Latn" \(srp_Latn\)'),
        ("sr@cyrillic", "sr@latin.po", r'"sr@cyrillic" \(srp_Cyrl\), .* "sr@latin" \(srp_Latn\)'),
        ("zh_CN", "zh_TW.po", r'"zh_CN" \(zho_Hans\), .* "zh_TW" \(zho_Hant\)'),
        ("fr", "de.po", r'"fr" \(fra_Latn\), .* "de" \(deu_Latn\)'),
        ("de", "fr/LC_MESSAGES/app.po", r'"de" \(deu_Latn\), .* "fr" \(fra_Latn\)'),
    ],
)
def test_a_header_and_a_name_that_contradict_each_other_are_an_error(
    header: str, path: str, said: str
) -> None:
    with pytest.raises(InputError, match=rf"^place: .*{said}; correct the one that is wrong$"):
        tags().of_header(header, Path(path), "place")


def test_a_contradiction_between_languages_not_asked_for_stops_nothing() -> None:
    assert tags("it").of_header("fr", Path("de.po"), "x") == TagMeaning("fra_Latn")


def test_an_unknown_modifier_in_a_name_is_not_dropped() -> None:
    assert tags("sr").of_header("sr", Path("sr@nowhere.po"), "x") == TagMeaning("sr@nowhere")


@pytest.mark.parametrize(
    "path", ["app.po", "no/app.po", "to-do/main.po", "my-app.po", "pt-br/x.po"]
)
def test_short_words_in_names_are_no_languages(path: str) -> None:
    assert tags().of_header("", Path(path), "x") is None
    assert tags("sw").of_header("", Path(path), "x") == TagMeaning("swh_Latn")


# Names of Moses files and of columns


@pytest.mark.parametrize(
    ("name", "asked", "stem", "code"),
    [
        ("News.en-zh.zh", ("zh-CN",), "News.en-zh", "zho_Hans"),
        ("books.de-en.de.gz", (), "books.de-en", "deu_Latn"),
        ("x.es_ar", (), "x", "spa_Latn"),
        ("x.fr_ca", (), "x", "fra_Latn"),
        ("x.pt-br", (), "x", "por_Latn"),
        ("x.sr@latin", (), "x", "srp_Latn"),
        ("x.sr_Latn", ("sr",), "x", "srp_Latn"),
        ("x.zh", ("de",), "x", "zh"),
    ],
)
def test_a_moses_name_is_split_at_its_language(
    name: str, asked: tuple[str, ...], stem: str, code: str
) -> None:
    found = tags(*asked).of_ending(Path(name))
    assert found and (found[0], found[1].code) == (Path(stem), code)


def test_an_ending_that_is_no_language_is_none() -> None:
    assert [tags().of_ending(Path(f"x.{end}")) for end in ("txt", "en-de", "doc", "")] == [None] * 4


def test_an_ambiguous_ending_is_an_error_that_names_the_file() -> None:
    with pytest.raises(InputError, match=r'^News.zh: language "zh" is ambiguous'):
        tags().of_ending(Path("News.zh"))
