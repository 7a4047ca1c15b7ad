"""OPUS-MT checkpoints of a group: the token in the source chooses the target, one of several too.

The toy is a trained one whose tokens have other names, so the language of its output shows which
token it was given.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.translate.backends import check_translator, open_translator
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.language_tokens import LAYOUTS, codes_of_side, find_tokens, pair_in_name
from tests.fixtures.nmt import ENGLISH, SHORT, TRANSLATIONS, toy_nmt

# Its real language: the name of its token here.
ROMANCE = {
    "deu_Latn": "pt_BR",
    "fra_Latn": "por",
    "spa_Latn": "pob",
    "rus_Cyrl": "cmn",
    "hin_Deva": "cmn_Hans",
    "zho_Hans": "srp_Latn",
}


def group_of(folder: Path, names: dict[str, str] = ROMANCE) -> str:
    """Make a Marian of a group, by other names for the tokens of a trained one."""
    toy_nmt("marian", folder)
    content = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    renamed = {f">>{SHORT[code]}<<": f">>{name}<<" for code, name in names.items()}
    named = {renamed.get(token, token): number for token, number in content.items()}
    (folder / "vocab.json").write_text(json.dumps(named), encoding="utf-8")
    return str(folder)


def translated(folder: str, target: str, **settings: Any) -> str | None:
    config = TranslatorConfig(translator=folder, backend="transformers", threads=1, **settings)
    check_translator(config, [target])
    return open_translator(config).translate([ENGLISH[0]], [target])[0].text


def test_of_several_tokens_the_one_without_a_region_or_with_its_script_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = group_of(tmp_path / "opus-mt-en-mul")
    with caplog.at_level(logging.INFO):
        assert translated(folder, "por_Latn") == TRANSLATIONS["fra_Latn"][0]
    assert caplog.messages == [
        "opus-mt-en-mul: por_Latn: >>por<< (not >>pob<<, >>pt_BR<<); choose with --codes"
    ]
    assert translated(folder, "zho_Hans") == TRANSLATIONS["hin_Deva"][0]
    assert translated(folder, "srp_Latn") == TRANSLATIONS["zho_Hans"][0]


@pytest.mark.parametrize(
    ("code", "real"),
    [("pt_BR", "deu_Latn"), (">>pt_BR<<", "deu_Latn"), ("pob", "spa_Latn"), ("por", "fra_Latn")],
)
def test_another_token_of_a_language_can_be_chosen(tmp_path: Path, code: str, real: str) -> None:
    folder = group_of(tmp_path / "opus-mt-en-ROMANCE")
    assert translated(folder, "por_Latn", codes=f"por_Latn={code}") == TRANSLATIONS[real][0]


def test_a_chosen_token_is_recorded_and_no_choice_records_nothing(tmp_path: Path) -> None:
    folder = group_of(tmp_path / "opus-mt-en-ROMANCE")
    plain, chosen = (
        Checkpoint(TranslatorConfig(translator=folder, **settings)).facts()
        for settings in ({}, {"codes": "pt=pt_BR"})
    )
    assert chosen == plain | {"codes": ["por_Latn=pt_BR"]}


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (
            "por_Latn=pt_AO",
            "codes has por_Latn=pt_AO, but .* has no language token >>pt_AO<<; of por_Latn it has "
            ">>por<<, >>pob<<, >>pt_BR<<$",
        ),
        ("swh_Latn=swa", "codes has swh_Latn=swa, but .* has no language token >>swa<<$"),
        ("por_Latn=the", "has no language token >>the<<"),
        ("glg_Latn=por", "codes has >>por<< of .* for por_Latn and for glg_Latn, so both would"),
    ],
)
def test_a_token_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, codes: str, message: str
) -> None:
    config = TranslatorConfig(translator=group_of(tmp_path / "opus-mt-en-mul"), codes=codes)
    with pytest.raises(InputError, match=message):
        check_translator(config, ["por_Latn", "glg_Latn"])


def test_a_target_outside_the_group_is_refused_with_all_that_are_in_it(tmp_path: Path) -> None:
    config = TranslatorConfig(translator=group_of(tmp_path / "opus-mt-en-mul"))
    with pytest.raises(
        InputError,
        match=r"cannot translate into srp_Cyrl \(Serbian; nearest: srp_Latn = Serbian \(Latin script\)\); "
        "it has 3 languages: por_Latn, srp_Latn, zho_Hans$",
    ):
        check_translator(config, ["srp_Cyrl"])


def test_a_model_of_one_pair_has_no_tokens_to_choose(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "opus-mt-en-de")
    with pytest.raises(InputError, match=r"codes has deu_Latn=de, but .* has no language tokens"):
        check_translator(TranslatorConfig(translator=str(folder), codes="de=de"))


def test_a_text_that_starts_like_a_token_is_text(tmp_path: Path) -> None:
    one = Checkpoint(TranslatorConfig(translator=str(toy_nmt("marian-de", tmp_path / "one"))))
    group = Checkpoint(TranslatorConfig(translator=group_of(tmp_path / "opus-mt-en-mul")))
    for checkpoint, target in ((one, "deu_Latn"), (group, "por_Latn")):
        plain, marked = checkpoint.encode(["por The cat", ">>por<< The cat"], target)
        tail = checkpoint.encode(["The cat"], target)[0][-3:]
        assert plain[-3:] == marked[-3:] == tail
        assert len(marked) > len(plain) - 1
        tokens = [checkpoint.pieces[i] for i in marked]
        assert tokens.count(">>por<<") == (checkpoint is group)


@pytest.mark.parametrize(
    ("name", "sources", "targets"),
    [
        ("Helsinki-NLP/opus-mt-en-ROMANCE", ("eng_Latn",), ()),
        ("opus-mt-en_el_es_fi-en_el_es_fi", ("eng_Latn", "ell_Grek", "spa_Latn", "fin_Latn"), None),
        ("opus-mt-tc-bible-big-deu_eng_fra_por_spa-mul", None, ()),
        ("opus-mt-tc-big-en-pt", ("eng_Latn",), ("por_Latn",)),
        ("opus-mt-zh_Hant-en", ("zho_Hant",), ("eng_Latn",)),
        ("opus-mt-ROMANCE-en", (), ("eng_Latn",)),
    ],
)
def test_the_languages_of_a_name_are_read_and_a_group_is_none(
    name: str, sources: tuple[str, ...] | None, targets: tuple[str, ...] | None
) -> None:
    pair = pair_in_name(name)
    assert pair is not None
    source, target = map(codes_of_side, pair)
    assert sources is None or source == sources
    assert targets is None or target == targets
    assert "eng_Latn" in source or sources is not None


def test_regional_codes_of_opus_are_known_and_come_last() -> None:
    tokens = [">>pob<<", ">>por<<", ">>pt_PT<<", ">>es_MX<<", ">>es_ES<<"]
    assert find_tokens(LAYOUTS["marian"][0], tokens) == {
        "por_Latn": [">>por<<", ">>pob<<", ">>pt_PT<<"],
        "spa_Latn": [">>es_ES<<", ">>es_MX<<"],
    }
