"""Packing: sentences of many lengths in one forward pass without padding.

Sentences are laid end to end, and attention stays within each. The input is the token ids of
sentences, longest first; the output is the features that sentence-transformers' `Transformer` and
`Pooling` take of flattened inputs. transformers lets us replace the attention alone, so every other
layer sees real tokens only, in one matrix multiplication. Sentences of equal length stand side by
side, so attention is plain scaled-dot-product attention for each length, without a mask, on any
device. On a GPU, in half precision and without attention dropout, it is PyTorch's variable-length
kernel.

The one decision worth knowing: whether an architecture can be packed is not looked up in a list but
tried. A few texts are embedded packed and padded, once for each encoder, and sentences stay padded
if the two differ.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from hexapla.encoder.token_layout import packed, remove_padding

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
# For each encoder: its modules by id, and whether packed sentences have their padded vectors.
_tried: WeakKeyDictionary[SentenceTransformer, tuple[list[int], bool]] = WeakKeyDictionary()
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
    """Attend within each of the sentences that are laid end to end.

    Args:
        module: The attention layer that calls.
        query: (1, heads, T, D) of T tokens.
        key: (1, key heads, T, D).
        value: (1, key heads, T, D).
        attention_mask: None for packed sentences.
        sequence_groups: (number of sentences, tokens in each) in order; their products sum to T.
            Without it the sentences are padded, and this is SDPA.
        **kwargs: What every attention function of transformers takes: `dropout`, `scaling`,
            `is_causal`, `cu_seq_lens_q`.

    Returns:
        (1, T, heads, D), and None in place of the attention weights.
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
    # Split, not slice: the gradient of a slice is as large as the whole tensor.
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
    """Make SDPA's mask for padded inputs and none for packed ones, which would be T x T."""
    if attention_mask is None:
        return None
    return sdpa_mask(*args, attention_mask=attention_mask, **kwargs)  # type: ignore[no-any-return]


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, _mask)


class Packing:
    """A context in which an encoder accepts packed sentences, if it can.

    Inside it the encoder attends by `packed_attention`. On leaving, its own attention is restored.
    A context inside another one of the same encoder changes nothing.

    Args:
        model: The encoder.
        wanted: Pack if the encoder can.

    Attributes:
        packs: Whether sentences are packed.
        offset: Number of the first position; the RoBERTa family counts from padding_idx + 1.
    """

    def __init__(self, model: SentenceTransformer, *, wanted: bool = True) -> None:
        self.packs = False
        self.offset = 0
        self._model = model
        self._wanted = wanted
        self._implementation: str | None = None
        self._unpads: list[bool | None] = []  # what the module's setting was, once it is changed
        self._parameters: set[str] | None = None

    def __enter__(self) -> Packing:
        """Replace the attention if the encoder embeds packed sentences as it does padded ones."""
        first = self._model[0]
        reason = _obstacle(first) if self._wanted else "packing is off"
        if reason is None and first.auto_model.config._attn_implementation == PACKED:
            self.offset = first._infer_flatten_position_offset()
            self.packs = True
            return self
        if hasattr(first, "unpad_inputs"):
            self._unpads.append(first.unpad_inputs)
            first.unpad_inputs = False  # padding is removed here, so the module must not do so
        if reason is None:
            self._implementation = first.auto_model.config._attn_implementation
            first.auto_model.set_attn_implementation(PACKED)
            self._parameters = first.model_forward_params
            if self._parameters is not None:
                first.model_forward_params = self._parameters | _FLAT_KEYS
            self.offset = first._infer_flatten_position_offset()
            self.packs = self._is_packable()
            if self.packs:
                return self
            reason = "it embeds packed sentences differently"
            self._restore()
        _log.info("Sentences are padded, by length: %s", reason)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the encoder's own attention."""
        self._restore()
        if self._unpads:
            self._model[0].unpad_inputs = self._unpads.pop()

    def _restore(self) -> None:
        if self._implementation is not None:
            self._model[0].auto_model.set_attn_implementation(self._implementation)
            self._model[0].model_forward_params = self._parameters
        self._implementation = None

    def _is_packable(self) -> bool:
        """Return whether the encoder embeds alike, as found when it was first tried."""
        modules = [id(module) for module in self._model.modules()]
        known, packs = _tried.get(self._model, ([], False))
        if known != modules:
            packs = self._embeds_alike()
            _tried[self._model] = modules, packs
        return packs

    def _embeds_alike(self) -> bool:
        features = self._model.preprocess(list(_PROBES))
        features = {
            k: v.to(self._model.device) if isinstance(v, Tensor) else v for k, v in features.items()
        }
        was_training = self._model.training
        self._model.eval()
        with torch.no_grad():
            tokens, lengths = remove_padding(features)
            order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
            starts = [0, *itertools.accumulate(lengths)]
            tokens = {
                k: torch.cat([v[starts[i] : starts[i + 1]] for i in order])
                for k, v in tokens.items()
            }
            expected = self._model(dict(features))["sentence_embedding"][order]
            try:
                inputs = packed(tokens, [lengths[i] for i in order], self.offset)
                got = self._model(inputs)["sentence_embedding"]
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                _log.debug("The encoder rejects packed sentences: %s", error)
                return False
            finally:
                self._model.train(was_training)
        return got.shape == expected.shape and bool(
            torch.allclose(got, expected, rtol=1e-3, atol=1e-3)
        )


def _obstacle(first: Any) -> str | None:
    """Return why an encoder's first module cannot take packed sentences; None if it may."""
    inner = getattr(first, "auto_model", None)
    if inner is None or not getattr(inner, "is_backend_compatible", lambda: False)():
        return "its attention cannot be replaced"
    if inner.config._attn_implementation not in (
        "sdpa",
        "eager",
        "flash_attention_2",
        "flash_attention_3",
        PACKED,
    ):
        return f"its attention is {inner.config._attn_implementation}"
    window = getattr(inner.config, "sliding_window", None) or getattr(
        inner.config, "local_attention", None
    )
    if window and (first.max_seq_length or window + 1) > window:
        return f"it attends in windows of {window} tokens"
    return None
