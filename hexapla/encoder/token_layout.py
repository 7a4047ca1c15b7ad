"""How the tokens of sentences are laid out for a forward pass: flat, packed, padded, in chunks.

Sentences come longest first. `remove_padding` makes flat tokens of a padded batch; `packed` and
`padded` make an encoder's features of flat tokens; `chunks` divides sentences into passes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

Features = dict[str, Any]

MAX_PADDING = 0.1
"""Largest share of a chunk's token slots that may be padding, where sentences are padded."""


def remove_padding(features: Features) -> tuple[dict[str, Tensor], list[int]]:
    """Lay the sentences of a padded batch end to end.

    Args:
        features: `input_ids`, `attention_mask` and others of (N, width); or, as
            sentence-transformers makes them for flash attention, `input_ids` of (1, T) and
            `cu_seq_lens_q`.

    Returns:
        Each tensor of that shape but the mask as (T,), sentence after sentence; and the number of
        tokens of each of the N sentences.
    """
    if "attention_mask" not in features:
        return {"input_ids": features["input_ids"][0]}, features["cu_seq_lens_q"].diff().tolist()
    mask = features["attention_mask"].bool()
    tokens = {
        key: value[mask]
        for key, value in features.items()
        if key != "attention_mask" and isinstance(value, Tensor) and value.shape == mask.shape
    }
    return tokens, mask.sum(dim=1).tolist()


def packed(tokens: dict[str, Tensor], lengths: Sequence[int], offset: int) -> Features:
    """Return the features of sentences laid end to end.

    Args:
        tokens: `input_ids` and others, each (T,).
        lengths: Tokens of each sentence, longest first; they sum to T.
        offset: Number of the first position.
    """
    device = tokens["input_ids"].device
    ends = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32, device=device)
    longest = torch.arange(offset, offset + lengths[0], device=device)
    groups = [(len(list(same)), length) for length, same in itertools.groupby(lengths)]
    positions = torch.cat([longest[:length].repeat(n_sentences) for n_sentences, length in groups])
    return {
        **{key: value.unsqueeze(0) for key, value in tokens.items()},
        "position_ids": positions.unsqueeze(0),
        "cu_seq_lens_q": ends,
        "cu_seq_lens_k": ends,
        "max_length_q": lengths[0],
        "max_length_k": lengths[0],
        "sequence_groups": groups,
        "modality": "text",
    }


def padded(tokens: dict[str, Tensor], lengths: Sequence[int], pad_token_id: int) -> Features:
    """Return the features of the same sentences, padded on the right to the longest.

    Args:
        tokens: `input_ids` and others, each (T,).
        lengths: Tokens of each sentence, longest first; they sum to T.
        pad_token_id: Token that fills up `input_ids`; other features are filled with 0.
    """
    device = tokens["input_ids"].device
    places = torch.arange(max(1, lengths[0]), device=device)
    mask = places < torch.tensor(lengths, device=device)[:, None]
    features: Features = {"attention_mask": mask.long()}
    for key, value in tokens.items():
        fill = pad_token_id if key == "input_ids" else 0
        features[key] = value.new_full(mask.shape, fill).masked_scatter(mask, value)
    return features


def chunks(
    lengths: Sequence[int], max_tokens: int, *, packs: bool, max_padding: float = MAX_PADDING
) -> Iterator[tuple[int, int]]:
    """Yield the (begin, end) ranges of sentences that make one chunk each.

    Args:
        lengths: Tokens of each sentence, longest first.
        max_tokens: Maximum number of token slots in a chunk; a longer sentence is a chunk of its
            own.
        packs: Whether sentences are packed. If they are padded, a chunk also ends where padding
            would exceed `max_padding`.
        max_padding: Share of a chunk's slots.

    >>> list(chunks([10, 10, 9, 5, 5, 1], 100, packs=False))
    [(0, 3), (3, 5), (5, 6)]
    >>> list(chunks([10, 10, 9, 5, 5, 1], 20, packs=True))
    [(0, 2), (2, 6)]
    """
    begin = tokens = 0
    for end, length in enumerate(lengths):
        n_slots = tokens + length if packs else lengths[begin] * (end + 1 - begin)
        if end > begin and (n_slots > max_tokens or tokens + length < (1 - max_padding) * n_slots):
            yield begin, end
            begin, tokens = end, 0
        tokens += length
    if lengths:
        yield begin, len(lengths)
