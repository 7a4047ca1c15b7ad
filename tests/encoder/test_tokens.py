"""A tokenizer and weights that disagree are noticed when an encoder is loaded, not at some text."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from hexapla.encoder.check_tokens import check_tokens
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from tests.fixtures.text_files import edit_json
from tests.fixtures.toy import toy_encoder, toy_tokenizer, toy_transformer

LENGTHY = "eng01 " * 40


def add_token(folder: Path) -> None:
    """Give a tokenizer one more token than the weights have embeddings."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"]["vocab"]["novel"] = len(content["model"]["vocab"])
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(tmp_path: Path) -> None:
    folder = toy_transformer(tmp_path / "bare")
    add_token(folder)
    with pytest.raises(
        InputError, match=r'numbers tokens up to 245 \("novel"\), and the weights have .* for 245'
    ):
        load_encoder(folder)


def add_special_token(folder: Path, token: str) -> None:
    """Give a tokenizer one more special token than the weights have embeddings."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([token], special_tokens=True)
    tokenizer.save_pretrained(folder)


def test_a_special_token_that_no_text_needs_may_lack_an_embedding(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = toy_transformer(tmp_path / "bare")
    whole = encode(load_encoder(folder), ["eng01"], task="STS")
    add_special_token(folder, "<image>")
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        model = load_encoder(folder)
    assert "its special token <image> has no embedding" in caplog.text
    assert (encode(model, ["eng01"], task="STS") == whole).all()


def test_a_padding_token_without_an_embedding_is_refused(tmp_path: Path) -> None:
    folder = toy_transformer(tmp_path / "bare")
    add_special_token(folder, "<novel>")
    edit_json(folder / "tokenizer_config.json", pad_token="<novel>")
    with pytest.raises(InputError, match=r'numbers tokens up to 245 \("<novel>"\)'):
        load_encoder(folder)


def test_an_encoder_that_does_not_say_which_its_embeddings_are_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_encoder(toy_transformer(tmp_path / "bare"))

    def refuse(_: object) -> None:
        raise NotImplementedError("as in CanineModel")

    monkeypatch.setattr(type(model[0].auto_model), "get_input_embeddings", refuse)
    check_tokens("toy", model)
    assert model.max_seq_length == 16


def test_static_embeddings_are_compared_with_their_tokenizer(tmp_path: Path) -> None:
    size = toy_tokenizer(tmp_path / "tokenizer", 16)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer" / "tokenizer.json"))
    static = StaticEmbedding(tokenizer, embedding_weights=torch.randn(size, 8))
    folder = tmp_path / "static"
    SentenceTransformer(modules=[static, Normalize()], device="cpu").save(str(folder))
    assert encode(load_encoder(folder), ["eng01"], task="STS").shape == (1, 8)
    add_token(folder)
    with pytest.raises(InputError, match=r'numbers tokens up to 245 \("novel"\)'):
        load_encoder(folder)


def test_texts_are_truncated_at_the_positions_where_the_limit_is_lost_or_too_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = toy_transformer(tmp_path / "bare")
    whole = encode(load_encoder(folder), [LENGTHY], task="STS")
    no_limit = int(1e30)  # what transformers writes
    for length in (None, 10**6, no_limit):
        edit_json(folder / "tokenizer_config.json", model_max_length=length)
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="hexapla"):
            model = load_encoder(folder)
        assert "texts are truncated at 16 tokens, its number of positions" in caplog.text
        assert model.max_seq_length == 16
        assert (encode(model, [LENGTHY], task="STS") == whole).all()


@pytest.mark.parametrize("number", [-1, 0, 7])
def test_a_padding_token_that_the_model_does_not_know_is_refused(
    tmp_path: Path, number: int
) -> None:
    folder = toy_encoder(tmp_path / "toy")
    edit_json(folder / "config.json", pad_token_id=number)
    with pytest.raises(
        InputError, match=rf"padding token is number 1 for its tokenizer and {number} for its model"
    ):
        load_encoder(folder)


def test_vectors_that_depend_on_other_texts_are_named_in_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = toy_encoder(tmp_path / "toy")
    edit_json(folder / "tokenizer_config.json", model_input_names=["input_ids"])
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(folder)
    assert "the vector of a text depends on the texts that are encoded beside it" in caplog.text
