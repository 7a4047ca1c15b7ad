"""A single table file read as a corpus: the manifest that it would have, and its rows with ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from hexapla.corpus.rows import META, row_id
from hexapla.corpus.shards import file_facts, refuse_missing, string_schema
from hexapla.corpus.tables import (
    SUFFIXES,
    language_columns,
    note_once,
    note_unused,
    read_cells,
    text_columns,
)
from hexapla.errors import InputError
from hexapla.text.lines import COMPRESSIONS, ending


def describe_file(
    path: Path, languages: Sequence[str] | None, pivot: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a file's manifest, but for the number of rows, and the column of each language.

    What a user may not expect is logged: columns that are not used, and a pivot besides English.

    Args:
        path: The file.
        languages: Those that are asked for, which the file must have.
        pivot: By default eng_Latn, or the first language if the file has no English.

    Raises:
        InputError: A file of another kind, without two columns named by language, or without a
            language that is asked for.
    """
    if (kind := ending(path)) not in SUFFIXES:
        raise InputError(
            f'{path} has the ending "{kind}"; a corpus is a folder or a file ending in '
            f"{', '.join(SUFFIXES)}, plain or compressed as {' or '.join(COMPRESSIONS)}"
        )
    columns = text_columns(path)
    found = language_columns(path, columns, languages)
    english = "eng_Latn" in found
    chosen = pivot or ("eng_Latn" if english else next(iter(found)))
    refuse_missing([chosen, *(languages or ())], list(found), path)
    note_unused(path, columns, found.values())
    if pivot is None and not english:
        note_once(
            path.parent,
            f"no English column; {chosen}, the first, is the pivot (the language that no row may "
            "lack)",
        )
    pivot = chosen
    manifest = {
        "languages": list(pivot_first(list(found), pivot)),
        "pivot": pivot,
        "meta": [name for name in columns if name.startswith(META)],
        "columns": {code: {"file": path.name, "column": name} for code, name in found.items()},
        "shards": [file_facts(path)],
    }
    return manifest, found


def read_file(
    path: Path,
    columns: Sequence[str],
    pivot: str,
    n_rows: int,
    file_columns: Mapping[str, str],
) -> Iterator[pa.RecordBatch]:
    """Yield `row_id` and `columns` of a file in batches of at most `n_rows` rows.

    Args:
        path: The file.
        columns: Languages and `meta.` columns.
        pivot: The language whose text gives a row its id.
        n_rows: Rows per batch.
        file_columns: The name in the file of each language.

    Raises:
        InputError: A row without its pivot, a cell that is not clean text, or a line that cannot be
            parsed.
    """
    schema = string_schema(["row_id", *columns])
    names = {column: file_columns.get(column, column) for column in [pivot, *columns]}
    for batch in read_cells(path, list(names.values()), names[pivot], n_rows):
        ids = [row_id(text) for text in batch.column(names[pivot]).to_pylist()]
        cells = [batch.column(names[column]) for column in columns]
        yield pa.RecordBatch.from_arrays([pa.array(ids, pa.string()), *cells], schema=schema)


def pivot_first(languages: Sequence[str], pivot: str) -> tuple[str, ...]:
    """Return the languages in their order, but the pivot first if it is one of them.

    >>> pivot_first(["deu_Latn", "eng_Latn", "fra_Latn"], "eng_Latn")
    ('eng_Latn', 'deu_Latn', 'fra_Latn')
    """
    return tuple(sorted(languages, key=lambda code: code != pivot))
