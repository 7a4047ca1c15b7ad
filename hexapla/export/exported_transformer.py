"""The transformer of an encoder, run by another library than PyTorch, between the same modules.

sentence-transformers' backends work in this way: tokenizer, prompts, pooling, whitening and
normalisation stay what they are, and only the transformer between them is exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], NDArray[Any]]
"""(B, T) whole numbers by the name of an input -> (B, T, D) vectors of the tokens."""

OUTPUT = "last_hidden_state"


class ExportedTransformer(torch.nn.Module):
    """Stands where a transformer of PyTorch stood.

    Args:
        config: The transformer's configuration.
        inputs: Names of the graph's inputs.
        run: Runs the graph.
    """

    def __init__(self, config: Any, inputs: tuple[str, ...], run: Run) -> None:
        super().__init__()
        self.config = config
        self.inputs = inputs
        self._run = run

    def forward(self, **features: Any) -> dict[str, torch.Tensor]:
        """Return the vectors of the tokens, (B, T, D)."""
        zeros = torch.zeros_like(features["input_ids"])
        given = {name: features.get(name, zeros).cpu().numpy() for name in self.inputs}
        return {OUTPUT: torch.from_numpy(self._run(given)).to(zeros.device)}

    def save_pretrained(self, folder: str, **_: Any) -> None:
        """Write the configuration; the graph is a file already."""
        self.config.save_pretrained(folder)


@contextmanager
def exchanged(
    model: SentenceTransformer, transformer: torch.nn.Module
) -> Iterator[SentenceTransformer]:
    """Let an encoder run another transformer than its own for a while, and yield the encoder."""
    own = model[0].model
    model[0].model = transformer
    try:
        yield model
    finally:
        model[0].model = own


def graph_inputs(model: SentenceTransformer) -> tuple[str, ...]:
    """Return the names of what the tokenizer gives to the transformer, in the usual order."""
    given = model.tokenizer.model_input_names
    return tuple(
        name for name in ("input_ids", "attention_mask", "token_type_ids") if name in given
    )
