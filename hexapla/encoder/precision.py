"""Whether matrices are multiplied in bfloat16, and whether a CPU has instructions for it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def autocast(model: SentenceTransformer, bf16: bool) -> torch.autocast | nullcontext[None]:
    """Multiply matrices in bfloat16 inside the block, if that is wanted."""
    return torch.autocast(model.device.type, torch.bfloat16) if bf16 else nullcontext()


def cpu_has_bf16() -> bool:
    """Return whether the CPU has instructions for bfloat16; without them it is slow."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
