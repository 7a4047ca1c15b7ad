"""Spellings of languages: every one means one row of the table, and nothing is guessed."""

from __future__ import annotations

import unicodedata

import pytest

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.language_table import Language
from hexapla.text.languages import LANGUAGES, parse, parse_list


def refusal(text: str) -> str:
    """The message that `parse` refuses a text with."""
    with pytest.raises(InputError, match=r"^language ") as caught:
        parse(text)
    return str(caught.value)


# Spellings


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=list(LANGUAGES))
def test_every_unambiguous_spelling_of_a_row_leads_back_to_it(language: Language) -> None:
    code = language.code
    for spelling in (code, code.replace("_", "-"), code.lower(), code.upper(), f" {code} "):
        assert parse(spelling) == code
    for spelling in (
        language.name,
        language.name.lower(),
        language.name.upper(),
        language.bcp47,
        *language.mteb,
    ):
        assert parse(spelling) == code, spelling
        assert parse(spelling.replace("-", "_")) == code, spelling
    if language.m2m100 and language.m2m100 != "zh":
        assert parse(language.m2m100) == code
    shared = {
        alias for other in LANGUAGES.values() if other is not language for alias in other.aliases
    }
    for alias in set(language.aliases) - shared:
        assert parse(alias) == code, alias
    alike = [row.in_flores for other, row in LANGUAGES.items() if other[:3] == code[:3]]
    if alike == [language.in_flores] or (language.in_flores and sum(alike) == 1):
        assert parse(code[:3]) == code


@pytest.mark.parametrize(
    ("spellings", "code"),
    [
        ("ar ara ar-Arab ara-Arab ar-SA ar-EG arb-Arab Arabic", "arb_Arab"),
        ("arz arz-Arab", "arz_Arab"),
        ("fa fas per pes fa-IR fas-Arab Persian Farsi", "pes_Arab"),
        ("prs fa-AF prs-Arab Dari", "prs_Arab"),
        ("zh-Hans zh-CN zh_CN zh-cn zh-Hans-CN zh-SG cmn-Hans cmo-Hans zho-Hans", "zho_Hans"),
        ("zh-Hant zh-TW zh-HK zh_TW zh-Hant-HK cmn-Hant zho-Hant cmo-Hant", "zho_Hant"),
        ("yue yue-Hant zh-yue Cantonese", "yue_Hant"),
        ("no nor nb nob nor-Latn nb-NO no-NO Norwegian", "nob_Latn"),
        ("nn nno nn-NO Nynorsk", "nno_Latn"),
        ("sr srp sr-Cyrl sr-RS sr-Cyrl-ME Serbian", "srp_Cyrl"),
        ("sr-Latn sr-Latn-RS sr_RS@latin sr@Latn sr-ME sh srp_Latn", "srp_Latn"),
        ("sh-Cyrl sr@cyrillic sr@ijekavian", "srp_Cyrl"),
        ("uz-Cyrl uz_UZ@cyrillic uzb-Cyrl uz-CN", "uzn_Cyrl"),
        ("uzs uz-AF uz-Arab", "uzs_Arab"),
        ("az-Cyrl az-Cyrl-AZ az-RU", "azj_Cyrl"),
        ("kk-CN kk-Arab kk_CN@arabic", "kaz_Arab"),
        ("pnb pa-PK pa-Arab-PK pan-Arab", "pnb_Arab"),
        ("mn-CN mn-Mong", "mvf_Mong"),
        ("ha-SD ha@arabic", "hau_Arab"),
        ("tt@iqtelif tt_RU.UTF-8@iqtelif tt-Latn", "tat_Latn"),
        ("zh-Latn-pinyin zh@pinyin cmn-Latn", "zho_Latn"),
        ("ja-Latn ja-Latn-hepburn ja-hepburn", "jpn_Latn"),
        ("sd@devanagari sd-Deva", "snd_Deva"),
        ("be@latin", "bel_Latn"),
        ("be be@tarask be-tarask be_BY", "bel_Cyrl"),
        ("ca ca@valencia ca_ES.UTF-8@valencia ca-valencia", "cat_Latn"),
        ("arq arq-Arab", "arq_Arab"),
        ("br bre", "bre_Latn"),
        ("fy fry Frisian", "fry_Latn"),
        ("co Corsican", "cos_Latn"),
        ("la lat Latin", "lat_Latn"),
        ("no@nynorsk", "nno_Latn"),
        ("es_ar es_AR ES_ar es-AR", "spa_Latn"),
        ("fr_ca fr-CA", "fra_Latn"),
        ("tl fil tgl tl-PH fil-PH fil-Latn Tagalog Filipino", "tgl_Latn"),
        ("sw swa swh swa-Latn sw-KE", "swh_Latn"),
        ("lv lav lvs lav-Latn Latvian", "lvs_Latn"),
        ("mn mon khk mon-Cyrl mn-MN Mongolian", "khk_Cyrl"),
        ("ms msa may zsm msa-Latn Malay", "zsm_Latn"),
        ("uz uzb uzn uz-Latn Uzbek", "uzn_Latn"),
        ("az aze azj az-Latn aze-Latn Azerbaijani", "azj_Latn"),
        ("azb az-Arab az-IR az-IQ", "azb_Arab"),
        ("kmr ku-Latn kur-Latn Kurmanji", "kmr_Latn"),
        ("ckb ku-Arab kur-Arab Sorani", "ckb_Arab"),
        ("pa pan pa-Guru pa-IN Punjabi Panjabi", "pan_Guru"),
        ("id in ind id-ID Indonesian", "ind_Latn"),
        ("ff ful fuv", "fuv_Latn"),
        ("ns nso", "nso_Latn"),
        ("ps pus pbt", "pbt_Arab"),
        ("ak aka", "aka_Latn"),
        ("tw twi", "twi_Latn"),
        ("ko kor kor-Kore ko-Kore ko-KR", "kor_Hang"),
        ("ja jpn jpn-Hira ja-Jpan ja_XX", "jpn_Jpan"),
        ("he iw heb", "heb_Hebr"),
        ("ro mo mol ro-MD", "ron_Latn"),
        ("jv jw", "jav_Latn"),
        ("yi ji", "ydd_Hebr"),
        ("de ger deu de-AT de-CH de-de German", "deu_Latn"),
        ("pt por pt-BR pt_BR pt-br pt-PT", "por_Latn"),
        ("es spa es-419 es_XX Castilian", "spa_Latn"),
        ("el gre ell", "ell_Grek"),
        ("sq alb sqi als", "als_Latn"),
        ("sat sat-Olck sat_Olck", "sat_Beng"),
        ("ar-Latn arb-Latn", "arb_Latn"),
    ],
)
def test_spellings_mean_what_a_reader_of_the_standards_expects(spellings: str, code: str) -> None:
    assert {spelling: parse(spelling) for spelling in spellings.split()} == dict.fromkeys(
        spellings.split(), code
    )


@pytest.mark.parametrize(
    "spelling", ["Norwegian Bokmål", "norwegian bokmal", "NORWEGIAN_BOKMÅL", "Bokma\u030al"]
)
def test_names_are_found_without_their_accents_and_in_either_unicode_form(spelling: str) -> None:
    assert parse(spelling) == parse(unicodedata.normalize("NFD", spelling)) == "nob_Latn"


@pytest.mark.parametrize(
    "spelling", ["Chinese (Traditional)", "chinese traditional", "Traditional Chinese"]
)
def test_brackets_in_names_do_not_matter(spelling: str) -> None:
    assert parse(spelling) == "zho_Hant"


def test_either_apostrophe_will_do() -> None:
    assert parse("Ta'izzi-Adeni Arabic") == parse("Ta\u2019izzi-Adeni Arabic") == "acq_Arab"


# Refusals


@pytest.mark.parametrize(
    ("spellings", "codes"),
    [
        ("zh zho chi cmn Chinese Mandarin zh-US", ["zho_Hans", "zho_Hant"]),
        ("ku kur Kurdish ku-TR", ["ckb_Arab", "kmr_Latn"]),
        ("ks kas Kashmiri", ["kas_Arab", "kas_Deva"]),
        ("kr kau knc Kanuri", ["knc_Arab", "knc_Latn"]),
    ],
)
def test_an_ambiguous_spelling_is_refused_with_its_candidates(
    spellings: str, codes: list[str]
) -> None:
    for spelling in spellings.split():
        message = refusal(spelling)
        assert message.startswith(f'language "{spelling}" is ambiguous; write one of: ')
        assert [
            code for code in LANGUAGES if f"{code} = {languages.name(code)}" in message
        ] == codes


def test_every_three_letter_code_that_flores_has_in_several_scripts_is_ambiguous() -> None:
    scripts: dict[str, list[str]] = {}
    for code, language in LANGUAGES.items():
        if language.in_flores:
            scripts.setdefault(code[:3], []).append(code)
    several = {short: codes for short, codes in scripts.items() if len(codes) > 1}
    assert sorted(several) == ["ace", "arb", "bjn", "kas", "knc", "min", "taq", "zho"]
    for short, codes in several.items():
        message = refusal(short)
        assert "is ambiguous" in message
        assert [code for code in LANGUAGES if code in message] == codes


@pytest.mark.parametrize(
    ("spelling", "nearest"),
    [
        ("Germn", "deu_Latn = German"),
        ("deu_Lat", "deu_Latn = German"),
        ("Portugese", "por_Latn = Portuguese"),
        ("norweg", "nob_Latn"),
        ("qu", "quy_Latn"),
    ],
)
def test_an_unknown_spelling_is_refused_with_the_nearest(spelling: str, nearest: str) -> None:
    message = refusal(spelling)
    start, _, hint = message.partition("; nearest: ")
    assert (
        start == f'language "{spelling}" is unknown; give a code like deu_Latn or an English name'
    )
    assert nearest in hint


@pytest.mark.parametrize(
    ("spelling", "there"),
    [
        ("de-Cyrl", "deu_Latn"),
        ("de-Cyrl-DE", "deu_Latn"),
        ("mon-Mong", "khk_Cyrl"),
        ("orm-Ethi", "gaz_Latn"),
        ("hin-Arab", "hin_Deva"),
        ("gsw@cyrillic", "gsw_Latn"),
        ("sr@nowhere", "srp_Cyrl"),
        ("de-x-pirate", "deu_Latn"),
    ],
)
def test_a_script_that_the_table_lacks_is_refused_with_those_it_has(
    spelling: str, there: str
) -> None:
    hint = refusal(spelling).partition("; nearest: ")[2]
    assert f"{there} = {languages.name(there)}" in hint
    assert {listed[:3] for listed in hint.split(", ") if "_" in listed[:4]} <= {there[:3]}


@pytest.mark.parametrize("spelling", ["xq", "hif", "tok", "xx-Latn"])
def test_letters_of_a_code_that_the_table_lacks_suggest_no_other_language(spelling: str) -> None:
    assert refusal(spelling).endswith("is unknown; give a code like deu_Latn or an English name")


@pytest.mark.parametrize(
    "spelling", ["", "  ", "-", "xx", "de-", "de--AT--", "und", "mul", "not a language", "zxx"]
)
def test_what_is_no_language_is_refused(spelling: str) -> None:
    assert f'language "{spelling}" is unknown' in refusal(spelling)


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [("en-de", "eng_Latn"), ("EN-DE", "eng_Latn"), ("fr-ca", "fra_Latn"), ("ko-kr", "kor_Hang")],
)
def test_what_reads_as_a_pair_is_not_taken_for_a_region(spelling: str, hint: str) -> None:
    region = f"{spelling[:2].lower()}-{spelling[3:].upper()}"
    assert (
        f"reads as a pair; write one language like {hint}, or the region in capitals, {region}"
        in refusal(spelling)
    )
    assert parse(region) == hint


# Lists and pairs


def test_a_list_keeps_its_order_and_takes_text_or_a_sequence() -> None:
    assert parse_list("sw, German ,eng_Latn") == ("swh_Latn", "deu_Latn", "eng_Latn")
    assert parse_list(["sw", "German", "eng_Latn"]) == parse_list(("sw", "de", "en"))


def test_a_list_that_names_a_language_twice_is_refused() -> None:
    with pytest.raises(
        InputError,
        match=r'^languages "de" and "German" are both deu_Latn; name each language once$',
    ):
        parse_list("en,de,German")


@pytest.mark.parametrize("text", ["de,,en", "de, ,en"])
def test_a_list_with_an_empty_item_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r'^languages "de,,en": item 2 is empty; drop the comma$'):
        parse_list(text)


def test_a_list_that_is_too_short_is_refused() -> None:
    with pytest.raises(InputError, match=r'^languages "en": 1 given; name at least 2$'):
        parse_list("en", minimum=2)
    nothings: tuple[str | list[str], ...] = ("", " ", [])
    for nothing in nothings:
        with pytest.raises(InputError, match=r'^languages "": 0 given; name at least 1$'):
            parse_list(nothing)
    assert parse_list([], minimum=0) == ()


def test_a_list_with_an_unknown_item_is_refused_by_that_item() -> None:
    with pytest.raises(InputError, match=r'^language "xx" is unknown'):
        parse_list("en,xx")
