"""Language codes: one row per FLORES-200 code, which every spelling means, and nothing is guessed."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.language_table import Language
from hexapla.text.languages import LANGUAGES, parse, parse_list

# Our script and MTEB's where the text is nevertheless in the same: Hang is part of Kore, Hira of
# Jpan, and NLLB's Santali, whatever its label says, is in Ol Chiki.
SAME_SCRIPT = {("Hang", "Kore"), ("Jpan", "Hira"), ("Beng", "Olck")}


@pytest.fixture(scope="module")
def mteb_codes() -> set[str]:
    """Every language code that some MTEB task carries."""
    mteb = pytest.importorskip("mteb")
    tasks = mteb.get_tasks(exclude_superseded=False)
    subsets = [task.metadata.eval_langs for task in tasks]
    return {
        code
        for subset in subsets
        for codes in (subset.values() if isinstance(subset, dict) else [subset])
        for code in codes
    }


def refusal(text: str) -> str:
    """The message that `parse` refuses a text with."""
    with pytest.raises(InputError, match=r"^language ") as caught:
        parse(text)
    return str(caught.value)


# The table


def test_the_table_is_the_languages_of_nllb_and_the_two_that_flores_has_besides() -> None:
    nllb = pytest.importorskip("transformers.models.nllb.tokenization_nllb").FAIRSEQ_LANGUAGE_CODES
    assert len(LANGUAGES) == 204
    assert set(LANGUAGES) == {*nllb, "arb_Latn", "min_Arab"}
    assert list(LANGUAGES) == sorted(LANGUAGES)


def test_every_language_has_a_family_and_its_scripts_share_it() -> None:
    families = {code: language.family for code, language in LANGUAGES.items()}
    assert all(families.values())
    by_language = {(code[:3], family) for code, family in families.items()}
    assert len(by_language) == len({code[:3] for code in LANGUAGES})
    of = {
        code: family
        for code, family in families.items()
        if code in ("hin_Deva", "ron_Latn", "yue_Hant", "ltg_Latn")
    }
    assert of == {
        "hin_Deva": "Indo-Aryan",
        "ltg_Latn": "Baltic",
        "ron_Latn": "Romance",
        "yue_Hant": "Sino-Tibetan",
    }


def test_m2m100_tokens_are_those_of_transformers_except_two_that_nllb_lacks() -> None:
    tokens = pytest.importorskip(
        "transformers.models.m2m_100.tokenization_m2m_100"
    ).FAIRSEQ_LANGUAGE_CODES["m2m100"]
    ours = [language.m2m100 for language in LANGUAGES.values() if language.m2m100]
    assert sorted(ours) == sorted(set(tokens) - {"br", "fy"})


def test_names_and_tags_are_unique() -> None:
    for field in ("name", "bcp47"):
        values = [getattr(language, field) for language in LANGUAGES.values()]
        assert len(set(values)) == 204, field


def test_the_script_is_the_suffix_of_the_code() -> None:
    for code, language in LANGUAGES.items():
        assert code == language.code
        assert code.split("_")[1] == language.script == languages.script(code)


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="code"):
        LANGUAGES["deu_Latn"].code = "ger_Latn"  # type: ignore[misc]


def test_every_further_mteb_code_is_one_that_a_task_carries(mteb_codes: set[str]) -> None:
    for language in LANGUAGES.values():
        assert language.mteb[0] == language.code.replace("_", "-")
        assert set(language.mteb[1:]) <= mteb_codes, language.code


@pytest.mark.slow
def test_every_mteb_code_is_refused_or_keeps_its_script(mteb_codes: set[str]) -> None:
    parsed = {}
    for code in mteb_codes:
        try:
            parsed[code] = parse(code)
        except InputError:
            continue
    scripts = {(languages.script(found), code[-4:]) for code, found in parsed.items()}
    assert {(ours, theirs) for ours, theirs in scripts if ours != theirs} == SAME_SCRIPT
    assert all(code in languages.to_mteb(found) for code, found in parsed.items())


def test_the_flores_columns_of_mteb_are_exactly_our_rows() -> None:
    mteb = pytest.importorskip("mteb")
    eval_langs = mteb.get_task("FloresBitextMining").metadata.eval_langs
    assert {parse(code) for codes in eval_langs.values() for code in codes} == set(LANGUAGES)


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
    if sum(other[:3] == code[:3] for other in LANGUAGES) == 1:
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
        ("sr srp sr-Cyrl sr-RS sr-Cyrl-ME", "srp_Cyrl"),
        ("tl fil tgl tl-PH fil-PH fil-Latn Tagalog Filipino", "tgl_Latn"),
        ("sw swa swh swa-Latn sw-KE", "swh_Latn"),
        ("lv lav lvs lav-Latn Latvian", "lvs_Latn"),
        ("mn mon khk mon-Cyrl mn-MN Mongolian", "khk_Cyrl"),
        ("ms msa may zsm msa-Latn Malay", "zsm_Latn"),
        ("uz uzb uzn uz-Latn Uzbek", "uzn_Latn"),
        ("az aze azj az-Latn aze-Latn Azerbaijani", "azj_Latn"),
        ("azb az-Arab", "azb_Arab"),
        ("kmr ku-Latn kur-Latn Kurmanji", "kmr_Latn"),
        ("ckb ku-Arab kur-Arab Sorani", "ckb_Arab"),
        ("pa pan pa-Guru pa-IN Punjabi Panjabi", "pan_Guru"),
        ("id ind id-ID Indonesian", "ind_Latn"),
        ("ff ful fuv", "fuv_Latn"),
        ("ns nso", "nso_Latn"),
        ("ps pus pbt", "pbt_Arab"),
        ("ak aka", "aka_Latn"),
        ("tw twi", "twi_Latn"),
        ("ko kor kor-Kore ko-Kore ko-KR", "kor_Hang"),
        ("ja jpn jpn-Hira ja-Jpan ja_XX", "jpn_Jpan"),
        ("he iw heb", "heb_Hebr"),
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


def test_every_three_letter_code_in_several_scripts_is_ambiguous() -> None:
    scripts: dict[str, list[str]] = {}
    for code in LANGUAGES:
        scripts.setdefault(code[:3], []).append(code)
    several = {short: codes for short, codes in scripts.items() if len(codes) > 1}
    assert sorted(several) == ["ace", "arb", "bjn", "kas", "knc", "min", "taq", "zho"]
    for short, codes in several.items():
        message = refusal(short)
        assert "is ambiguous" in message
        assert all(code in message for code in codes)


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
        ("sr-Latn", "srp_Cyrl"),
        ("sr-Latn-RS", "srp_Cyrl"),
        ("uz-Cyrl", "uzn_Latn"),
        ("mn-Mong", "khk_Cyrl"),
        ("mon-Mong", "khk_Cyrl"),
        ("orm-Ethi", "gaz_Latn"),
        ("pa-Arab", "pan_Guru"),
        ("hin-Latn", "hin_Deva"),
        ("yue-Hans", "yue_Hant"),
    ],
)
def test_a_script_that_the_table_lacks_is_refused_with_the_one_it_has(
    spelling: str, there: str
) -> None:
    assert refusal(spelling).endswith(f"; nearest: {there} = {languages.name(there)}")


@pytest.mark.parametrize(
    "spelling", ["", "  ", "-", "xx", "de-", "de--AT--", "und", "mul", "not a language", "zxx"]
)
def test_what_is_no_language_is_refused(spelling: str) -> None:
    assert f'language "{spelling}" is unknown' in refusal(spelling)


@pytest.mark.parametrize("spelling", ["br", "bre", "fy", "fry"])
def test_languages_of_m2m100_that_nllb_lacks_are_unknown(spelling: str) -> None:
    assert "is unknown" in refusal(spelling)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("pa-PK", "pan_Guru"),
        ("uz-AF", "uzn_Latn"),
        ("mn-CN", "khk_Cyrl"),
        ("sr-ME", "srp_Cyrl"),
        ("az-IR", "azj_Latn"),
    ],
)
def test_a_region_that_implies_another_script_is_refused(spelling: str, code: str) -> None:
    assert f"is usually in another script; write {code} if yours is in {code[-4:]}" in refusal(
        spelling
    )


def test_the_regions_that_imply_another_script_are_all_refused() -> None:
    for tag in languages._OTHER_SCRIPT:
        assert "is usually in another script" in refusal(tag)


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
