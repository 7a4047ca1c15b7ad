"""Encoding: the vectors of `SentenceTransformer.encode`, whatever the lengths, scripts and encoder."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
)
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from hexapla.encoder import packed_passes, sentence_tokens
from hexapla.encoder.encode import encode, encode_steps
from hexapla.encoder.load import load_encoder
from hexapla.encoder.packed_passes import can_pack
from hexapla.encoder.packing import PACKED, Packing
from hexapla.encoder.whitening import append_dense
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_tokenizer, word

WORDS = [word(language, number) for language in LANGUAGES for number in range(12)]
TEXTS = [
    *(" ".join(WORDS[start : start + n_words]) for n_words in range(20) for start in (0, 3)),
    "Origen set six versions side by side. 漢字と仮名, שלום, ประเทศไทย, 1234!",
    "<pad> eng01 <pad> eng02",
    "eng01 <pad>",
    "x",
]


def build(modules, folder):
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "whole"))
    return load_encoder(folder / "whole")


def bert_like(folder, pooling="cls", **options):
    torch.manual_seed(1)
    size = toy_tokenizer(folder, 16)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=size,
        intermediate_size=64,
        max_position_embeddings=16,
        initializer_range=0.3,
        pad_token_id=1,
        **shape,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    first = Transformer(str(folder), max_seq_length=16)
    return build([first, Pooling(32, pooling_mode=pooling, **options)], folder)


def llama_like(folder):
    torch.manual_seed(2)
    size = toy_tokenizer(folder, 16)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
        pad_token_id=1,
    )
    LlamaModel(config).save_pretrained(folder)
    first = Transformer(str(folder), max_seq_length=16)
    first.tokenizer.padding_side = "left"
    return build([first, Pooling(32, pooling_mode="lasttoken"), Normalize()], folder)


def whitened(folder):
    model = load_encoder(toy_encoder(folder / "toy"))
    torch.manual_seed(3)
    torch.nn.init.normal_(append_dense(model).linear.weight)
    return model


ENCODERS = {
    "tiny": lambda _: load_encoder("tiny", max_tokens=24),
    "xlm-roberta": lambda folder: load_encoder(toy_encoder(folder / "toy")),
    "bert, first token": bert_like,
    "bert, prompt left out": lambda folder: bert_like(folder, "mean", include_prompt=False),
    "llama, padded on the left": llama_like,
    "whitened": whitened,
}


@pytest.fixture
def toy(tmp_path):
    return load_encoder(toy_encoder(tmp_path / "toy"))


@pytest.mark.parametrize("name", ENCODERS)
def test_vectors_are_those_of_sentence_transformers(name, tmp_path, monkeypatch):
    monkeypatch.setattr(packed_passes, "_CPU_TOKENS", 200)  # several passes
    model = ENCODERS[name](tmp_path)
    assert can_pack(model)
    for prompt in ("", "deu03 deu04 "):
        expected = model.encode(TEXTS, prompt=prompt, batch_size=8, normalize_embeddings=True)
        got = encode(model, TEXTS, task="STS", prompt=prompt)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    raw = encode(model, TEXTS[:3], task="STS", prompt="", normalize=False)
    np.testing.assert_allclose(raw, model.encode(TEXTS[:3], prompt=""), rtol=1e-4, atol=1e-5)


def test_the_prompt_is_the_tasks_own_or_else_the_default_one(toy):
    toy.prompts = {"STS": "eng09 ", "query": "eng08 "}
    toy.default_prompt_name = "query"
    for task, prompt in (("STS", "eng09 "), ("BitextMining", "eng08 ")):
        expected = toy.encode(["eng01"], prompt=prompt, normalize_embeddings=True)
        np.testing.assert_allclose(encode(toy, ["eng01"], task=task), expected, atol=1e-6)


def test_dimensions_are_cut_before_vectors_get_unit_length(toy):
    toy.truncate_dim = 8
    got = encode(toy, TEXTS, task="STS")
    assert got.shape == (len(TEXTS), 8)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)


def test_a_text_without_tokens_has_the_vector_that_it_has_in_a_batch(toy):
    toy.tokenizer.backend_tokenizer.post_processor = None
    texts = ["", "eng01 eng02"]
    expected = toy.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(encode(toy, texts, task="STS"), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["static", "windows"])
def test_an_encoder_that_cannot_be_packed_is_padded_by_number_of_tokens(
    kind, toy, monkeypatch, tmp_path
):
    model = toy
    if kind == "static":
        embedding = StaticEmbedding(toy.tokenizer.backend_tokenizer, embedding_dim=8)
        model = SentenceTransformer(modules=[embedding], device="cpu")
    else:
        toy[0].auto_model.config.sliding_window = 4
    assert not can_pack(model)
    expected = model.encode(TEXTS, normalize_embeddings=True)
    batches, plain = [], model.encode
    monkeypatch.setattr(
        model, "encode", lambda texts, **more: batches.append(texts) or plain(texts, **more)
    )
    counted = []
    got = encode(model, TEXTS, task="STS", batch_size=16, advance=counted.append)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    distinct = len(set(TEXTS))
    assert counted == [len(batch) for batch in batches] == [16, 16, distinct - 32]
    if kind == "windows":
        asked = list(itertools.chain(*batches))
        lengths = [len(ids) for ids in toy.tokenizer(asked, truncation=True).input_ids]
        assert lengths == sorted(lengths, reverse=True)


def test_no_pass_has_many_more_tokens_than_the_limit(toy, monkeypatch):
    monkeypatch.setattr(packed_passes, "_CPU_TOKENS", 40)
    monkeypatch.setattr(sentence_tokens, "MAX_CHARACTERS", 60)
    sizes, tokenised, preprocess = [], [], toy.preprocess
    monkeypatch.setattr(
        toy, "preprocess", lambda texts, **m: tokenised.append(texts) or preprocess(texts, **m)
    )
    toy[0].register_forward_pre_hook(lambda _, args: sizes.append(args[0]["input_ids"].numel()))
    texts = [text for text in TEXTS if "<pad>" not in text] + ["long " * 500]
    assert can_pack(toy)
    sizes.clear()
    tokenised.clear()
    encode(toy, texts, task="STS")
    assert len(sizes) > 5 and max(sizes) <= 40 + 16
    assert max(sizes) - min(sizes) <= 16  # as large as one another
    assert all(len(part) == 1 or sum(map(len, part)) <= 60 for part in tokenised)
    assert ["long " * 500] in tokenised


def test_the_next_step_is_tokenised_while_a_step_is_in_the_encoder(toy):
    read = []
    steps = (read.append(k) or [f"eng0{k}"] for k in range(4))
    seen = []
    toy[0].register_forward_pre_hook(lambda *_: seen.append(list(read)))
    encoded = encode_steps(toy, steps, task="STS")
    can_pack(toy)
    seen.clear()
    assert len(list(encoded)) == 4
    assert seen == [[0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]


def test_the_encoder_is_left_as_it_was_however_encoding_ends(toy):
    before = toy[0].auto_model.config._attn_implementation, toy[0].unpad_inputs
    stopped = encode_steps(toy, [["eng01"]] * 3, task="STS")
    next(stopped)
    assert toy[0].auto_model.config._attn_implementation == before[0] != PACKED
    stopped.close()
    with pytest.raises(RuntimeError, match="no memory"):
        encode(toy, ["eng01"], task="STS", advance=_fail)
    assert (toy[0].auto_model.config._attn_implementation, toy[0].unpad_inputs) == before
    np.testing.assert_allclose(
        encode(toy, TEXTS, task="STS"), toy.encode(TEXTS, normalize_embeddings=True), atol=1e-5
    )


def _fail(_):
    raise RuntimeError("no memory")


def test_an_encoder_that_is_being_trained_packed_stays_so(toy):
    with Packing(toy) as outer:
        assert outer.packs
        assert encode(toy, ["eng01"], task="STS").shape == (1, 32)
        assert toy[0].auto_model.config._attn_implementation == PACKED


def test_an_encoder_is_tried_once_and_again_after_a_change_of_its_modules(toy, monkeypatch):
    tried, try_it = [], Packing._embeds_alike
    monkeypatch.setattr(Packing, "_embeds_alike", lambda self: tried.append(1) or try_it(self))
    for _ in range(3):
        encode(toy, ["eng01"], task="STS")
    assert len(tried) == 1
    append_dense(toy)
    encode(toy, ["eng01"], task="STS")
    assert len(tried) == 2


def test_threads_share_an_encoder(toy):
    expected = encode(toy, TEXTS, task="STS")
    parts = [TEXTS[start::4] for start in range(4)] * 3
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(lambda part: encode(toy, part, task="STS"), parts))
    for start, vectors in zip(itertools.cycle(range(4)), got, strict=False):
        np.testing.assert_allclose(vectors, expected[start::4], atol=1e-5)


def test_bfloat16_gives_nearly_the_same_vectors_in_float32(toy):
    exact, rough = (encode(toy, TEXTS, task="STS", bf16=bf16) for bf16 in (False, True))
    assert rough.dtype == np.float32 and not np.array_equal(exact, rough)
    assert (exact * rough).sum(axis=1).min() > 0.99


def test_no_texts_have_no_vectors(toy):
    assert encode(toy, [], task="STS").shape == (0, 32)
