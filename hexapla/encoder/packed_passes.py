"""Tokenised texts -> vectors, in forward passes without padding.

The texts of a step are sorted by number of tokens and laid end to end in passes of about equal
size (`packing.py`). A text that cannot be laid so has a pass of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from hexapla.encoder.packing import Packing
from hexapla.encoder.precision import autocast
from hexapla.encoder.sentence_tokens import SentenceTokens, tokenise
from hexapla.encoder.token_layout import packed, padded

# Tokens of one forward pass on a CPU and on other devices. On a CPU, passes of 512 to 16,384 tokens
# differ by a tenth.
_CPU_TOKENS, _DEVICE_TOKENS = 2048, 16_384
# Texts that the tokenizer pads to one length.
_TEXTS_TOKENISED_AT_ONCE = 256
# Two threads must not replace one encoder's attention, nor set one tokenizer's truncation.
_PASSES_LOCK, _TOKENISER_LOCK = threading.Lock(), threading.Lock()


def can_pack(model: SentenceTransformer) -> bool:
    """Return whether an encoder takes sentences that are laid end to end."""
    with _PASSES_LOCK, Packing(model) as packing:
        return packing.packs


def tokenise_step(
    model: SentenceTransformer, texts: Sequence[str], *, prompt: str
) -> tuple[SentenceTokens, NDArray[np.int64]]:
    """Return the tokens of texts by falling number of characters, and the (n,) row of each."""
    order = np.argsort([-len(text) for text in texts], kind="stable")
    by_length = [texts[row] for row in order]
    with _TOKENISER_LOCK:
        tokens = tokenise(model, by_length, prompt, max_texts=_TEXTS_TOKENISED_AT_ONCE)
    return tokens, order


def run_passes(
    model: SentenceTransformer,
    step: tuple[SentenceTokens, NDArray[np.int64]],
    *,
    normalize: bool,
    bf16: bool,
    advance: Callable[[int], None],
) -> NDArray[np.float32]:
    """Return the (n, dim) vectors of a tokenised step, in the order of its texts."""
    tokens, rows = step
    parts, places = [], []
    model.eval()
    with _PASSES_LOCK, Packing(model) as packing, torch.inference_mode(), autocast(model, bf16):
        for own, is_packed in _passes(model, tokens, packing.offset):
            lengths = tokens.lengths[own].tolist()
            taken = {key: values.to(model.device) for key, values in tokens.take(own).items()}
            laid_out = (
                packed(taken, lengths, packing.offset)
                if is_packed
                else padded(taken, lengths, model.tokenizer.pad_token_id or 0)
            )
            vectors = model({**tokens.constants, **laid_out})["sentence_embedding"].float()
            if model.truncate_dim is not None:
                vectors = vectors[:, : model.truncate_dim]
            if normalize:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            parts.append(vectors.cpu().numpy())
            places.append(rows[own])
            advance(len(own))
    return np.concatenate(parts)[np.argsort(np.concatenate(places))]


def _passes(
    model: SentenceTransformer, tokens: SentenceTokens, offset: int
) -> Iterator[tuple[NDArray[np.int64], bool]]:
    """Yield the texts of each forward pass, longest first, and whether they are packed.

    The passes have nearly equal numbers of tokens. A text without tokens is padded by one; and so
    is one that spells the padding token where positions depend on it, as RoBERTa's do.
    """
    lengths = tokens.lengths
    is_odd = lengths == 0
    if offset:
        text_of = np.repeat(np.arange(len(lengths)), lengths)
        is_odd[text_of[(tokens.tokens["input_ids"] == offset - 1).numpy()]] = True
    for row in np.flatnonzero(is_odd):
        yield np.array([row]), False
    rows = np.flatnonzero(~is_odd)
    rows = rows[np.argsort(-lengths[rows], kind="stable")]
    most = _CPU_TOKENS if model.device.type == "cpu" else _DEVICE_TOKENS
    ends = np.cumsum(lengths[rows])
    n_passes = -(-int(ends[-1]) // most) if len(rows) else 0
    borders = np.searchsorted(
        ends, np.arange(1, n_passes) * (ends[-1] / n_passes) if n_passes else []
    )
    for own in np.split(rows, borders):
        if len(own):
            yield own, True
