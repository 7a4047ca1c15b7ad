"""Rows -> a corpus folder, whole or not at all.

Everything is written to a work folder beside the final one, `corpus.json` last, flushed to disk,
and then renamed, or exchanged with an older corpus. Whatever happens on the way, the final name
holds a complete corpus (the old one or the new) or nothing. Where a system cannot exchange names, a
kill may leave the old one in the work folder, and the next command puts it back. Equal rows and
settings give byte-identical files, so no time, host or random name may be written into one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.corpus.corpus_card import dataset_card
from hexapla.corpus.manifest import FORMAT, MANIFEST
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.rows import META, as_cell, as_meta, row_id
from hexapla.corpus.shards import file_facts, string_schema
from hexapla.corpus.single_file import pivot_first
from hexapla.corpus.work_folder import UNFINISHED, open_work_folder
from hexapla.errors import InputError, did_you_mean
from hexapla.runs.atomic import flush_folder, replace_folder, write_text
from hexapla.runs.foreign_files import link_foreign, warn_of_foreign
from hexapla.runs.record import check_folder_to_be
from hexapla.text import languages as codes

# What a reader decodes at once: about 10 MB of sentences in 7 languages.
ROWS_PER_GROUP = 10_000
OWN = (MANIFEST, "README.md", "run.json", "part-*.parquet", "rejected/*.jsonl")
"""Files of a corpus folder, as patterns; others in it are the user's."""

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

    A row with fewer than two cells is useless for alignment, and a row with the id of an earlier
    one repeats it. Both are left out, and counted in `corpus.json` under `dropped`.

    Args:
        rows: Mappings from canonical code to text; a missing, None, empty or all-whitespace text is
            a null cell. Keys that begin with `meta.` are kept as strings; the first row must have
            all of them. A given `row_id` is ignored and computed anew.
        out: The folder to make. It must be absent or empty, or be a corpus if `overwrite` is on.
        languages: The columns. The pivot is put first.
        pivot: The column that every row must have; a row's id is the hash of its text.
        columns: How each language's column was made (translator, revision, settings, or the file it
            came from).
        overwrite: Replace an older corpus once the new one is complete.
        rows_per_shard: Rows per Parquet file.
        license: License for the dataset card, best as an SPDX id.
        finish: Called with the unfinished folder once its shards are written. What it returns is
            added to the manifest, replacing equal keys; the files that it writes become part of the
            corpus.
        workspace: The work folder of `out` if the caller has locked it, see
            `hexapla.corpus.work_folder`; by default it is locked here.

    Returns:
        The written corpus, opened.

    Raises:
        InputError: Languages, `out` or a row are not allowed, or another command is writing `out`.
            `out` is then as it was.
    """
    order = _order(languages, pivot)
    if rows_per_shard < 1:
        raise InputError(f"rows_per_shard is {rows_per_shard}; a shard has at least 1 row")
    made = _made(columns or {}, order)
    facts: dict[str, Any] = {"columns": made, "filters": [], "license": license}
    json.dumps(facts)  # what JSON cannot hold fails here, before the work
    # A link to a folder stays, and the folder is replaced where it lies.
    final = Path(os.path.realpath(out))
    check_corpus_folder(final, overwrite)

    with ExitStack() as stack:
        if workspace is None:
            workspace = stack.enter_context(open_work_folder(final))
        check_corpus_folder(final, overwrite)  # again: another command may have made it meanwhile
        partial = workspace / UNFINISHED
        stack.callback(shutil.rmtree, partial, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)  # of a killed build
        partial.mkdir()
        manifest = _write_shards(rows, partial, order, rows_per_shard) | facts
        manifest |= finish(partial) if finish else {}
        write_text(partial / "README.md", dataset_card(final.name, manifest))
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        write_text(partial / MANIFEST, text)
        flush_folder(partial)
        _publish(partial, final, overwrite)
    return open_corpus(Path(out), verify=False)


def _order(languages: Sequence[str], pivot: str) -> tuple[str, ...]:
    order = codes.parse_list(languages, minimum=2)
    pivot = codes.parse(pivot)
    if pivot not in order:
        raise InputError(
            f"the pivot {pivot} is not among the languages {', '.join(order)}; "
            "add it or name another"
        )
    return pivot_first(order, pivot)


def _made(
    columns: Mapping[str, Mapping[str, object]], order: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Return how each column was made, in order; nothing where it is not known."""
    made = {codes.parse(code): dict(how) for code, how in columns.items()}
    if unused := made.keys() - set(order):
        raise InputError(
            f"columns says how {', '.join(sorted(unused))} was made, "
            "which is not among the languages"
        )
    return {code: made.get(code, {}) for code in order}


def check_corpus_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder that a corpus may not be written to.

    Args:
        out: The folder.
        overwrite: Allow one that holds a corpus.

    Raises:
        InputError: It is a file, lies under one, or is a folder in use.
    """
    if out.is_file():
        raise InputError(f"{out} is a file; a corpus is a folder: name one that does not exist")
    check_folder_to_be(out)
    if not out.exists():
        return
    files = [path.name for path in out.iterdir()]
    if not files:
        return
    if not overwrite:
        raise InputError(
            f"{out} is not empty; "
            "choose another folder, or replace the corpus in it with --overwrite"
        )
    if MANIFEST not in files and not all(name.startswith("part-") for name in files):
        raise InputError(
            f"{out} is not empty and no corpus; "
            "--overwrite replaces only a corpus: choose another folder"
        )


def _write_shards(
    rows: Iterable[Row], folder: Path, order: Sequence[str], rows_per_shard: int
) -> dict[str, Any]:
    """Write the rows as `part-00000.parquet` and so on, and return their part of the manifest."""
    rows = iter(rows)
    first = list(islice(rows, 1))
    meta = [key for row in first for key in row if key.startswith(META)]
    schema = string_schema(["row_id", *order, *meta])
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
                *(as_cell(as_meta(row.get(key)), place, key) for key in meta),
            ]


def _unknown_key(place: str, key: str, order: Sequence[str]) -> str:
    if key.startswith(META):
        return (
            f"{place} has {key}, which the first row lacks; "
            "give the first row every meta column, None where empty"
        )
    hint = did_you_mean(key, order)
    return f"{place} has {key}, which is not among the languages {', '.join(order)}{hint}"


def _publish(partial: Path, final: Path, overwrite: bool) -> None:
    """Give the complete folder its final name, and what is not ours in the older one."""
    kept: list[Path] = []
    if overwrite and final.exists():
        kept = link_foreign(final, partial, OWN)
        flush_folder(partial)
    try:
        replace_folder(partial, final, overwrite=overwrite)
    except OSError as error:
        raise InputError(f"{final} could not be put in place: {error.strerror}") from error
    warn_of_foreign(final, kept)
