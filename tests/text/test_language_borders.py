"""Where codes leave the package: names, pairs, BCP-47, M2M100 and MTEB take canonical codes only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.languages import LANGUAGES, split_pair


def test_a_pair_is_split_into_what_it_was_joined_from() -> None:
    for code in LANGUAGES:
        assert split_pair(languages.pair("eng_Latn", code)) == ("eng_Latn", code)


@pytest.mark.parametrize(
    "text", ["eng_Latn", "", "eng_Latn-deu_Latn-fra_Latn", "eng_Latn_deu_Latn"]
)
def test_what_is_not_two_codes_is_no_pair(text: str) -> None:
    with pytest.raises(
        InputError, match=r"is not two codes joined by a hyphen; write it like eng_Latn-deu_Latn$"
    ):
        split_pair(text)


def test_a_pair_is_of_canonical_codes_only() -> None:
    with pytest.raises(
        InputError,
        match=r'^"en" is not a language code; write it like deu_Latn; nearest: eng_Latn = ',
    ):
        split_pair("en-de")
    with pytest.raises(InputError, match=r'^"German" is not a language code'):
        languages.pair("eng_Latn", "German")


# Borders


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("als_Latn", "Tosk Albanian"),
        ("pes_Arab", "Western Persian"),
        ("zho_Hans", "Chinese (Simplified)"),
    ],
)
def test_names_are_those_of_flores(code: str, name: str) -> None:
    assert languages.name(code) == name


def test_only_a_canonical_code_is_a_language() -> None:
    assert all(languages.is_language(code) for code in LANGUAGES)
    for text in ("de", "deu-Latn", "DEU_LATN", "deu_latn", "German", "id", ""):
        assert not languages.is_language(text)


@pytest.mark.parametrize("function", ["script", "name", "to_bcp47", "to_m2m100", "to_mteb"])
def test_a_border_takes_canonical_codes_only(function: str) -> None:
    with pytest.raises(
        InputError,
        match=r'^"de" is not a language code; write it like deu_Latn; nearest: deu_Latn = ',
    ):
        getattr(languages, function)("de")


@pytest.mark.parametrize(
    ("code", "bcp47"),
    [
        ("deu_Latn", "de"),
        ("arb_Arab", "ar"),
        ("arb_Latn", "arb-Latn"),
        ("zho_Hans", "zh-Hans"),
        ("kmr_Latn", "kmr"),
        ("pes_Arab", "fa"),
        ("prs_Arab", "prs"),
        ("nob_Latn", "nb"),
        ("swh_Latn", "sw"),
        ("khk_Cyrl", "mn"),
        ("kas_Deva", "ks-Deva"),
        ("crh_Latn", "crh-Latn"),
    ],
)
def test_tags_are_the_customary_ones(code: str, bcp47: str) -> None:
    assert languages.to_bcp47(code) == bcp47


@pytest.mark.parametrize(
    ("code", "token"),
    [
        ("fuv_Latn", "ff"),
        ("nob_Latn", "no"),
        ("nso_Latn", "ns"),
        ("pbt_Arab", "ps"),
        ("tgl_Latn", "tl"),
        ("zho_Hans", "zh"),
        ("pes_Arab", "fa"),
        ("azj_Latn", "az"),
        ("khk_Cyrl", "mn"),
        ("srp_Cyrl", "sr"),
    ],
)
def test_m2m100_tokens_that_no_standard_gives(code: str, token: str) -> None:
    assert languages.to_m2m100(code) == token


@pytest.mark.parametrize("code", ["zho_Hant", "nno_Latn", "prs_Arab", "aka_Latn", "kmr_Latn"])
def test_m2m100_is_refused_where_it_has_no_such_language(code: str) -> None:
    with pytest.raises(
        InputError, match=rf"^M2M100 cannot translate {code}, .*; leave it out or use an NLLB"
    ):
        languages.to_m2m100(code)


def test_mteb_has_several_codes_for_one_language() -> None:
    assert languages.to_mteb("zho_Hans") == ("zho-Hans", "cmn-Hans", "cmo-Hans")
    assert languages.to_mteb("pes_Arab") == ("pes-Arab", "fas-Arab")
    assert languages.to_mteb("deu_Latn") == ("deu-Latn",)


def test_importing_the_module_loads_nothing_heavy_and_not_the_table() -> None:
    program = "import sys, hexapla.text.languages; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "hexapla.text.languages" in loaded
    assert not loaded & {
        "torch",
        "numpy",
        "pyarrow",
        "transformers",
        "langcodes",
        "importlib.resources",
    }


def test_the_module_has_no_other_lazy_attributes() -> None:
    with pytest.raises(
        AttributeError, match=r"module 'hexapla.text.languages' has no attribute 'LANGUAGE'"
    ):
        _ = languages.LANGUAGE
