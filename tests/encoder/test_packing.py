"""Packing: chunks cover all sentences within their budget, and padding stays under a tenth."""

from __future__ import annotations

import itertools

import pytest
import torch

from hexapla.corpus.reader import open_corpus
from hexapla.encoder.load import load_encoder
from hexapla.encoder.packing import packed_attention
from hexapla.encoder.token_layout import chunks, packed, padded, remove_padding


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("max_tokens", [1, 97, 500, 10**6])
def test_chunks_cover_every_sentence_once_within_the_budget(packs, max_tokens):
    lengths = sorted((1 + (i * i) % 97 for i in range(448)), reverse=True)
    found = list(chunks(lengths, max_tokens, packs=packs))
    assert [begin for begin, _ in found[1:]] == [end for _, end in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, 448)
    for begin, end in found:
        slots = sum(lengths[begin:end]) if packs else lengths[begin] * (end - begin)
        assert slots <= max_tokens or end - begin == 1


def test_padding_of_real_rows_stays_under_a_tenth_where_one_pass_would_have_a_third():
    corpus, tokenizer = open_corpus("sample"), load_encoder("tiny").tokenizer
    texts = [
        text for language in corpus.languages[:7] for text in corpus.cells(language)[:64] if text
    ]
    lengths = sorted((len(ids) for ids in tokenizer(texts)["input_ids"]), reverse=True)
    slots = sum(
        (end - begin) * lengths[begin] for begin, end in chunks(lengths, 10**6, packs=False)
    )
    assert 1 - sum(lengths) / slots <= 0.1
    assert 1 - sum(lengths) / (len(lengths) * lengths[0]) > 0.33
    tokens = {"input_ids": torch.arange(sum(lengths))}
    assert packed(tokens, lengths, 0)["input_ids"].numel() == sum(lengths)  # none at all


def test_no_chunks_of_no_sentences():
    assert list(chunks([], 10, packs=True)) == []


def test_packed_features_count_positions_anew_in_each_sentence():
    features = packed({"input_ids": torch.arange(8)}, [3, 3, 2], 2)
    assert features["input_ids"].tolist() == [list(range(8))]
    assert features["position_ids"].tolist() == [[2, 3, 4, 2, 3, 4, 2, 3]]
    assert features["cu_seq_lens_q"].tolist() == [0, 3, 6, 8] and features["max_length_q"] == 3
    assert features["sequence_groups"] == [(2, 3), (1, 2)]


def test_padded_features_are_undone_by_removing_the_padding():
    tokens = {
        "input_ids": torch.tensor([5, 6, 7, 8, 9]),
        "token_type_ids": torch.tensor([1, 2, 3, 4, 5]),
    }
    features = padded(tokens, [3, 2], 1)
    assert features["input_ids"].tolist() == [[5, 6, 7], [8, 9, 1]]
    assert features["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    again, lengths = remove_padding(features)
    assert lengths == [3, 2]
    assert all(torch.equal(again[key], tokens[key]) for key in tokens)


def test_left_padding_is_dropped_too():
    tokens, lengths = remove_padding(
        {
            "input_ids": torch.tensor([[0, 4], [5, 6]]),
            "attention_mask": torch.tensor([[0, 1], [1, 1]]),
        }
    )
    assert tokens["input_ids"].tolist() == [4, 5, 6] and lengths == [1, 2]


def test_attention_stays_within_each_sentence():
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 8, 4, generator=generator) for _ in range(3))
    layer = torch.nn.Module()
    layer.is_causal = False
    got, _ = packed_attention(
        layer, query, key, value, None, sequence_groups=[(2, 3), (1, 2)], scaling=0.5
    )
    for begin, end in ((0, 3), (3, 6), (6, 8)):
        scores = (query[0, :, begin:end] @ key[0, :, begin:end].mT * 0.5).softmax(dim=-1)
        expected = (scores @ value[0, :, begin:end]).transpose(0, 1)
        torch.testing.assert_close(got[0, begin:end], expected)


def test_the_kernel_of_a_gpu_is_given_the_ends_of_the_sentences(monkeypatch):
    # Without a GPU the kernel is replaced by a stand-in that attends sentence by sentence, and
    # called by hand.
    from hexapla.encoder import packing

    seen = {}

    def varlen_attn(
        query, key, value, ends_q, ends_k, longest_q, longest_k, *, scale, window_size, enable_gqa
    ):
        seen.update(ends=ends_q.tolist(), longest=longest_q, window=window_size, gqa=enable_gqa)
        parts = []
        for begin, end in itertools.pairwise(ends_q):
            q, k, v = (states[begin:end].transpose(0, 1) for states in (query, key, value))
            parts.append(
                torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale).transpose(
                    0, 1
                )
            )
        return torch.cat(parts)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen_attn)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 8, 4, generator=generator) for _ in range(3))
    layer = torch.nn.Module()
    layer.is_causal = False
    features = packed({"input_ids": torch.arange(8)}, [3, 3, 2], 0)
    kwargs = {k: features[k] for k in ("cu_seq_lens_q", "max_length_q")}
    expected, _ = packed_attention(
        layer, query, key, value, None, sequence_groups=[(2, 3), (1, 2)], scaling=0.5
    )
    flat = [states.squeeze(0).transpose(0, 1) for states in (query, key, value)]
    got = packing._variable_length_kernel(layer, flat, scaling=0.5, **kwargs)
    torch.testing.assert_close(got, expected)
    assert seen == {"ends": [0, 3, 6, 8], "longest": 3, "window": (-1, -1), "gqa": False}
    layer.is_causal = True
    packing._variable_length_kernel(layer, flat, scaling=0.5, **kwargs)
    assert seen["window"] == (-1, 0)
