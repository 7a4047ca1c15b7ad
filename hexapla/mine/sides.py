"""Text files of one side -> its distinct sentences, their places, and their vectors on disk.

A sentence that occurs in several places is encoded once and mined once, from its first place.
Vectors are float16 in one memory-mapped file. They are written in steps, and the number of finished
vectors is recorded after each step, so an interruption costs one step.
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
from hexapla.mine.disk_space import allocate
from hexapla.runs.atomic import write_json
from hexapla.runs.progress import Bar
from hexapla.sources.texts import find_sources

Steps = Callable[[Iterable[list[str]]], Iterable[NDArray[np.floating]]]
"""Encodes lists of sentences, and gives the (n, D) unit vectors of each list in order."""

_SENTENCES_PER_STEP = 4096
_RECORD = "done.json"


@dataclass(frozen=True)
class Side:
    """The sentences of one side.

    Attributes:
        name: The path, as it was given.
        sentences: The distinct sentences, in the order of their first places.
        places: First place of each sentence: "LINE", or "FILE:LINE" if there are several files.
        row_of: For each place, the row of its sentence.
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
        field: Field that holds the text; text files have none.

    Raises:
        InputError: There is no such file or no such field, or there is no text.
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
        raise InputError(f"{path}: no text in it; a side needs one sentence or more")
    return Side(path, tuple(rows), tuple(places), row_of)


def vectors_path(side: Side, work: Path) -> Path:
    """Return the file of a side's vectors; equal sides share one, so they are encoded once."""
    return work / side.sha256[:32] / "vectors.f16"


def encode_side(side: Side, work: Path, encode: Steps, dim: int, bar: Bar) -> NDArray[np.float16]:
    """Encode the sentences that are not encoded yet.

    Args:
        side: The sentences.
        work: Folder of the run, in which vectors of these sentences get a folder.
        encode: Encodes lists of sentences.
        dim: Number of dimensions.
        bar: Counts the sentences.

    Returns:
        (S, D) unit vectors, memory-mapped and read-only.

    Raises:
        OSError: The disk has no room for the vectors.
    """
    path = vectors_path(side, work)
    record = path.with_name(_RECORD)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(side.sentences), dim)
    n_done = json.loads(record.read_text(encoding="utf-8"))["n_done"] if record.is_file() else 0
    if not path.is_file() or path.stat().st_size != 2 * shape[0] * shape[1]:
        n_done = 0  # the vectors were lost or cut short, so the record does not hold
    allocate(path, 2 * shape[0] * shape[1])
    vectors_SD = np.memmap(path, dtype=np.float16, mode="r+", shape=shape)
    bar.skip(n_done)
    starts = range(n_done, len(side.sentences), _SENTENCES_PER_STEP)
    steps = (list(side.sentences[start : start + _SENTENCES_PER_STEP]) for start in starts)
    for start, step_BD in zip(starts, encode(steps), strict=True):
        vectors_SD[start : start + len(step_BD)] = step_BD
        vectors_SD.flush()
        write_json(record, {"n_done": start + len(step_BD)})
        bar.advance(len(step_BD))
    del vectors_SD
    return np.memmap(path, dtype=np.float16, mode="r", shape=shape)
