"""Sentences of many lengths -> one pass of an encoder without padding: laid end to end, attention kept inside each.

In: token ids of sentences, longest first. Out: the features that sentence-transformers'
`Transformer` and `Pooling` take of flattened inputs. transformers' attention interface lets us
bring the attention for them, so every other layer sees nothing but real tokens, in one matrix
multiply. Sentences of equal length stand side by side, so attention is plain scaled-dot-product
attention per length, without a mask, on any device; on a GPU in half precision and without
attention dropout it is PyTorch's variable-length kernel.

The one decision worth knowing: whether an architecture can be packed is not looked up in a list but
tried. Before training a few texts are embedded packed and padded, and padding stays where the two
differ.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

Features = dict[str, Any]

MAX_PADDING = 0.1  # share of a chunk's token slots that may be padding, where there is padding
PACKED = "hexapla_packed"
_FLAT_KEYS = frozenset(
    {"cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "sequence_groups"}
)
_PROBES = (
    "a",
    "one two three four",
    "one two three",
    "Packed or padded, a sentence must embed alike.",
)
_log = logging.getLogger(__name__)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    sequence_groups: Sequence[tuple[int, int]] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend within each of the sentences that are laid end to end; without `sequence_groups`, as SDPA does.

    Args:
        module: the layer that asks.
        query: (1, heads, T, D) of T tokens.
        key: (1, key heads, T, D).
        value: (1, key heads, T, D).
        attention_mask: None for packed sentences.
        sequence_groups: (sentences, tokens in each), in order; their products sum to T.
        **kwargs: what every attention of transformers takes: `dropout`, `scaling`, `is_causal`,
            `cu_seq_lens_q`.

    Returns:
        (1, T, heads, D), and None for the weights.
    """
    if sequence_groups is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
    flat = [states.squeeze(0).transpose(0, 1) for states in (query, key, value)]  # (T, heads, D)
    if (
        query.is_cuda
        and query.dtype in (torch.float16, torch.bfloat16)
        and not kwargs.get("dropout")
    ):
        return _variable_length_kernel(module, flat, **kwargs), None
    sizes = [n_sentences * n_tokens for n_sentences, n_tokens in sequence_groups]
    parts = []
    # Split, not sliced: the gradient of a slice is as large as the whole.
    for shape, *group in zip(
        sequence_groups, *(torch.split(states, sizes) for states in flat), strict=True
    ):
        heads_first = [states.unflatten(0, shape).transpose(1, 2) for states in group]
        attended, _ = sdpa_attention_forward(module, *heads_first, None, **kwargs)
        parts.append(attended.flatten(0, 1))
    return torch.cat(parts).unsqueeze(0), None


def _variable_length_kernel(module: torch.nn.Module, flat: list[Tensor], **kwargs: Any) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = kwargs["cu_seq_lens_q"], kwargs["max_length_q"]
    is_causal = kwargs.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    query, key, value = flat
    attended: Any = varlen_attn(
        query,
        key,
        value,
        ends,
        ends,
        longest,
        longest,
        scale=kwargs.get("scaling"),
        window_size=(-1, 0) if is_causal else (-1, -1),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return attended.unsqueeze(0)  # type: ignore[no-any-return]


def _mask(*args: Any, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor | None:
    """Make SDPA's mask for padded inputs, none for packed ones: transformers would make one of T x T."""
    return (
        None
        if attention_mask is None
        else sdpa_mask(*args, attention_mask=attention_mask, **kwargs)
    )


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, _mask)


class Packing:
    """Whether an encoder takes packed sentences; while it is entered, the encoder attends by `packed_attention`.

    Args:
        model: the encoder. Its attention implementation is put back on leaving.
        wanted: pack if the encoder can.

    Attributes:
        packs: whether sentences are packed.
        offset: number of the first position: RoBERTa's family counts from padding_idx + 1.
    """

    def __init__(self, model: SentenceTransformer, *, wanted: bool = True) -> None:
        self.packs = False
        self.offset = 0
        self._model = model
        self._wanted = wanted
        self._implementation: str | None = None
        self._unpads: bool | None = None
        self._parameters: set[str] | None = None

    def __enter__(self) -> Packing:
        """Switch the encoder over if it embeds packed sentences as it does padded ones."""
        first = self._model[0]
        self._unpads = first.unpad_inputs
        first.unpad_inputs = False  # whatever it would flatten by itself, we do
        reason = _obstacle(first) if self._wanted else "packing is off"
        if reason is None:
            self._implementation = first.auto_model.config._attn_implementation
            first.auto_model.set_attn_implementation(PACKED)
            self._parameters = first.model_forward_params
            if self._parameters is not None:
                first.model_forward_params = self._parameters | _FLAT_KEYS
            self.offset = first._infer_flatten_position_offset()
            self.packs = self._embeds_alike()
            if self.packs:
                return self
            reason = "it embeds packed sentences differently"
            self._restore()
        _log.info("Sentences are padded, by length: %s", reason)
        return self

    def __exit__(self, *_: object) -> None:
        """Put everything back."""
        self._restore()
        self._model[0].unpad_inputs = self._unpads

    def _restore(self) -> None:
        if self._implementation is not None:
            self._model[0].auto_model.set_attn_implementation(self._implementation)
            self._model[0].model_forward_params = self._parameters
        self._implementation = None

    def _embeds_alike(self) -> bool:
        features = self._model.preprocess(list(_PROBES))
        features = {
            k: v.to(self._model.device) if isinstance(v, Tensor) else v for k, v in features.items()
        }
        was_training = self._model.training
        self._model.eval()
        with torch.no_grad():
            tokens, lengths = flatten(features)
            order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
            starts = [0, *itertools.accumulate(lengths)]
            tokens = {
                k: torch.cat([v[starts[i] : starts[i + 1]] for i in order])
                for k, v in tokens.items()
            }
            expected = self._model(dict(features))["sentence_embedding"][order]
            try:
                got = self._model(packed(tokens, [lengths[i] for i in order], self.offset))[
                    "sentence_embedding"
                ]
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                _log.debug("packed sentences are refused: %s", error)
                return False
            finally:
                self._model.train(was_training)
        return got.shape == expected.shape and bool(
            torch.allclose(got, expected, rtol=1e-3, atol=1e-3)
        )


def _obstacle(first: Any) -> str | None:
    """Say why an encoder's first module cannot take packed sentences, None if nothing speaks against it."""
    inner = getattr(first, "auto_model", None)
    if inner is None or not getattr(inner, "is_backend_compatible", lambda: False)():
        return "its attention cannot be replaced"
    if inner.config._attn_implementation not in (
        "sdpa",
        "eager",
        "flash_attention_2",
        "flash_attention_3",
    ):
        return f"its attention is {inner.config._attn_implementation}"
    window = getattr(inner.config, "sliding_window", None) or getattr(
        inner.config, "local_attention", None
    )
    if window and (first.max_seq_length or window + 1) > window:
        return f"it attends in windows of {window} tokens"
    return None


def flatten(features: Features) -> tuple[dict[str, Tensor], list[int]]:
    """Drop the padding of a batch.

    Args:
        features: `input_ids`, `attention_mask` and others of (N, width).

    Returns:
        Each tensor of that shape but the mask as (T,), sentence after sentence, and the N
        sentences' tokens.
    """
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
        lengths: tokens of each sentence, longest first; they sum to T.
        offset: number of the first position.
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
    """Return the features of the same sentences, padded on the right to the longest."""
    device = tokens["input_ids"].device
    mask = torch.arange(lengths[0], device=device) < torch.tensor(lengths, device=device)[:, None]
    features: Features = {"attention_mask": mask.long()}
    for key, value in tokens.items():
        fill = pad_token_id if key == "input_ids" else 0
        features[key] = value.new_full(mask.shape, fill).masked_scatter(mask, value)
    return features


def chunks(
    lengths: Sequence[int], most_tokens: int, *, packs: bool, max_padding: float = MAX_PADDING
) -> Iterator[tuple[int, int]]:
    """Cut sentences, longest first, into (begin, end) ranges of at most `most_tokens` token slots, at least one each.

    Args:
        lengths: tokens of each sentence, longest first.
        most_tokens: slots in a chunk.
        packs: whether sentences are packed; padded ones are also cut where padding would take more
            than `max_padding`.
        max_padding: share of a chunk's slots.

    >>> list(chunks([10, 10, 9, 5, 5, 1], 100, packs=False)), list(chunks([10, 10, 9, 5, 5, 1], 20, packs=True))
    ([(0, 3), (3, 5), (5, 6)], [(0, 2), (2, 6)])
    """
    begin = tokens = 0
    for end, length in enumerate(lengths):
        n_slots = tokens + length if packs else lengths[begin] * (end + 1 - begin)
        if end > begin and (n_slots > most_tokens or tokens + length < (1 - max_padding) * n_slots):
            yield begin, end
            begin, tokens = end, 0
        tokens += length
    if lengths:
        yield begin, len(lengths)
