"""The cells of a step -> their vectors, with gradients: in one go when they fit, by gradient caching when they do not.

Cells come longest first, so a pass holds cells of one length and of any row and language. Gradient
caching (GradCache, Gao et al. 2021) encodes chunk by chunk without gradients, lets the loss say
what it wants of each vector, and encodes each chunk once more on the way back, with the same
dropout: activations of one chunk, gradients of the whole batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers.base.losses import RandContext
from torch import Tensor

from hexapla.alignment import distributed as ranks
from hexapla.alignment.packing import chunks, packed, padded

TOKENS_A_PASS = (
    16_384  # bounds what a pass takes beyond what is kept of it; not tuned, and not tried on a GPU
)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of a step, longest first.

    Attributes:
        tokens: `input_ids`, and what else the encoder takes of a token; each (T,), cell after cell.
        lengths: the N cells' tokens, which sum to T.
        constants: what the encoder takes besides, the same for all, such as `prompt_length`.
    """

    tokens: dict[str, Tensor]
    lengths: list[int]
    constants: dict[str, Any]


@dataclass(kw_only=True)
class Passes:
    """How cells are put through an encoder.

    Attributes:
        packs: lay sentences end to end, for encoders under `hexapla.alignment.packing.Packing`.
        offset: number of the first position of a packed sentence.
        pad_token_id: what fills a padded one up.
        chunk_tokens: most token slots whose activations are held at once; None holds those of the
            whole step.
        even: make as many passes as every other process, which sharded weights need.
    """

    packs: bool = False
    offset: int = 0
    pad_token_id: int = 0
    chunk_tokens: int | None = None
    even: bool = False

    def cut(self, cells: Cells, device: torch.device) -> list[tuple[int, int]]:
        """Return the (begin, end) ranges of cells that are one pass each."""
        most = min(self.chunk_tokens or TOKENS_A_PASS, TOKENS_A_PASS)
        found = list(chunks(cells.lengths, most, packs=self.packs))
        if self.even:
            for _ in range(ranks.most(len(found), device) - len(found)):
                widest = max(range(len(found)), key=lambda k: found[k][1] - found[k][0])
                begin, end = found[widest]
                middle = (begin + end + 1) // 2
                found[widest : widest + 1] = [(begin, middle), (middle, end)]
        return found

    def is_cached(self, cells: Cells) -> bool:
        """Say whether a step of these cells goes by gradient caching."""
        return self.chunk_tokens is not None and sum(cells.lengths) > self.chunk_tokens

    def features(self, cells: Cells, first: int, last: int, begin: int, end: int) -> dict[str, Any]:
        """Return an encoder's features of cells `begin` to `end`, whose tokens are `first` to `last`."""
        tokens = {key: value[first:last] for key, value in cells.tokens.items()}
        lengths = cells.lengths[begin:end]
        made = (
            packed(tokens, lengths, self.offset)
            if self.packs
            else padded(tokens, lengths, self.pad_token_id)
        )
        return {**cells.constants, **made}


def encode(model: Any, cells: Cells, passes: Passes) -> Tensor:
    """Encode the cells of a step.

    Args:
        model: the encoder, or what a trainer wrapped it in.
        cells: N cells.
        passes: how.

    Returns:
        (N, D) vectors as the encoder gives them, in the order of the cells.
    """
    steps = _Steps(model, cells, passes)
    if passes.is_cached(cells) and torch.is_grad_enabled():
        start = torch.zeros(
            (), device=steps.device, requires_grad=True
        )  # so that its backward is called at all
        return _Cached.apply(start, steps)  # type: ignore[no-any-return, no-untyped-call]
    return torch.cat([steps.encode(k) for k in range(len(steps))])


class _Steps:
    """The passes of one step, to be made once or twice."""

    def __init__(self, model: Any, cells: Cells, passes: Passes) -> None:
        self._model, self.cells, self._passes = model, cells, passes
        self.device = cells.tokens["input_ids"].device
        self.ranges = passes.cut(cells, self.device)
        ends = torch.tensor([0, *cells.lengths]).cumsum(0).tolist()
        self._tokens = [(ends[begin], ends[end]) for begin, end in self.ranges]

    def __len__(self) -> int:
        return len(self.ranges)

    def features(self, k: int) -> dict[str, Any]:
        return self._passes.features(self.cells, *self._tokens[k], *self.ranges[k])

    def encode(self, k: int) -> Tensor:
        vectors: Tensor = self._model(self.features(k))["sentence_embedding"]
        return vectors

    def syncing(self, k: int) -> contextlib.AbstractContextManager[Any]:
        """Let processes add up their gradients in the last backward pass alone."""
        wait = getattr(self._model, "no_sync", None)
        return wait() if wait is not None and k + 1 < len(self) else contextlib.nullcontext()


class _Cached(torch.autograd.Function):
    """All passes without gradients; on backward each again, with them."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, steps: _Steps) -> Tensor:
        ctx.steps, ctx.random = steps, []
        device = steps.device.type
        ctx.autocast = (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        vectors = []
        for k in range(len(steps)):
            ctx.random.append(RandContext(steps.cells.tokens["input_ids"]))
            vectors.append(steps.encode(k))
        return torch.cat(vectors)

    @staticmethod
    def backward(ctx: Any, gradient_ND: Tensor) -> tuple[None, None]:
        device, enabled, dtype = ctx.autocast
        for k, (begin, end) in enumerate(ctx.steps.ranges):
            with ctx.steps.syncing(k):
                with (
                    torch.enable_grad(),
                    ctx.random[k],
                    torch.autocast(device, dtype=dtype, enabled=enabled),
                ):
                    vectors = ctx.steps.encode(k)
                vectors.backward(gradient_ND[begin:end].to(vectors.dtype))
        return None, None


def longest_first(lengths: Sequence[int]) -> Iterator[int]:
    """Yield the numbers of cells by falling length, equal ones in their order."""
    yield from sorted(range(len(lengths)), key=lambda i: -lengths[i])
