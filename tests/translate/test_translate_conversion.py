"""A checkpoint is converted once, whole or not at all, and never into a different translator."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
from safetensors.torch import load_file, save_file

from hexapla.errors import InputError
from hexapla.translate import conversion
from hexapla.translate.backends import open_translator
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.conversion import convert
from tests.fixtures.nmt import ENGLISH, TRANSLATIONS, shared_toy, toy_nmt
from tests.fixtures.text_files import edit_json


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the checkpoints that were converted, and not read from the cache."""
    made: list[str] = []
    write = conversion._write

    def counting(checkpoint: Checkpoint, *arguments: Any) -> None:
        made.append(checkpoint.name)
        write(checkpoint, *arguments)

    monkeypatch.setattr(conversion, "_write", counting)
    return made


def opened(folder: Path) -> Checkpoint:
    return Checkpoint(TranslatorConfig(translator=str(folder)))


def test_a_checkpoint_is_converted_once_for_each_type(
    tmp_path: Path, conversions: list[str]
) -> None:
    checkpoint = opened(shared_toy("marian-de"))
    first = convert(checkpoint, "int8", tmp_path)
    assert convert(opened(shared_toy("marian-de")), "int8", tmp_path) == first
    assert len(conversions) == 1
    assert convert(checkpoint, "float32", tmp_path) != first
    assert len(conversions) == 2


def test_other_weights_get_another_conversion(tmp_path: Path, conversions: list[str]) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    first = convert(opened(folder), "float32", tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.encoder.layers.0.fc1.bias"][0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert convert(opened(folder), "float32", tmp_path) != first
    assert len(conversions) == 2


def test_a_conversion_that_was_cut_or_killed_is_made_again(
    tmp_path: Path, conversions: list[str]
) -> None:
    checkpoint = opened(shared_toy("marian-de"))
    folder = convert(checkpoint, "float32", tmp_path)
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[:-1])
    killed = folder.with_name(f".{folder.name}.0123.partial")
    killed.mkdir()
    (killed / "model.bin").write_bytes(b"half")
    assert convert(checkpoint, "float32", tmp_path) == folder
    assert (folder / "model.bin").read_bytes() == whole
    assert not killed.exists()
    assert len(conversions) == 2


def test_weights_that_are_missing_are_named_and_leave_no_conversion(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    weights = load_file(folder / "model.safetensors")
    del weights["model.encoder.layers.0.fc1.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"1 tensors .*\(model.encoder.layers.0.fc1.bias\); random values would"
    ):
        convert(opened(folder), "float32", tmp_path / "cache")
    assert list((tmp_path / "cache" / "ctranslate2").glob("[!.]*")) == []


@pytest.mark.parametrize("record", ["{", "[1]", "\xff"])
def test_a_conversion_whose_record_is_damaged_is_made_again(
    tmp_path: Path, conversions: list[str], record: str
) -> None:
    folder = convert(opened(shared_toy("marian-de")), "int8", tmp_path)
    (folder / "conversion.json").write_text(record, encoding="latin-1")
    assert convert(opened(shared_toy("marian-de")), "int8", tmp_path) == folder
    assert len(conversions) == 2


def test_a_failed_conversion_leaves_nothing_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = opened(shared_toy("marian-de"))
    with monkeypatch.context() as patched:
        patched.setattr(conversion, "write_json", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="division"):
            convert(checkpoint, "float32", tmp_path)
    assert [
        path.name for path in (tmp_path / "ctranslate2").iterdir() if not path.name.startswith(".")
    ] == []
    assert (convert(checkpoint, "float32", tmp_path) / "model.bin").is_file()


def test_two_at_once_convert_once(tmp_path: Path, conversions: list[str]) -> None:
    checkpoints = [opened(shared_toy("marian-de")) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        folders = list(
            threads.map(lambda checkpoint: convert(checkpoint, "float32", tmp_path), checkpoints)
        )
    assert len(set(folders)) == 1
    assert len(conversions) == 1


def test_the_cache_is_the_users_unless_another_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert (
        convert(opened(shared_toy("marian-de")), "int8", None).parent
        == tmp_path / "xdg" / "hexapla" / "ctranslate2"
    )


def test_a_converted_folder_with_its_tokenizer_is_a_translator(tmp_path: Path) -> None:
    for kind in ("nllb", "marian", "m2m100"):
        source = shared_toy(kind)
        folder = tmp_path / kind
        shutil.copytree(convert(opened(source), "float32", tmp_path / "cache"), folder)
        for file in source.iterdir():
            if file.name not in ("config.json", "model.safetensors", "generation_config.json"):
                shutil.copy(file, folder)
        translator = open_translator(
            TranslatorConfig(translator=str(folder), compute_type="float32", threads=1)
        )
        found = translator.translate(ENGLISH[:3] * 2, ["deu_Latn"] * 3 + ["zho_Hans"] * 3)
        assert [t.text for t in found] == [
            *TRANSLATIONS["deu_Latn"][:3],
            *TRANSLATIONS["zho_Hans"][:3],
        ]
        with pytest.raises(
            InputError,
            match="is converted for CTranslate2; use --backend ctranslate2, or the original",
        ):
            open_translator(TranslatorConfig(translator=str(folder), backend="transformers"))


def test_a_vocabulary_that_lost_its_languages_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "converted"
    shutil.copytree(convert(opened(shared_toy("nllb")), "float32", tmp_path / "cache"), folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(shared_toy("nllb") / name, folder)
    file = folder / "shared_vocabulary.json"
    pieces = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(
        json.dumps(["gone" if piece == "deu_Latn" else piece for piece in pieces]), encoding="utf-8"
    )
    translator = open_translator(TranslatorConfig(translator=str(folder)))
    with pytest.raises(
        InputError, match=r"1 of 202 language tokens are not in CTranslate2's vocabulary \(deu_Latn"
    ):
        translator.translate([ENGLISH[0]], ["deu_Latn"])


def test_a_marian_whose_padding_is_not_zero_is_left_to_transformers(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if name.endswith(("shared.weight", "embed_tokens.weight", "lm_head.weight")):
            weight[-1] += 0.01
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError,
        match=r"its <pad> is not the last .*, or not zero, .*; use --backend transformers",
    ):
        convert(opened(folder), "float32", tmp_path)


def test_a_marian_with_two_vocabularies_is_left_to_transformers(tmp_path: Path) -> None:
    folder = toy_nmt("marian-de", tmp_path / "toy")
    shutil.copy(folder / "vocab.json", folder / "target_vocab.json")
    edit_json(folder / "tokenizer_config.json", separate_vocabs=True)
    translator = open_translator(TranslatorConfig(translator=str(folder)))
    assert translator.translate([ENGLISH[1]], ["deu_Latn"])[0].text == "Ich habe zwei Brüder."
    assert translator.facts()["backend"] == "transformers"
    with pytest.raises(
        InputError, match="CTranslate2 does not run this kind of marian; use --backend transformers"
    ):
        open_translator(TranslatorConfig(translator=str(folder), backend="ctranslate2"))


def test_the_version_of_ctranslate2_is_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = opened(shared_toy("marian-de"))
    first = convert(checkpoint, "int8", tmp_path)
    monkeypatch.setattr(ctranslate2, "__version__", "99")
    assert convert(checkpoint, "int8", tmp_path) != first
