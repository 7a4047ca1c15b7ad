"""Texts -> token ids laid end to end, as an encoder's own tokenizer makes them.

The encoder's `preprocess` puts the prompt before every text, truncates, and pads; the padding is
dropped again. Texts go through it in parts, because a tokenizer reads all of a text before it
truncates it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from hexapla.encoder.token_layout import remove_padding

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Of texts that are tokenised at once. Tokenizers of all kinds take 2 to 4 s and about 200 MiB for a
# million characters, with and without spaces; the tokens beyond the limit are dropped at the end.
MAX_CHARACTERS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class SentenceTokens:
    """The T tokens of N texts, text after text.

    Attributes:
        tokens: `input_ids` and whatever else the encoder expects for each token; each (T,).
        lengths: (N,) tokens of each text; they sum to T.
        constants: What the encoder expects besides tokens, the same for every text, such as
            `prompt_length`.
    """

    tokens: dict[str, torch.Tensor]
    lengths: NDArray[np.int64]
    constants: dict[str, Any]

    def take(self, rows: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Return the tokens of some of the texts, in the order given."""
        ends = np.cumsum(self.lengths)[rows]
        places = torch.from_numpy(
            np.concatenate(
                [np.arange(end - n, end) for n, end in zip(self.lengths[rows], ends, strict=True)]
            )
        )
        return {key: values[places] for key, values in self.tokens.items()}


def tokenise(
    model: SentenceTransformer, texts: Sequence[str], prompt: str, *, max_texts: int = 1024
) -> SentenceTokens:
    """Tokenise one text or more.

    Args:
        model: The encoder whose tokenizer is used.
        texts: The texts. Neighbours of one length are tokenised faster.
        prompt: Text that is put before every text.
        max_texts: Number of texts that are tokenised at once.
    """
    tokens: dict[str, list[torch.Tensor]] = {}
    lengths: list[int] = []
    constants: dict[str, Any] = {}
    for part in character_parts(texts, len(prompt), max_texts):
        features = model.preprocess(list(part), prompt=prompt or None)
        own, sizes = remove_padding(features)
        lengths += sizes
        for key, values in own.items():
            tokens.setdefault(key, []).append(values)
        constants = {
            key: value for key, value in features.items() if not isinstance(value, torch.Tensor)
        }
    return SentenceTokens(
        tokens={key: torch.cat(parts) for key, parts in tokens.items()},
        lengths=np.array(lengths, dtype=np.int64),
        constants=constants,
    )


def character_parts(
    texts: Sequence[str], n_prompt: int, max_texts: int = 1024
) -> Iterator[Sequence[str]]:
    """Cut texts into parts that have at most so many texts and characters, or a single text."""
    start = n_characters = 0
    for place, text in enumerate(texts):
        size = len(text) + n_prompt
        if place > start and (n_characters + size > MAX_CHARACTERS or place - start == max_texts):
            yield texts[start:place]
            start, n_characters = place, 0
        n_characters += size
    if start < len(texts):
        yield texts[start:]
