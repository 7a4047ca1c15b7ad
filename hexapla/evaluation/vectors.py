"""The distinct texts of a whole run -> their vectors, each embedded once.

The decision worth knowing: all tasks name their texts before anything is embedded. English, which
is in every pair, and SIB-200's sentences, which are both bitext and topics, are embedded once, and
sorting by length works across languages. The vectors stay in memory: 100,000 texts of 768
dimensions are 293 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from hexapla.encoder.load import Task, encode
from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import Prompted
from hexapla.evaluation.vector_cache import VectorCache

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

# Texts between two steps of the progress bar.
_STEP = 1024


class Vectors:
    """The vectors of the texts that were asked for, by prompt."""

    def __init__(self, prompts: Mapping[Task, str], wanted: Iterable[Prompted]) -> None:
        """Collect the distinct texts.

        Args:
            prompts: What the encoder puts before a text, by kind of task; kinds with equal prompts
                share vectors.
            wanted: The texts.
        """
        self._prompts = dict(prompts)
        self._kinds: dict[str, Task] = {}
        texts: dict[str, dict[str, None]] = {}
        for group in wanted:
            prompt = self._prompts[group.kind]
            self._kinds.setdefault(prompt, group.kind)
            texts.setdefault(prompt, {}).update(dict.fromkeys(group.texts))
        self._texts = {prompt: list(distinct) for prompt, distinct in texts.items()}
        self._rows: dict[str, dict[str, int]] = {}
        self._matrices: dict[str, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        """Return how many texts there are to embed."""
        return sum(len(texts) for texts in self._texts.values())

    def embed(
        self,
        model: SentenceTransformer,
        *,
        batch_size: int,
        bf16: bool = False,
        advance: Callable[[int], None],
        cache: VectorCache | None = None,
    ) -> None:
        """Embed all texts, but for those that are in the cache, and put these there.

        Args:
            model: The encoder.
            batch_size: Texts in one forward pass.
            bf16: Multiply matrices in bfloat16; norms, pooling and the vectors stay in float32.
            advance: Called with the number of texts that were just embedded or found.
            cache: Of this encoder.

        Raises:
            InputError: A vector is not finite.
        """
        for prompt, distinct in self._texts.items():
            known = {
                text: vector
                for text in distinct
                if cache and (vector := cache.get(prompt, text)) is not None
            }
            advance(len(known))
            missing = [text for text in distinct if text not in known]
            texts = _longest_first(model, missing) if missing else []
            parts = [np.stack(list(known.values()))] if known else []
            self._rows[prompt] = {text: row for row, text in enumerate([*known, *texts])}
            for start in range(0, len(texts), _STEP):
                step = texts[start : start + _STEP]
                with torch.autocast(model.device.type, torch.bfloat16) if bf16 else nullcontext():
                    vectors = encode(model, step, task=self._kinds[prompt], batch_size=batch_size)
                _check_finite(vectors, step)
                if cache:
                    cache.add(prompt, step, vectors)
                parts.append(vectors)
                advance(len(step))
            self._matrices[prompt] = np.concatenate(parts)

    def of(self, kind: Task, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the (n, dim) vectors of texts, in order, after `embed`."""
        prompt = self._prompts[kind]
        rows = self._rows[prompt]
        return self._matrices[prompt][[rows[text] for text in texts]]


def _check_finite(vectors: NDArray[np.float32], texts: Sequence[str]) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            f"the encoder gives vectors that are not finite for {len(texts) - int(finite.sum())} texts, "
            f"the first of them {texts[int(finite.argmin())][:60]!r}; its weights are damaged or overflow"
        )


def _longest_first(model: SentenceTransformer, texts: Sequence[str]) -> list[str]:
    """Sort texts by their number of tokens, or of bytes where the encoder's tokenizer is not of the usual kind.

    Batches then hold texts of one length in whatever script. Of 99,000 sentences in 30 languages
    (SIB-200, Tatoeba, STS Benchmark) in batches of 256, padding adds 2 % to the tokens; 39 % when
    sorted by bytes and 65 % by characters. Counting takes 4 s. What does not fit into memory fails
    at once, as the longest go first.
    """
    from transformers import PreTrainedTokenizerBase

    tokenizer = model.tokenizer
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        ids = tokenizer(list(texts), truncation=True, max_length=model.max_seq_length)["input_ids"]
        sizes = [len(one) for one in ids]
    else:
        sizes = [len(text.encode()) for text in texts]
    return [texts[row] for row in sorted(range(len(texts)), key=sizes.__getitem__, reverse=True)]
