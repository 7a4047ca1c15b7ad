"""The texts of a corpus as vectors of one encoder, which is loaded when it is first needed.

Vectors that earlier starts left are read at once. If none is missing, sentences of the corpus can
be looked up before torch is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from hexapla.encoder.encode import Advance, encode
from hexapla.encoder.vector_cache import VectorCache
from hexapla.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

_TASK: Final = "BitextMining"
_PROMPT: Final = ""  # in the cache; what decides the prompt is in the encoder's key


class TextVectors:
    """The vectors of distinct texts, and of any other text, by one encoder.

    Args:
        texts: The distinct texts.
        load: Returns the encoder; called once, and again only after it has failed.
        cache: Vectors of this encoder on disk; those that it lacks are added to it.
    """

    def __init__(
        self,
        texts: Sequence[str],
        load: Callable[[], SentenceTransformer],
        cache: VectorCache | None = None,
    ) -> None:
        self._rows = {text: row for row, text in enumerate(texts)}
        self._load = load
        self._cache = cache
        self._lock = threading.Lock()
        self._model: SentenceTransformer | None = None
        self._vectors: NDArray[np.float32] | None = None
        kept = {text: cache.get(_PROMPT, text) for text in texts} if cache else {}
        self._kept = {text: vector for text, vector in kept.items() if vector is not None}
        if not self.n_missing:
            self._stack()

    @property
    def n_missing(self) -> int:
        """Number of texts without a vector."""
        return len(self._rows) - len(self._kept) if self._vectors is None else 0

    def has(self, text: str) -> bool:
        """Return whether a text's vector and those of all texts can be had without waiting."""
        return self._vectors is not None and (text in self._rows or self._model is not None)

    def all(self) -> NDArray[np.float32]:
        """Return the (n, dim) vectors of the texts, in their order."""
        if self._vectors is None:
            self.prepare()
        return cast("NDArray[np.float32]", self._vectors)

    def of(self, text: str) -> NDArray[np.float32]:
        """Return the (dim,) vector of any text.

        Raises:
            InputError: The encoder does not load, or the vector is not finite.
        """
        row = self._rows.get(text)
        vector: NDArray[np.float32]
        vector = _encode(self.prepare(), [text])[0] if row is None else self.all()[row]
        return vector

    def prepare(self, advance: Advance = lambda _: None) -> SentenceTransformer:
        """Load the encoder, encode the texts without a vector, and return the encoder.

        Another thread that needs either meanwhile waits.

        Args:
            advance: Called with the number of texts after each forward pass.

        Raises:
            InputError: The encoder does not load, or a vector is not finite.
        """
        with self._lock:
            model = self._model or self._load()
            if self._vectors is None:
                missing = [text for text in self._rows if text not in self._kept]
                vectors = _encode(model, missing, advance)
                if self._cache:
                    self._cache.add(_PROMPT, missing, vectors)
                self._kept |= dict(zip(missing, vectors, strict=True))
                self._stack()
            self._model = model
            return model

    def _stack(self) -> None:
        """Make one array of all vectors, and let go of the parts that it is made from."""
        self._vectors = np.stack([self._kept[text] for text in self._rows])
        self._kept, self._cache = {}, None


def _encode(
    model: SentenceTransformer, texts: Sequence[str], advance: Advance = lambda _: None
) -> NDArray[np.float32]:
    """Encode texts as for bitext mining, and refuse vectors that are not finite."""
    vectors = encode(model, texts, task=_TASK, advance=advance)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        text = texts[int(finite.argmin())][:60]
        raise InputError(f"the encoder gives no finite vector for {text!r}; is it damaged?")
    return vectors
