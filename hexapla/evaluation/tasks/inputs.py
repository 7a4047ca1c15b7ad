"""Files of evaluation data -> columns, read and checked before an encoder is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hexapla.corpus.parquet import read_parquet
from hexapla.corpus.reader import Corpus
from hexapla.corpus.shards import N_ROWS
from hexapla.errors import InputError
from hexapla.text import languages as codes
from hexapla.text.special_files import refuse_special


def language_files(folder: Path) -> dict[str, Path]:
    """Return the files `LANG.parquet` of a folder by language, sorted; empty if there is none.

    Raises:
        InputError: Another Parquet file in the folder is not named by a language, or two files are
            named by the same one.
    """
    files = sorted(folder.glob("*.parquet"))
    if not any(codes.is_language(file.stem) for file in files):
        return {}
    by_language: dict[str, Path] = {}
    for file in files:
        try:
            code = codes.parse(file.stem)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        if code in by_language:
            raise InputError(f"{file} and {by_language[code]} are both {code}; keep one")
        by_language[code] = file
    return by_language


def read_table_columns(file: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Read columns of a Parquet file into lists.

    Raises:
        InputError: The file is missing, unreadable, or lacks a column.
    """
    refuse_special(file)
    if not file.is_file():
        raise InputError(f"{file} does not exist")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for batch in read_parquet(file, names, N_ROWS):
        for name in names:
            columns[name] += batch.column(name).to_pylist()
    return columns


def read_corpus_columns(
    corpus: Corpus, languages: Sequence[str]
) -> tuple[list[str], dict[str, list[str | None]]]:
    """Read the row ids and the columns of some languages in one pass over a corpus."""
    row_ids: list[str] = []
    cells: dict[str, list[str | None]] = {code: [] for code in languages}
    for batch in corpus.batches(languages):
        row_ids += batch.column("row_id").to_pylist()
        for code in languages:
            cells[code] += batch.column(code).to_pylist()
    return row_ids, cells


def short_sha(*parts: bytes | str) -> str:
    """Return the first 16 hex digits of the SHA-256 of the parts, to name data in a signature."""
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
