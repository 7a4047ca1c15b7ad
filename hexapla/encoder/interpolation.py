"""A base and the encoder aligned from it -> one encoder whose weights lie anywhere between theirs.

Everything but the weights is the aligned encoder's: tokenizer, prompts, pooling, length limit.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from sentence_transformers import SentenceTransformer


@torch.no_grad()
def interpolate(base: Mapping[str, torch.Tensor], model: torch.nn.Module, alpha: float) -> None:
    """Replace the weights of an encoder by (1 - alpha) * base + alpha * encoder, in place.

    Args:
        base: Equal to the encoder's state dict in names, shapes and types.
        model: The aligned encoder, whose weights are overwritten in place.
        alpha: Above 0 (the base) and below 1 (the aligned encoder).
    """
    moved = set()  # tied weights have several names
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and weight.data_ptr() not in moved:
            torch.lerp(base[name].to(weight.device), weight, alpha, out=weight)
            moved.add(weight.data_ptr())


class Interpolation:
    """The weights of an encoder, which can be set anywhere between its base's and its own.

    Three sets of weights are in memory: those of both ends, and the encoder's, which are
    overwritten in place.

    Args:
        base: State dict of the base; equal to the encoder's in names, shapes and types.
        model: The aligned encoder.
    """

    def __init__(self, base: Mapping[str, torch.Tensor], model: SentenceTransformer) -> None:
        self._weights = {
            name: weight
            for name, weight in model.state_dict().items()
            if weight.is_floating_point()
        }
        self._aligned = {name: weight.clone() for name, weight in self._weights.items()}
        self._base = {name: base[name].to(weight.device) for name, weight in self._weights.items()}

    @torch.no_grad()
    def set(self, alpha: float) -> None:
        """Set every weight to (1 - alpha) times the base's plus alpha times the aligned encoder's.

        Args:
            alpha: 0 (the base) to 1 (the aligned encoder).
        """
        for name, weight in self._weights.items():
            # At the ends the weights are copied: even multiplying by 1 and adding 0 loses the sign
            # of -0.0. In between, `lerp` keeps a weight that alignment did not change; the sum of
            # two products would round it.
            if alpha in (0.0, 1.0):
                weight.copy_(self._aligned[name] if alpha else self._base[name])
            else:
                torch.lerp(self._base[name], self._aligned[name], alpha, out=weight)
