"""One tensor a process -> all of them on every process, with gradients that find their way back.

Batches are split over processes by rows, so that each has its own number of cells, and every
process needs all cells as candidates. With one process everything here is the identity.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def n_ranks() -> int:
    """Return the number of processes that train together, 1 for a run of its own."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if n_ranks() > 1 else 0


def sizes_of(n: int, device: torch.device) -> list[int]:
    """Return every process's number, in order of rank."""
    if n_ranks() == 1:
        return [n]
    found = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(n_ranks())]
    dist.all_gather(found, torch.tensor([n], device=device))
    return [int(size) for size in found]


def gather(local: Tensor, sizes: list[int]) -> Tensor:
    """Concatenate every process's (n of that process, ...) tensor, in order of rank, without gradients."""
    if len(sizes) == 1:
        return local
    full = local.new_zeros((max(sizes), *local.shape[1:]))
    full[: len(local)] = local
    found = [torch.empty_like(full) for _ in sizes]
    dist.all_gather(found, full)
    return torch.cat([part[:size] for part, size in zip(found, sizes, strict=True)])


class _GatherCells(torch.autograd.Function):
    """`gather`, whose gradient of a cell is the sum of what all processes have for it."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, sizes: list[int]) -> Tensor:
        ctx.begin = sum(sizes[: rank()])
        ctx.end = ctx.begin + len(local)
        return gather(local, sizes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[ctx.begin : ctx.end], None


def gather_cells(local: Tensor, sizes: list[int]) -> Tensor:
    """Concatenate every process's (n, D) cells; a cell's gradient is summed over all processes."""
    return local if len(sizes) == 1 else _GatherCells.apply(local, sizes)  # type: ignore[no-untyped-call]


def any_rank(flag: bool, device: torch.device) -> bool:
    """Say whether the flag is up on any process."""
    if n_ranks() == 1:
        return flag
    raised = torch.tensor([int(flag)], device=device)
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return bool(raised.item())


def most(n: int, device: torch.device) -> int:
    """Return the largest of all processes' numbers."""
    return max(sizes_of(n, device))
