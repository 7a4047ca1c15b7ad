"""Rows -> a corpus folder, whole or not at all.

Everything is written to a hidden folder beside the final one, `corpus.json` last, flushed to disk,
and then renamed: whatever happens on the way, under the final name stands a complete corpus (the
old one or the new) or nothing. Equal rows and settings give byte-identical files, so nothing here
may write a time, a host or a random name into one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.corpus.corpus_card import dataset_card
from hexapla.corpus.rows import as_cell, row_id
from hexapla.corpus.tables import META, as_text
from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from hexapla.corpus.reader import Corpus

FORMAT = "hexapla corpus 1"
MANIFEST = "corpus.json"
# a Parquet row group: what a reader decodes at once, about 10 MB of 7 languages' sentences
ROWS_PER_GROUP = 10_000

Row = Mapping[str, object]


def write_corpus(
    rows: Iterable[Row],
    out: str | Path,
    *,
    languages: Sequence[str],
    pivot: str = "eng_Latn",
    columns: Mapping[str, Mapping[str, object]] | None = None,
    overwrite: bool = False,
    rows_per_shard: int = 100_000,
    license: str | None = None,
    finish: Callable[[Path], Mapping[str, object]] | None = None,
    workspace: Path | None = None,
) -> Corpus:
    """Write rows, in order, as a corpus folder.

    A row with fewer than two cells teaches no alignment and one with the id of an earlier row
    repeats it: both are left out and counted in `corpus.json`, under `dropped`.

    Args:
        rows: Mappings from canonical code to text; a missing, None, empty or all-whitespace text is
            a null cell. Keys that begin with `meta.` are kept as strings; the first row says which
            there are. A `row_id` is made anew.
        out: The folder to make. It must be absent or empty, or else a corpus and `overwrite` on.
        languages: The columns. The pivot is put first.
        pivot: The column that every row must have and that its id is the hash of.
        columns: How each language's column was made (translator, revision, settings, or the file it
            came from).
        overwrite: Put the new corpus in the place of the old once the new one is complete.
        rows_per_shard: Rows per Parquet file.
        license: For the dataset card, best as an SPDX id.
        finish: Called with the folder being written when its shards are. What it returns joins the
            manifest, in place of an equal key; files that it writes there get their final name
            together with the corpus.
        workspace: A folder on the same file system for what is unfinished, which a kill leaves
            there; default: beside `out`, in a hidden folder.

    Returns:
        The written corpus, opened.

    Raises:
        InputError: Languages, `out` or a row that cannot be. Nothing is then left under `out`, or
            what was there.
    """
    order = _order(languages, pivot)
    made = {codes.parse(code): dict(how) for code, how in (columns or {}).items()}
    if unused := made.keys() - set(order):
        raise InputError(
            f"columns tells how {', '.join(sorted(unused))} was made, which is not among the languages"
        )
    if rows_per_shard < 1:
        raise InputError(f"rows_per_shard is {rows_per_shard}; a shard has at least 1 row")
    made = {code: made.get(code, {}) for code in order}
    facts: dict[str, Any] = {"columns": made, "filters": [], "license": license}
    json.dumps(facts)  # what JSON cannot hold fails here, before the work
    final = Path(
        os.path.realpath(out)
    )  # a link to a folder stays, and the folder is replaced where it lies
    check_out_folder(final, overwrite)

    partial = (workspace or final.parent) / f".{final.name}.{uuid.uuid4().hex}.partial"
    try:
        _make_folder(partial)
        manifest = _write_shards(rows, partial, order, rows_per_shard) | facts
        manifest |= finish(partial) if finish else {}
        (partial / "README.md").write_text(
            dataset_card(final.name, manifest), encoding="utf-8", newline="\n"
        )
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (partial / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
        for folder, _, files in os.walk(partial):
            for name in files:
                flush(Path(folder, name))
            flush(Path(folder))
        _publish(partial, final, overwrite)
    finally:
        shutil.rmtree(partial, ignore_errors=True)

    from hexapla.corpus.reader import open_corpus

    return open_corpus(Path(out), verify=False)


def file_facts(path: Path) -> dict[str, Any]:
    """Return what identifies a file in a manifest: its name, size and SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "n_bytes": path.stat().st_size, "sha256": digest}


# What is asked for


def _order(languages: Sequence[str], pivot: str) -> tuple[str, ...]:
    order = codes.parse_list(languages, least=2)
    pivot = codes.parse(pivot)
    if pivot not in order:
        raise InputError(
            f"the pivot {pivot} is not among the languages {', '.join(order)}; add it or name another"
        )
    return (pivot, *(code for code in order if code != pivot))


def check_out_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder that a corpus may not be written to: one in use, unless `overwrite` and it holds a corpus."""
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; a corpus is a folder: name one that does not exist")
    files = [path.name for path in out.iterdir()]
    if not files:
        return
    if not overwrite:
        raise InputError(
            f"{out} is not empty; choose another folder, or replace the corpus in it with --overwrite"
        )
    if MANIFEST not in files and not all(name.startswith("part-") for name in files):
        raise InputError(
            f"{out} is not empty and no corpus; --overwrite replaces only a corpus: choose another folder"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"no folder can be made in {folder.parent}: {error.strerror}") from error


# Rows -> shards


def _write_shards(
    rows: Iterable[Row], folder: Path, order: Sequence[str], rows_per_shard: int
) -> dict[str, Any]:
    """Write the rows as `part-00000.parquet`, ... and return their part of the manifest."""
    rows = iter(rows)
    first = list(islice(rows, 1))
    meta = [key for row in first for key in row if key.startswith(META)]
    schema = pa.schema([(name, pa.string()) for name in ("row_id", *order, *meta)])
    dropped: Counter[str] = Counter(fewer_than_two_cells=0, repeated_row=0)
    accepted = _accepted(chain(first, rows), order, meta, dropped)

    shards: list[dict[str, Any]] = []
    while group := list(islice(accepted, min(ROWS_PER_GROUP, rows_per_shard))):
        path = folder / f"part-{len(shards):05d}.parquet"
        n_rows = 0
        with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
            while group:
                arrays = [pa.array(column, pa.string()) for column in zip(*group, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                n_rows += len(group)
                group = list(islice(accepted, min(ROWS_PER_GROUP, rows_per_shard - n_rows)))
        shards.append(file_facts(path) | {"n_rows": n_rows})
    if not shards:
        counts = ", ".join(f"{reason} {n}" for reason, n in dropped.items())
        raise InputError(
            f"there is no row to write (left out: {counts}); a row needs cells in two languages"
        )
    return {
        "format": FORMAT,
        "languages": list(order),
        "pivot": order[0],
        "meta": meta,
        "n_rows": sum(shard["n_rows"] for shard in shards),
        "shards": shards,
        "dropped": dict(dropped),
    }


def _accepted(
    rows: Iterable[Row], order: Sequence[str], meta: Sequence[str], dropped: Counter[str]
) -> Iterator[list[str | None]]:
    """Yield id, cells and meta values of the rows to keep; count the others in `dropped`."""
    known = {"row_id", *order, *meta}
    seen: set[bytes] = set()
    for number, row in enumerate(rows, start=1):
        place = f"row {number}"
        if unknown := row.keys() - known:
            raise InputError(_unknown_key(place, min(unknown), order))
        cells = [as_cell(row.get(code), place, code) for code in order]
        if cells[0] is None:
            raise InputError(f"{place} has no {order[0]} cell; every row needs its pivot")
        identity = row_id(cells[0])
        if sum(cell is not None for cell in cells) < 2:
            dropped["fewer_than_two_cells"] += 1
        elif (digest := bytes.fromhex(identity)) in seen:
            dropped["repeated_row"] += 1
        else:
            seen.add(digest)
            yield [
                identity,
                *cells,
                *(as_cell(_meta_text(row.get(key)), place, key) for key in meta),
            ]


def _meta_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else as_text(value)


def _unknown_key(place: str, key: str, order: Sequence[str]) -> str:
    if key.startswith(META):
        return f"{place} has {key}, which the first row lacks; give the first row every meta column, None where empty"
    return f"{place} has {key}, which is not among the languages {', '.join(order)}{did_you_mean(key, order)}"


# Files -> the final name


def flush(path: Path) -> None:
    """Make a file's content, or a folder's entries, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _publish(partial: Path, final: Path, overwrite: bool) -> None:
    """Give the complete folder its final name; the old one steps aside and comes back if that fails."""
    replaced = partial.with_suffix(".replaced")
    try:
        if overwrite and final.exists():
            os.rename(final, replaced)
        os.rename(partial, final)
    except BaseException as error:
        if replaced.exists() and not final.exists():
            os.rename(replaced, final)
        if isinstance(error, OSError):
            raise InputError(f"{final} could not be put in place: {error.strerror}") from error
        raise
    try:
        flush(final.parent)
    finally:
        shutil.rmtree(replaced, ignore_errors=True)
