"""The vectors of all texts of a run, each distinct text embedded once.

All tasks name their texts before anything is embedded. So English, which is in every pair, and
SIB-200's sentences, which are in bitext and in classification, are embedded once, and texts of all
languages share a forward pass. The vectors stay in memory: 100,000 texts of 768 dimensions are
293 MiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hexapla.encoder.encode import encode_steps, in_steps
from hexapla.encoder.kind import Task
from hexapla.encoder.vector_cache import VectorCache
from hexapla.errors import InputError
from hexapla.runs.progress import Bar

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer


class Vectors:
    """The vectors of texts, by the prompt that the encoder puts before them."""

    def __init__(
        self, prompts: Mapping[Task, str], wanted: Iterable[tuple[Task, Sequence[str]]]
    ) -> None:
        """Collect the distinct texts.

        Args:
            prompts: Prompt of each task type; types with equal prompts share vectors.
            wanted: Groups of texts, each with its task type.
        """
        self._prompts = dict(prompts)
        self._task_types: dict[str, Task] = {}
        texts: dict[str, dict[str, None]] = {}
        for task_type, group in wanted:
            prompt = self._prompts[task_type]
            self._task_types.setdefault(prompt, task_type)
            texts.setdefault(prompt, {}).update(dict.fromkeys(group))
        self._texts = {prompt: list(distinct) for prompt, distinct in texts.items()}
        self._rows: dict[str, dict[str, int]] = {}
        self._matrices: dict[str, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        """Return the number of texts to embed."""
        return sum(len(texts) for texts in self._texts.values())

    def embed(
        self,
        model: SentenceTransformer,
        *,
        batch_size: int,
        bf16: bool = False,
        bar: Bar | None = None,
        cache: VectorCache | None = None,
    ) -> None:
        """Embed all texts that the cache lacks, and add them to it.

        Args:
            model: The encoder.
            batch_size: Texts in one forward pass, where sentences are padded.
            bf16: Multiply matrices in bfloat16; norms, pooling and the vectors stay in float32.
            bar: Counts the texts.
            cache: Vectors of this encoder on disk.

        Raises:
            InputError: A vector is not finite.
        """
        for prompt, distinct in self._texts.items():
            cached = {
                text: vector
                for text in distinct
                if cache and (vector := cache.get(prompt, text)) is not None
            }
            if bar and cached:
                bar.skip(len(cached))
            texts = [text for text in distinct if text not in cached]
            parts = [np.stack(list(cached.values()))] if cached else []
            self._rows[prompt] = {text: row for row, text in enumerate([*cached, *texts])}
            task = self._task_types[prompt]
            steps = in_steps(texts)
            encoded = encode_steps(
                model,
                steps,
                task=task,
                batch_size=batch_size,
                bf16=bf16,
                advance=bar.advance if bar else lambda _: None,
            )
            for step, vectors in zip(steps, encoded, strict=True):
                _check_finite(vectors, step)
                if cache:
                    cache.add(prompt, step, vectors)
                parts.append(vectors)
            self._matrices[prompt] = np.concatenate(parts)

    def of(self, task_type: Task, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the (n, dim) vectors of texts, in order, after `embed`."""
        prompt = self._prompts[task_type]
        rows = self._rows[prompt]
        return self._matrices[prompt][[rows[text] for text in texts]]


def _check_finite(vectors: NDArray[np.float32], texts: Sequence[str]) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            "the encoder gives vectors that are not finite for "
            f"{len(texts) - int(finite.sum())} texts, the first of them "
            f"{texts[int(finite.argmin())][:60]!r}; its weights are damaged or overflow"
        )
