"""Collective operations over the processes that train together.

Batches are split over processes by rows. Each process therefore has its own number of cells, and
every process needs all cells as candidates. With a single process every function here returns what
it was given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor


def n_ranks() -> int:
    """Return the number of processes that train together; 1 outside of distributed training."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if n_ranks() > 1 else 0


def gather_int(n: int, device: torch.device) -> list[int]:
    """All-gather one integer per rank, in order of rank."""
    if n_ranks() == 1:
        return [n]
    gathered = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(n_ranks())]
    dist.all_gather(gathered, torch.tensor([n], device=device))
    return [int(each) for each in gathered]


def max_over_ranks(n: int, device: torch.device) -> int:
    """Return the largest of all ranks' integers."""
    return max(gather_int(n, device))


def any_rank(flag: bool, device: torch.device) -> bool:
    """Return whether the flag is true on any rank."""
    if n_ranks() == 1:
        return flag
    raised = torch.tensor([int(flag)], device=device)
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return bool(raised.item())


def broadcast(array: NDArray[np.int32], device: torch.device) -> NDArray[np.int32]:
    """Return rank 0's array, which has the same shape on every rank."""
    if n_ranks() == 1:
        return array
    tensor = torch.from_numpy(array).to(device)
    dist.broadcast(tensor, src=0)
    return tensor.cpu().numpy()


def gather_rows(local: Tensor, sizes: list[int]) -> Tensor:
    """All-gather tensors of unequal length, without gradients.

    Args:
        local: (n, ...) of this rank.
        sizes: The n of every rank.

    Returns:
        (sum of sizes, ...) in order of rank.
    """
    if len(sizes) == 1:
        return local
    # all_gather needs equal shapes: pad to the longest, and cut afterwards.
    padded = local.new_zeros((max(sizes), *local.shape[1:]))
    padded[: len(local)] = local
    gathered = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(gathered, padded)
    return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])


class _GatherVectors(torch.autograd.Function):
    """`gather_rows`, with gradients summed over all ranks."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, sizes: list[int]) -> Tensor:
        ctx.begin = sum(sizes[: rank()])
        ctx.end = ctx.begin + len(local)
        return gather_rows(local, sizes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[ctx.begin : ctx.end], None


def gather_vectors(local: Tensor, sizes: list[int]) -> Tensor:
    """All-gather (n, D) vectors; the gradient of a vector is summed over all ranks."""
    return local if len(sizes) == 1 else _GatherVectors.apply(local, sizes)  # type: ignore[no-untyped-call]
