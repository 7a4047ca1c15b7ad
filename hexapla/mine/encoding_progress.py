"""Texts -> unit vectors in one call of the encoder, with its progress shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hexapla.encoder.load import encode
from hexapla.runs.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer


def encode_with_progress(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    batch_size: int,
    description: str,
    progress: Progress,
) -> NDArray[np.float32]:
    """Encode texts for bitext mining.

    All texts go to the encoder at once, which sorts them by length into batches. Encoding them in
    steps would make other batches, and vectors that differ in the last digits.

    Args:
        model: The encoder.
        texts: The texts; equal ones are encoded once.
        batch_size: Texts in one forward pass.
        description: Description of the progress bar.
        progress: Where the bar is shown.

    Returns:
        (N, D) unit vectors, in the order of the texts.
    """
    bar = progress.add(description, len(set(texts)), unit="sentences")

    def count(module: Any, inputs: Any, features: dict[str, Any]) -> None:
        bar.advance(len(features["sentence_embedding"]))

    hook = model[-1].register_forward_hook(count)
    try:
        return encode(model, texts, task="BitextMining", batch_size=batch_size)
    finally:
        hook.remove()
