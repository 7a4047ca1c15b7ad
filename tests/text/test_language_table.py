"""The table of languages: its rows, and what NLLB, M2M100, MTEB and the filters make of them."""

from __future__ import annotations

import dataclasses

import pytest

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.languages import LANGUAGES, parse

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


def test_the_rows_of_flores_are_those_of_nllb_and_two_besides() -> None:
    nllb = pytest.importorskip("transformers.models.nllb.tokenization_nllb").FAIRSEQ_LANGUAGE_CODES
    assert {code for code, language in LANGUAGES.items() if language.in_nllb} == set(nllb)
    in_flores = {code for code, language in LANGUAGES.items() if language.in_flores}
    assert in_flores == {*nllb, "arb_Latn", "min_Arab"} and len(in_flores) == 204
    assert list(LANGUAGES) == sorted(LANGUAGES)


def test_every_written_language_of_iso_639_1_is_in_the_table_except_collective_codes() -> None:
    from langcodes.data_dicts import LANGUAGE_ALPHA3

    def known(code: str) -> bool:
        return bool(languages.codes_of(code))

    short = [code for code in LANGUAGE_ALPHA3 if len(code) == 2]
    assert {code for code in short if not known(code)} == {"bh", "qu"}
    assert all(known(code) for code in ("in", "iw", "ji", "jw", "mo", "sh"))


def test_no_row_is_reached_by_a_tag_that_states_another_script() -> None:
    scripts = {language.script for language in LANGUAGES.values()} | {"Brai", "Cher", "Copt"}
    of_script = {"Kore": "Hang", "Hira": "Jpan", "Olck": "Beng"}
    for language in LANGUAGES.values():
        for spelling in {language.code[:3], language.bcp47.split("-")[0]}:
            for script in scripts - {language.script}:
                found = {
                    code
                    for tag in (f"{spelling}-{script}", f"{spelling}_ZZ@{script.lower()}")
                    for code in languages.codes_of(tag)
                }
                assert {code[-4:] for code in found} <= {of_script.get(script, script)}, spelling


def test_the_scripts_that_people_write_beside_that_of_flores_have_rows() -> None:
    rows = [
        "srp_Latn",
        "uzn_Cyrl",
        "azj_Cyrl",
        "kaz_Latn",
        "kaz_Arab",
        "hau_Arab",
        "tat_Latn",
        "pnb_Arab",
        "mvf_Mong",
    ]
    for code in rows:
        assert not LANGUAGES[code].in_flores
        with pytest.raises(InputError, match=f"^NLLB cannot translate {code}, "):
            languages.to_nllb(code)
        with pytest.raises(InputError, match=f"^M2M100 cannot translate {code}, .*; leave it out$"):
            languages.to_m2m100(code)
    with pytest.raises(InputError, match=r"; it has srp_Cyrl = Serbian$"):
        languages.to_nllb("srp_Latn")


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


def test_m2m100_tokens_are_those_of_transformers() -> None:
    tokens = pytest.importorskip(
        "transformers.models.m2m_100.tokenization_m2m_100"
    ).FAIRSEQ_LANGUAGE_CODES["m2m100"]
    ours = [language.m2m100 for language in LANGUAGES.values() if language.m2m100]
    assert sorted(ours) == sorted(set(tokens))


def test_names_and_tags_are_unique() -> None:
    for field in ("name", "bcp47"):
        values = [getattr(language, field) for language in LANGUAGES.values()]
        assert len(set(values)) == len(LANGUAGES), field


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


def test_the_flores_columns_of_mteb_are_exactly_our_rows_of_flores() -> None:
    mteb = pytest.importorskip("mteb")
    eval_langs = mteb.get_task("FloresBitextMining").metadata.eval_langs
    assert {parse(code) for codes in eval_langs.values() for code in codes} == {
        code for code, language in LANGUAGES.items() if language.in_flores
    }
