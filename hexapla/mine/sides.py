"""One side of mining: texts from files -> its distinct sentences, where they stand, and their vectors on disk.

A sentence that stands in several places is encoded once, and mined once, from the first. Vectors
are float16 in one memory-mapped file, written in steps; how many are done is recorded after each,
so that a kill costs one step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hexapla.errors import InputError
from hexapla.runs.atomic import write_json
from hexapla.sources.texts import find_sources

_STEP = 4096  # sentences between two records
_DONE = "done.json"


@dataclass(frozen=True)
class Side:
    """The sentences of one side.

    Attributes:
        name: The path, as it was given.
        sentences: Distinct ones, in the order of their first places.
        places: "LINE", or "FILE:LINE" where there are several files, of the first place of each.
        row_of: The sentence that stands in a place.
    """

    name: str
    sentences: tuple[str, ...]
    places: tuple[str, ...]
    row_of: dict[str, int]

    @property
    def sha256(self) -> str:
        """Hash of the sentences in order."""
        digest = hashlib.sha256()
        for sentence in self.sentences:
            digest.update(sentence.encode() + b"\0")
        return digest.hexdigest()


def read_side(path: str, field: str | None = None) -> Side:
    """Read one side.

    Args:
        path: A file or a folder of text, JSONL, CSV, TSV or Parquet, plain or compressed.
        field: That holds the text, of anything but lines of text.

    Raises:
        InputError: No such file, nothing in it, or no such field.
    """
    sources = find_sources([path])
    for source in sources:
        source.check(field)
    rows: dict[str, int] = {}
    places: list[str] = []
    row_of: dict[str, int] = {}
    for source in sources:
        for number, text in source.texts(field or ""):
            if text is None or not (sentence := " ".join(text.split())):
                continue
            place = str(number) if len(sources) == 1 else f"{source.name}:{number}"
            if sentence not in rows:
                rows[sentence] = len(rows)
                places.append(place)
            row_of[place] = rows[sentence]
    if not rows:
        raise InputError(f"{path}: no text in it; a side has one sentence or more")
    return Side(path, tuple(rows), tuple(places), row_of)


def encode_side(
    side: Side,
    folder: Path,
    encode: Callable[[Iterable[list[str]]], Iterable[NDArray[np.floating]]],
    dim: int,
    advance: Callable[[int], None],
) -> NDArray[np.float16]:
    """Encode what is not encoded yet.

    Args:
        side: The sentences.
        folder: For the vectors, which are of these sentences and one encoder alone; made if need
            be.
        encode: Lists of sentences to (n, dim) unit vectors of each, in order.
        dim: Dimensions.
        advance: Called with the number of sentences that are just done, or were before.

    Returns:
        (N, dim), memory-mapped and read-only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, record = folder / "vectors.f16", folder / _DONE
    shape = (len(side.sentences), dim)
    n_done = json.loads(record.read_text(encoding="utf-8"))["n_done"] if record.is_file() else 0
    if not path.is_file() or path.stat().st_size != 2 * shape[0] * shape[1]:
        n_done = 0  # lost or cut short: what the record says is not there
    vectors = np.memmap(path, dtype=np.float16, mode="r+" if n_done else "w+", shape=shape)
    advance(n_done)
    starts = range(n_done, len(side.sentences), _STEP)
    steps = (list(side.sentences[start : start + _STEP]) for start in starts)
    for start, found in zip(starts, encode(steps), strict=True):
        vectors[start : start + len(found)] = found
        vectors.flush()
        write_json(record, {"n_done": start + len(found)})
        advance(len(found))
    del vectors
    return np.memmap(path, dtype=np.float16, mode="r", shape=shape)
