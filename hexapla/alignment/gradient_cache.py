"""Encoding the cells of a step: in one go if they fit in memory, else by gradient caching.

Cells come longest first, so a forward pass has cells of nearly one length, of any rows and
languages. Gradient caching (GradCache, Gao et al. 2021) encodes chunk by chunk without gradients,
computes the gradient of the loss for each vector, and encodes each chunk a second time on the way
back, with the same dropout. It holds the activations of one chunk and gives the gradients of the
whole batch.

Shape suffixes: N cells, D dimensions.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers.base.losses import RandContext
from torch import Tensor

from hexapla.alignment import distributed as ranks
from hexapla.alignment.cell_batch import CellBatch
from hexapla.encoder.token_layout import chunks, packed, padded

# Caps the transient memory of one forward pass. Neither tuned nor tried on a GPU.
TOKENS_PER_PASS = 16_384


@dataclass(kw_only=True)
class Passes:
    """How the cells of a step are divided into forward passes.

    Attributes:
        packs: Pack sentences end to end; the encoder must be under an entered
            `hexapla.encoder.packing.Packing`.
        offset: Number of the first position of a packed sentence.
        pad_token_id: Token that fills up a padded sentence.
        chunk_tokens: Maximum number of token slots whose activations are held at once; None holds
            those of the whole step.
        even: Make as many passes as every other rank. Sharded weights need it, because they are
            gathered anew in every pass.
    """

    packs: bool = False
    offset: int = 0
    pad_token_id: int = 0
    chunk_tokens: int | None = None
    even: bool = False

    def split(self, batch: CellBatch) -> list[tuple[int, int]]:
        """Return the (begin, end) range of cells of each pass."""
        max_tokens = min(self.chunk_tokens or TOKENS_PER_PASS, TOKENS_PER_PASS)
        ranges = list(chunks(batch.lengths, max_tokens, packs=self.packs))
        if self.even:
            n_missing = ranks.max_over_ranks(len(ranges), batch.device) - len(ranges)
            for _ in range(n_missing):
                widest = max(range(len(ranges)), key=lambda k: ranges[k][1] - ranges[k][0])
                begin, end = ranges[widest]
                middle = (begin + end + 1) // 2
                ranges[widest : widest + 1] = [(begin, middle), (middle, end)]
        return ranges

    def is_cached(self, batch: CellBatch) -> bool:
        """Return whether a step of these cells uses gradient caching."""
        return self.chunk_tokens is not None and batch.n_tokens > self.chunk_tokens

    def features(self, batch: CellBatch, begin: int, end: int) -> dict[str, Any]:
        """Return the encoder's features of the cells `begin` to `end`."""
        first, last = batch.starts[begin], batch.starts[end]
        lengths = batch.lengths[begin:end]
        tokens = {key: value[first:last] for key, value in batch.tokens.items()}
        laid_out = (
            packed(tokens, lengths, self.offset)
            if self.packs
            else padded(tokens, lengths, self.pad_token_id)
        )
        return {**batch.constants, **laid_out}


def encode_cells(model: Any, batch: CellBatch, passes: Passes) -> Tensor:
    """Encode the cells of a step.

    Args:
        model: The encoder, or the trainer's wrapper around it.
        batch: N cells.
        passes: How they are divided into forward passes.

    Returns:
        (N, D) vectors as the encoder gives them, in the order of the cells.
    """
    step = _Step(model, batch, passes)
    if passes.is_cached(batch) and torch.is_grad_enabled():
        # Autograd calls a function's backward only if one of its inputs requires a gradient.
        start = torch.zeros((), device=batch.device, requires_grad=True)
        return _Cached.apply(start, step)  # type: ignore[no-any-return, no-untyped-call]
    return torch.cat([step.encode(k) for k in range(len(step))])


class _Step:
    """The forward passes of one step, which gradient caching makes twice."""

    def __init__(self, model: Any, batch: CellBatch, passes: Passes) -> None:
        self._model, self.batch, self._passes = model, batch, passes
        self.ranges = passes.split(batch)

    def __len__(self) -> int:
        return len(self.ranges)

    def encode(self, k: int) -> Tensor:
        features = self._passes.features(self.batch, *self.ranges[k])
        vectors: Tensor = self._model(features)["sentence_embedding"]
        return vectors

    def no_sync(self, k: int) -> contextlib.AbstractContextManager[Any]:
        """Keep ranks from summing their gradients in any backward pass but the last."""
        no_sync = getattr(self._model, "no_sync", None)
        return no_sync() if no_sync is not None and k + 1 < len(self) else contextlib.nullcontext()


class _Cached(torch.autograd.Function):
    """All passes without gradients; on the way back, each once more with them."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, step: _Step) -> Tensor:
        ctx.step, ctx.random = step, []
        device = step.batch.device.type
        ctx.autocast = (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        vectors = []
        for k in range(len(step)):
            ctx.random.append(RandContext(step.batch.tokens["input_ids"]))
            vectors.append(step.encode(k))
        return torch.cat(vectors)

    @staticmethod
    def backward(ctx: Any, gradient_ND: Tensor) -> tuple[None, None]:
        device, enabled, dtype = ctx.autocast
        for k, (begin, end) in enumerate(ctx.step.ranges):
            with ctx.step.no_sync(k):
                with (
                    torch.enable_grad(),
                    ctx.random[k],
                    torch.autocast(device, dtype=dtype, enabled=enabled),
                ):
                    vectors = ctx.step.encode(k)
                vectors.backward(gradient_ND[begin:end].to(vectors.dtype))
        return None, None
