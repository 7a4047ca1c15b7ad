"""The files that evaluation data come in -> columns, checked; and what every task hands on: a `Measurement`.

The decision worth knowing: everything that can be wrong with the data is found here, before an
encoder is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.corpus import tables
from hexapla.corpus.reader import N_ROWS, Corpus
from hexapla.encoder.load import Task
from hexapla.errors import InputError
from hexapla.text import languages as codes

# What a measurement is of: task and languages, as in `Score`.
Key = tuple[str, str]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Texts -> (n, dim) unit vectors, in order.
    Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The metrics of one task on one language or pair, and the statistics of each item.

    Attributes:
        task: As `Score.task`.
        split: As `Score.split`.
        languages: As `Score.languages`.
        data_sha: Start of the SHA-256 of the data.
        items: Names of the items, unique, equal for the same item in another language or encoder.
        columns: Per-item statistics, (n,) each.
        metrics: Value by name.
        settings: What else the value depends on; goes into the signature.
    """

    task: str
    split: str
    languages: str
    data_sha: str
    items: Sequence[str]
    columns: Mapping[str, NDArray[np.float64]]
    metrics: Mapping[str, float]
    settings: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """Texts that a task needs embedded, and the kind of task, by which the encoder chooses its prompt."""

    kind: Task
    texts: Sequence[str]


def language_files(folder: Path) -> dict[str, Path]:
    """Return the files `LANG.parquet` of a folder by language, sorted; none if the folder has no such file.

    Raises:
        InputError: A Parquet file beside them is named by no language, or two by the same one.
    """
    files = sorted(folder.glob("*.parquet"))
    if not any(codes.is_language(file.stem) for file in files):
        return {}
    found: dict[str, Path] = {}
    for file in files:
        try:
            code = codes.parse(file.stem)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        if code in found:
            raise InputError(f"{file} and {found[code]} are both {code}; keep one")
        found[code] = file
    return found


def read_columns(file: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Read columns of a Parquet file into lists.

    Raises:
        InputError: The file is missing, unreadable, or lacks a column.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for batch in tables.read_parquet(file, names, N_ROWS):
        for name in names:
            columns[name] += batch.column(name).to_pylist()
    return columns


def read_cells(
    corpus: Corpus, languages: Sequence[str]
) -> tuple[list[str], dict[str, list[str | None]]]:
    """Read a corpus in one pass: the ids of its rows, and the columns of some languages."""
    row_ids: list[str] = []
    cells: dict[str, list[str | None]] = {code: [] for code in languages}
    for batch in corpus.batches(languages):
        row_ids += batch.column("row_id").to_pylist()
        for code in languages:
            cells[code] += batch.column(code).to_pylist()
    return row_ids, cells


def short_sha(*parts: bytes | str) -> str:
    """Return the first 16 hex digits of the SHA-256 of the parts; enough to tell data apart in a signature."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:16]


def filled(*columns: Sequence[object | None]) -> list[int]:
    """Return the rows in which no cell is None or blank.

    >>> filled(["a", None, "c"], ["x", "y", " "])
    [0]
    """
    return [
        row
        for row, cells in enumerate(zip(*columns, strict=True))
        if not any(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)
    ]
