"""A mistake in a translator is answered from its small files, before torch or transformers load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.translate import TranslatorConfig, backends, check_translator
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.checkpoint_languages import languages_in_files
from tests.fixtures.nmt import KINDS, languages_of, shared_toy, toy_nmt
from tests.fixtures.text_files import edit_json

HEAVY = {"torch", "transformers", "datasets", "sentence_transformers"}
CHECK_ALL = f"""
import json, sys
from hexapla.errors import InputError
from hexapla.translate import TranslatorConfig, check_translator
for settings, targets in json.load(sys.stdin):
    try:
        check_translator(TranslatorConfig(**settings), targets)
        print("accepted")
    except InputError as error:
        print(error)
print(sorted({HEAVY} & set(sys.modules)))
"""


def test_mistakes_are_answered_without_a_heavy_library(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    config = {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]}
    (encoder / "config.json").write_text(json.dumps(config))
    nllb, marian, pair = (str(shared_toy(kind)) for kind in ("nllb", "marian", "marian-de"))
    asked = [
        ({"translator": str(tmp_path / "nowhere")}, ["deu_Latn"], "no such folder"),
        ({"translator": str(encoder)}, ["deu_Latn"], "is a XLMRobertaModel, which is no"),
        ({"translator": marian}, ["swh_Latn"], "cannot translate into swh_Latn"),
        ({"translator": nllb, "pivot": "arb_Latn"}, [], "cannot translate from arb_Latn"),
        ({"translator": pair, "pivot": "spa_Latn"}, [], "translates from eng_Latn, not from spa"),
        ({"translator": nllb}, ["eng_Latn"], "is also the source"),
        ({"translator": pair}, ["fra_Latn"], "translates into deu_Latn, not into fra_Latn"),
        ({"translator": nllb, "device": "gpu"}, ["deu_Latn"], 'device "gpu" is unknown'),
        ({"translator": "toy", "backend": "openai", "base_url": "x"}, [], "is no http address"),
        ({"translator": nllb}, ["deu_Latn"], "accepted"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", CHECK_ALL],
        input=json.dumps([[settings, targets] for settings, targets, _ in asked]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *answers, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    for answer, (_, _, expected) in zip(answers, asked, strict=True):
        assert expected in answer


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_name_the_languages_that_the_tokenizer_has(kind: str) -> None:
    config = TranslatorConfig(translator=str(shared_toy(kind)))
    checkpoint = Checkpoint(config)
    assert languages_in_files(checkpoint.files) == checkpoint.languages
    check_translator(config, languages_of(kind))


def test_tokens_are_read_from_json_that_escapes_them(tmp_path: Path) -> None:
    folder = toy_nmt("marian", tmp_path / "marian")
    vocabulary = (folder / "vocab.json").read_text(encoding="utf-8")
    (folder / "vocab.json").write_text(vocabulary.replace(">>", "\\u003e\\u003e"), encoding="utf-8")
    check_translator(TranslatorConfig(translator=str(folder)), ["deu_Latn", "fra_Latn"])


def test_a_vocabulary_that_no_file_shows_is_left_to_the_tokenizer(tmp_path: Path) -> None:
    folder = toy_nmt("madlad", tmp_path / "madlad")
    (folder / "tokenizer.json").unlink()
    config = TranslatorConfig(translator=str(folder))
    assert languages_in_files(CheckpointFiles(config)) is None
    check_translator(config, ["swh_Latn"])


def test_language_tokens_of_m2m100_need_not_be_in_its_files(tmp_path: Path) -> None:
    folder = toy_nmt("m2m100", tmp_path / "m2m100")
    (folder / "added_tokens.json").unlink()
    edit_json(
        folder / "tokenizer_config.json",
        additional_special_tokens=None,
        extra_special_tokens=None,
        added_tokens_decoder=None,
    )
    check_translator(TranslatorConfig(translator=str(folder)), ["deu_Latn", "swh_Latn"])


def test_a_missing_tokenizer_library_is_answered_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "_has", lambda library: library != "sentencepiece")
    with pytest.raises(
        InputError, match=r"needs sentencepiece: pip install 'hexapla\[translate\]'"
    ):
        check_translator(TranslatorConfig(translator=str(shared_toy("marian"))))
    check_translator(TranslatorConfig(translator=str(shared_toy("nllb"))))
