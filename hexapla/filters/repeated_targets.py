"""Pairs of source and target -> the targets that stand for many sources, in bounded memory."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

# Characters of a source whose target is counted. Shorter sources rightly share a translation.
_MIN_CHARACTERS = 20
_MAX_PAIRS = 1 << 20  # (target, source) pairs kept for each language, 8 bytes each
# Sources kept for one target once there are too many pairs. No verdict needs more.
_MAX_SOURCES = 64
_MAX_PENDING = 1 << 16
_SOURCE_BITS = 24
_EDGE = " .!?…:;,。！？：；،؟।·"


class Repeats:
    """Counts the different sources of each target by 64-bit keys: 40 bits target, 24 bits source.

    Counts are exact up to a million pairs per language. Beyond that, no target keeps more than 64
    sources, and the targets with the fewest sources are dropped first. So a count can only be too
    low, and a count that has reached 64 stays there: the limit has room for 16,000 such targets.
    """

    def __init__(self, keys: np.ndarray | None = None) -> None:
        self._keys = np.zeros(0, np.uint64) if keys is None else keys
        self._pending: list[int] = []

    def add(self, source: str, target: str) -> None:
        """Count a pair, unless the source is so short that others rightly share its translation."""
        if len(source) < _MIN_CHARACTERS:
            return
        source_bits = zlib.crc32(fold(source).encode()) & ((1 << _SOURCE_BITS) - 1)
        self._pending.append(target_key(target) << _SOURCE_BITS | source_bits)
        if len(self._pending) >= _MAX_PENDING:
            self.keys()

    def keys(self) -> np.ndarray:
        """Return the (n,) distinct pairs, sorted."""
        if self._pending:
            self._keys = np.union1d(self._keys, np.array(self._pending, np.uint64))
            self._pending = []
        if len(self._keys) > _MAX_PAIRS:
            self._keys = _most_repeated(self._keys)
        return self._keys

    def collapsed(self, min_sources: int) -> dict[int, int]:
        """Return the targets with at least `min_sources` sources: their keys and their counts."""
        targets, counts = np.unique(self.keys() >> np.uint64(_SOURCE_BITS), return_counts=True)
        many = counts >= min_sources
        return dict(zip(targets[many].tolist(), counts[many].tolist(), strict=True))


def _most_repeated(keys: np.ndarray) -> np.ndarray:
    """Cut (n,) sorted pairs down to `_MAX_PAIRS`.

    Each target keeps at most `_MAX_SOURCES` pairs. The rarest targets are dropped whole; of equally
    rare ones, those with the smallest keys stay. These are the same targets every time, so their
    counts stay right. A random choice would count every target a little.
    """
    _, first, counts = np.unique(
        keys >> np.uint64(_SOURCE_BITS), return_index=True, return_counts=True
    )
    n_kept = np.minimum(counts, _MAX_SOURCES)
    order = np.argsort(-n_kept, kind="stable")
    n_kept[order[np.cumsum(n_kept[order]) > _MAX_PAIRS]] = 0
    place_in_target = np.arange(len(keys)) - np.repeat(first, counts)
    kept: np.ndarray = keys[place_in_target < np.repeat(n_kept, counts)]
    return kept


def fold(text: str) -> str:
    """Remove what does not make two sentences different: case, spaces, punctuation at the ends.

    >>> fold(" Learn  More: ")
    'learn more'
    """
    return " ".join(text.casefold().split()).strip(_EDGE)


def target_key(target: str) -> int:
    """Return the 40-bit hash under which `Repeats` counts a target."""
    return int.from_bytes(hashlib.blake2b(fold(target).encode(), digest_size=5).digest())
