"""Running an encoder through torch.compile for as long as it trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from sentence_transformers import SentenceTransformer


@contextmanager
def compiled(model: SentenceTransformer, *, wanted: bool) -> Iterator[None]:
    """Run an encoder's transformer through `torch.compile` inside the block.

    Args:
        model: The encoder.
        wanted: Compile; otherwise the block runs as it is.
    """
    if not wanted:
        yield
        return
    # sentence-transformers calls the transformer's `forward`, not the module itself.
    transformer = model[0].auto_model
    transformer.forward = torch.compile(transformer.forward, dynamic=True)
    try:
        yield
    finally:
        del transformer.forward
