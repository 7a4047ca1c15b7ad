"""A cache of vectors on disk, keyed by weights, length limit, precision, prompt and text.

The key holds the hash of the weights, never a name, so that a checkpoint cannot get the vectors of
another one with the same name. Which texts share a forward pass is not in the key: it changes a
vector by rounding alone. Each step of an evaluation adds a file, whole or not at all, so that
an interrupted evaluation can be resumed.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hexapla.runs.atomic import write_beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_KEY_BYTES = 16


class VectorCache:
    """The vectors of one encoder, in a folder that several encoders and evaluations may share."""

    def __init__(
        self, folder: Path, *, encoder_sha: str, max_tokens: int | None, dtype: str
    ) -> None:
        """Read the vectors that the folder has for the encoder.

        Args:
            folder: Folder of all encoders; made when the first vectors are added.
            encoder_sha: SHA-256 of the weights, or the commit of an encoder on the Hub.
            max_tokens: Number of tokens at which texts are truncated.
            dtype: Precision of the weights.
        """
        key = hashlib.sha256(f"{encoder_sha}|{max_tokens}|{dtype}".encode()).hexdigest()[:32]
        self._folder = folder / key
        self._rows: dict[bytes, tuple[int, int]] = {}
        self._parts: list[NDArray[np.float32]] = []
        for path in sorted(self._folder.glob("*.npz")):
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as stored:
                keys, vectors = stored["keys"], stored["vectors"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("%s cannot be read (%s); its texts are embedded again", path, error)
            path.unlink()
            return
        self._index(keys, vectors)

    def _index(self, keys: NDArray[np.void], vectors: NDArray[np.float32]) -> None:
        self._rows.update({key.tobytes(): (len(self._parts), row) for row, key in enumerate(keys)})
        self._parts.append(vectors)

    def get(self, prompt: str, text: str) -> NDArray[np.float32] | None:
        """Return the (dim,) vector of a text, or None."""
        place = self._rows.get(_key(prompt, text))
        return None if place is None else self._parts[place[0]][place[1]]

    def add(self, prompt: str, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add the (n, dim) vectors of n texts, on disk and in memory."""
        keys = np.frombuffer(b"".join(_key(prompt, text) for text in texts), dtype=f"V{_KEY_BYTES}")
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(keys.tobytes()).hexdigest()[:24]
        # As an open file, since `savez` would append ".npz" to a path.
        with write_beside(self._folder / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez(file, keys=keys, vectors=vectors)
        self._index(keys, vectors)


def _key(prompt: str, text: str) -> bytes:
    """Hash prompt and text; the prompt's length keeps them apart."""
    content = f"{len(prompt)}|{prompt}{text}".encode()
    return hashlib.blake2b(content, digest_size=_KEY_BYTES).digest()
