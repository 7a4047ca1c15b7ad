"""A group among the languages to translate into means those of it that the translator has."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.text.language_groups import languages_of_group
from hexapla.translate import TranslatorConfig
from tests.fixtures.builds import toy_config
from tests.fixtures.toy_translator import ToyTranslator


@pytest.fixture
def nllb(tmp_path: Path) -> TranslatorConfig:
    """Return a checkpoint whose files name four languages, without weights."""
    folder = tmp_path / "nllb"
    folder.mkdir()
    architecture = {
        "model_type": "m2m_100",
        "architectures": ["M2M100ForConditionalGeneration"],
    }
    (folder / "config.json").write_text(json.dumps(architecture))
    tokens = ("eng_Latn", "fra_Latn", "deu_Latn", "hin_Deva")
    vocabulary = {token: place for place, token in enumerate(tokens)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    return TranslatorConfig(translator=str(folder), backend="transformers")


def test_a_group_means_those_of_its_languages_that_a_checkpoint_has(
    tmp_path: Path, nllb: TranslatorConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="hexapla"):
        config = toy_config(tmp_path, translator=nllb, to=("hin_Deva", "europe", "script:Latn"))
    assert config.to == ("hin_Deva", "deu_Latn", "fra_Latn")
    assert "europe: 2 languages; the translator lacks als_Latn" in caplog.text


def test_a_group_means_those_of_its_languages_that_a_translator_in_python_has(
    tmp_path: Path,
) -> None:
    assert toy_config(tmp_path, to="europe").to == ("deu_Latn", "fra_Latn", "spa_Latn")


def test_a_group_means_all_its_languages_for_an_endpoint(tmp_path: Path) -> None:
    pytest.importorskip("httpx2")
    endpoint = TranslatorConfig(
        translator="default", backend="openai", base_url="http://localhost:1/v1"
    )
    config = toy_config(tmp_path, translator=endpoint, to=["paper-diverse"])
    assert config.to == languages_of_group("paper-diverse")


def test_a_group_of_which_the_translator_has_no_language_is_refused(
    tmp_path: Path, nllb: TranslatorConfig
) -> None:
    with pytest.raises(
        InputError,
        match=r"^group script:Cyrl gives no language to translate into: nllb has none of its 12 "
        r"languages; name .* another group: paper, paper-diverse, european-union, europe, indic or a script",
    ):
        toy_config(tmp_path, translator=nllb, to="de,script:Cyrl")
    with pytest.raises(InputError, match=r"group indic .*: the toy translator has no urd_Arab; "):
        toy_config(tmp_path, to="indic")


def test_a_group_of_the_pivot_alone_is_refused(tmp_path: Path) -> None:
    class Greek(ToyTranslator):
        def check(self, targets: Sequence[str]) -> None:
            raise AssertionError("there is nothing to ask")

    config = toy_config(tmp_path)
    source = type(config.source)(texts=config.source.texts, pivot="ell_Grek")
    with pytest.raises(InputError, match=r"script:Grek .*: its only one is the pivot, ell_Grek"):
        toy_config(tmp_path, source=source, translator=Greek(), to="script:Grek")
