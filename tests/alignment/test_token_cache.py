"""The cache of tokens: what the encoder's own tokenizer gives, made once, never stale, whole or not there."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from hexapla.alignment import token_cache
from hexapla.alignment.token_cache import open_token_cache
from hexapla.encoder import sentence_tokens
from hexapla.errors import InputError
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SentenceTransformer:
    return SentenceTransformer(
        str(toy_encoder(tmp_path_factory.mktemp("toy") / "encoder")), device="cpu"
    )


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "hexapla"


def rows() -> datasets.Dataset:
    return datasets.Dataset.from_list(toy_rows(50, missing=0.3))


def test_tokens_are_those_of_the_encoder_with_its_prompt(encoder, monkeypatch):
    monkeypatch.setattr(token_cache, "_ROWS_PER_BATCH", 7)  # several batches of several widths
    monkeypatch.setattr(sentence_tokens, "MAX_CHARACTERS", 150)  # and several parts of each
    data = rows()
    cache = open_token_cache(data, LANGUAGES, encoder, "eng59 ", ("corpus", "encoder"))
    assert cache.texts.shape == (50, 4)
    n_missing = 0
    for i, row in enumerate(data):
        for c, language in enumerate(LANGUAGES):
            cell = np.array([i * 4 + c])
            if row[language] is None:
                assert cache.texts[i, c] == 0 and cache.lengths(cell).tolist() == [0]
                n_missing += 1
            else:
                expected = encoder.tokenizer("eng59 " + row[language])["input_ids"]
                assert cache.tokens(cell)["input_ids"].tolist() == expected
    assert n_missing > 30


def test_long_texts_are_tokenised_one_by_one(encoder, monkeypatch):
    monkeypatch.setattr(sentence_tokens, "MAX_CHARACTERS", 100)
    sizes = []
    tokenise = encoder.preprocess

    def counted(texts, **settings):
        sizes.append(sum(map(len, texts)))
        return tokenise(texts, **settings)

    monkeypatch.setattr(encoder, "preprocess", counted)
    texts = ["eng01 " * 50, "eng02", "eng03 " * 60, "eng04", "eng05"]
    data = datasets.Dataset.from_list([{"a": text} for text in texts])
    cache = open_token_cache(data, ("a",), encoder, "", ("long",))
    assert sizes == [300, 5, 360, 10]
    assert cache.n_truncated == 2 and cache.lengths(np.arange(5)).tolist() == [16, 3, 16, 3, 3]


def test_equal_cells_have_equal_text_ids_and_others_have_not(encoder):
    data = datasets.Dataset.from_list(
        [{"a": "eng01 eng02", "b": "eng02 eng01"}, {"a": "eng03", "b": "eng01 eng02"}]
    )
    texts = open_token_cache(data, ("a", "b"), encoder, "", ("x",)).texts
    assert texts[0, 0] == texts[1, 1] and len(set(texts.flatten().tolist())) == 3


def test_texts_are_tokenised_once_and_again_when_anything_differs(encoder, monkeypatch):
    data, made = rows(), []
    plain = token_cache._write_cache
    monkeypatch.setattr(token_cache, "_write_cache", lambda *args: (made.append(1), plain(*args)))
    for prompt, identity in (("", "a"), ("", "a"), ("eng01", "a"), ("", "b"), ("", "a")):
        open_token_cache(data, LANGUAGES, encoder, prompt, (identity,))
    assert len(made) == 3
    monkeypatch.setattr(encoder, "max_seq_length", 9)
    cache = open_token_cache(data, LANGUAGES, encoder, "", ("a",))
    assert len(made) == 4
    assert cache.n_truncated == sum(
        len(text.split()) > 7 for row in data for text in row.values() if text
    )
    assert int(cache.lengths(np.arange(200)).max()) == 9


def test_tokenising_is_shown_once_unless_quiet(encoder, monkeypatch, caplog):
    monkeypatch.setattr("hexapla.runs.progress.LOG_EVERY_S", 0.0)
    caplog.set_level("INFO", logger="hexapla")
    open_token_cache(rows(), LANGUAGES, encoder, "", ("a",), quiet=True)
    assert caplog.messages == []
    for _ in range(2):
        open_token_cache(rows(), LANGUAGES, encoder, "", ("b",), quiet=False)
    assert caplog.messages == ["tokenising: 50 of 50 rows (100 %)"]


def test_a_text_without_a_token_is_named(encoder, cache_folder, monkeypatch):
    plain = encoder.preprocess

    def without_specials(texts, **kwargs):
        features = plain(texts, **kwargs)
        ids = features["input_ids"]
        # As of a tokenizer that adds no special tokens.
        features["attention_mask"] = (ids > 2).long()
        return features

    monkeypatch.setattr(encoder, "preprocess", without_specials)
    data = datasets.Dataset.from_list([{"a": "eng01", "b": " "}, {"a": "eng02", "b": "eng03"}])
    with pytest.raises(InputError, match='makes no token of " "; leave such cells out'):
        open_token_cache(data, ("a", "b"), encoder, "", ("x",))
    assert list(cache_folder.iterdir()) == []


def test_a_cache_that_could_not_be_finished_is_not_there(encoder, cache_folder, monkeypatch):
    monkeypatch.setattr(
        token_cache.np,
        "save",
        lambda *args: (_ for _ in ()).throw(OSError("No space left on device")),
    )
    with pytest.raises(OSError, match="No space left"):
        open_token_cache(rows(), LANGUAGES, encoder, "", ("a",))
    assert list(cache_folder.iterdir()) == []


def test_files_are_memory_mapped(encoder):
    cache = open_token_cache(rows(), LANGUAGES, encoder, "", ("a",))
    assert isinstance(cache.ids, np.memmap) and isinstance(cache.starts, np.memmap)
