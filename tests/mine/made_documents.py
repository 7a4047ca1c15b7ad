"""Vectors of made documents, and the shape of their links."""

from __future__ import annotations

import numpy as np

from hexapla.mine import Link
from hexapla.mine.cheapest_links import FloatArray

Shape = list[tuple[tuple[int, ...], tuple[int, ...]]]


def unit(n_rows: int, seed: int, dim: int = 64) -> np.ndarray:
    """Return (n_rows, dim) random unit vectors."""
    vectors = np.random.default_rng(seed).normal(size=(n_rows, dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def blocks(vectors: np.ndarray) -> list[FloatArray]:
    """Return unit vectors of sentences and of each two joined, which is their mean."""
    pairs = (vectors[:-1] + vectors[1:]) / 2
    sides = [vectors, pairs] if len(vectors) > 1 else [vectors]
    return [
        (side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32) for side in sides
    ]


def document(text: str, seed: int = 0) -> list[FloatArray]:
    """Return the blocks of a document with one letter for each sentence; equal letters are equal.

    >>> bool((document("aba")[0][0] == document("ca")[0][1]).all())
    True
    """
    vectors = unit(26, seed)
    return blocks(vectors[[ord(letter) - ord("a") for letter in text]])


def shape(links: list[Link]) -> Shape:
    """Return the links without their costs."""
    return [(link.source, link.target) for link in links]


def mirrored(links: Shape) -> Shape:
    """Return the links with source and target exchanged."""
    return [(target, source) for source, target in links]
