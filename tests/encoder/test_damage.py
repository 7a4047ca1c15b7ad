"""A damaged encoder folder ends in one line that names it, or gives the vectors of the whole one.

Vectors may be others where a file still describes an encoder, only another one: then `describe`
gives another hash, and an encoder that `align` saved says in a warning that it has changed.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, StaticEmbedding
from tokenizers import Tokenizer

from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import describe
from hexapla.errors import InputError
from tests.fixtures.damaged_encoders import Damage, damages
from tests.fixtures.toy import (
    LANGUAGES,
    N_WORDS,
    toy_decoder,
    toy_encoder,
    toy_tokenizer,
    toy_transformer,
    word,
)

KINDS = ("encoder", "bare", "dense", "static", "decoder")
N_SAMPLED = 15  # of about a thousand kinds of damage to each folder
ALL_WORDS = " ".join(word(code, number) for code in LANGUAGES for number in range(N_WORDS))
TEXTS = ["eng01", "deu05 deu06 deu07 eng02", "unknown eng04", "", ALL_WORDS]


def make(kind: str, folder: Path) -> Path:
    """Save a small encoder of a kind, with a record of the hash of its files."""
    if kind == "bare":
        toy_transformer(folder)
    elif kind == "decoder":
        toy_decoder(folder)
    elif kind == "static":
        size = toy_tokenizer(folder.with_name("words"), 16)
        words = Tokenizer.from_file(str(folder.with_name("words") / "tokenizer.json"))
        torch.manual_seed(0)
        static = StaticEmbedding(words, embedding_weights=torch.randn(size, 32))
        SentenceTransformer(modules=[static, Normalize()], device="cpu").save(str(folder))
    else:
        toy_encoder(folder)
    if kind == "dense":
        model = SentenceTransformer(str(folder), device="cpu")
        torch.manual_seed(0)
        model.append(Dense(32, 32))
        model.save(str(folder))
    record = {"sha256": describe(folder).sha256}
    (folder / "align.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def vectors(folder: Path) -> NDArray[np.float32]:
    describe(folder)
    return encode(load_encoder(folder), TEXTS, task="STS")


def copies(folder: Path, damage: list[Damage]) -> Iterator[tuple[str, Path]]:
    """Yield the name of each damage, and a copy of the folder that has it."""
    for name, apply in damage:
        copy = folder.with_name("damaged")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        apply(copy)
        yield name, copy


def check(folder: Path, damage: list[Damage], caplog: pytest.LogCaptureFixture) -> None:
    """Check that each damage is held, and list those that are not."""
    whole = vectors(folder)
    fails = []
    for name, copy in copies(folder, damage):
        caplog.clear()
        try:
            found = vectors(copy)
        except InputError as error:
            if "\n" in str(error) or copy.name not in str(error):
                fails.append(f"{name}: {error}")
        except BaseException as error:
            fails.append(f"{name}: {type(error).__name__}: {error}")
        else:
            is_same = found.shape == whole.shape and np.allclose(found, whole, atol=1e-5)
            is_named = any(record.name.startswith("hexapla") for record in caplog.records)
            if not is_same and not is_named:
                fails.append(f"{name}: other vectors without a word")
    assert fails == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_all_damage_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    folder = make(kind, tmp_path / kind)
    every = list(damages(folder))
    step = len(every) // N_SAMPLED
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        check(folder, every[KINDS.index(kind) :: step], caplog)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", KINDS)
def test_all_damage_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    folder = make(kind, tmp_path / kind)
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        check(folder, list(damages(folder)), caplog)


def test_the_damage_that_once_ended_in_stray_exceptions_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = (
        "modules.json is null",
        "modules.json nested",
        "modules.json a folder",
        "modules.json a dangling link",
        "modules.json missing",
        "modules.json 0 = 'x'",
        "modules.json 0.type = 0",
        "tokenizer.json a folder",
        "tokenizer.json a dangling link",
        "tokenizer.json post_processor.special_tokens = {}",
        "tokenizer_config.json model_max_length deleted",
        "tokenizer_config.json pad_token = 'x'",
        "config.json not UTF-8",
        "config.json num_hidden_layers = 1000000000000",
        "config.json num_hidden_layers = 0",
        "config.json pad_token_id = 0",
        "config_sentence_transformers.json model_type = 'x'",
        "model.safetensors header length huge",
        "model.safetensors dtype I32",
    )
    folder = make("encoder", tmp_path / "encoder")
    chosen = [damage for damage in damages(folder) if damage.name in names]
    assert len(chosen) == len(names)
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        check(folder, chosen, caplog)
