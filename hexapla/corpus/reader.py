"""A multi-way parallel corpus: rows that say one thing in many languages, read lazily and in order.

In goes a corpus folder (Parquet shards and a `corpus.json` that lists them) or a single table file;
out come batches, columns, a memory-mapped dataset and splits. Nothing is ever held in memory whole
but what is asked for by column. A split is a range of row ids, so it costs nothing and a row never
changes sides when the corpus grows.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

import hexapla
from hexapla.corpus import tables
from hexapla.corpus.inspect import inspect_corpus
from hexapla.corpus.rows import is_held_out, row_id, share_bound
from hexapla.corpus.writer import FORMAT, MANIFEST, file_facts, write_corpus
from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes

if TYPE_CHECKING:
    import datasets

__all__ = ["Corpus", "inspect_corpus", "is_held_out", "open_corpus", "row_id", "write_corpus"]

SAMPLE = "sample"
N_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """An opened corpus, or the part of one that `open_corpus` and `split` select. Made by `open_corpus`.

    Attributes:
        path: The folder, or the single file.
        name: The last part of the path.
        languages: The selected columns in order, the pivot first when it is one of them.
        pivot: The column that the others are translated from; every row has it, selected or not.
        manifest: What `corpus.json` says of the whole corpus, whatever is selected. For a single
            file, the same facts as found in the file.
        file_columns: For a single file, the name in the file of each language; None for a folder.
        id_range: The rows selected: those whose row id falls between these two shares of all ids.
    """

    path: Path
    name: str
    languages: tuple[str, ...]
    pivot: str
    manifest: Mapping[str, Any]
    file_columns: Mapping[str, str] | None = None
    id_range: tuple[float, float] = (0.0, 1.0)

    def __len__(self) -> int:
        """Return how many rows are selected."""
        return self.n_rows

    @cached_property
    def n_rows(self) -> int:
        """How many rows are selected. Of a split this is counted once, by reading the row ids."""
        if self.id_range == (0.0, 1.0):
            return int(self.manifest["n_rows"])
        return sum(batch.num_rows for batch in self._read([], N_ROWS))

    @cached_property
    def sha256(self) -> str:
        """Hash of what is selected: languages in order, pivot, the shards' hashes, and the rows' range if a split."""
        facts: list[object] = [
            self.languages,
            self.pivot,
            [shard["sha256"] for shard in self.manifest["shards"]],
        ]
        if self.id_range != (0.0, 1.0):
            facts.append(self.id_range)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def batches(
        self, languages: Sequence[str] | None = None, n_rows: int = N_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield `row_id` and the columns of `languages` (default all selected) in batches of at most `n_rows` rows."""
        if n_rows < 1:
            raise InputError(f"n_rows is {n_rows}; a batch has at least 1 row")
        return self._read(self._chosen(languages), n_rows)

    def rows(self) -> Iterator[dict[str, str | None]]:
        """Yield each row's selected cells and its `meta.` columns, as `write_corpus` takes them."""
        for batch in self._read([*self.languages, *self.manifest["meta"]], N_ROWS):
            yield from batch.drop_columns(["row_id"]).to_pylist()

    def cells(self, language: str) -> list[str | None]:
        """Return the column of `language`, None where a row lacks it."""
        (column,) = self._chosen([language])
        return [
            cell
            for batch in self._read([column], N_ROWS)
            for cell in batch.column(column).to_pylist()
        ]

    def row_ids(self) -> list[str]:
        """Return the ids in row order. Those of a folder are unique; a single file may repeat a pivot text."""
        return [
            row for batch in self._read([], N_ROWS) for row in batch.column("row_id").to_pylist()
        ]

    def split(self, share: float) -> tuple[Corpus, Corpus]:
        """Return the rows kept and the `share` (0 to 1) of them held out, both as views of the same files.

        Sides are drawn by row id: of a whole corpus those with `is_held_out(row_id, share)` are
        held out; a part is split again within its own range of ids, so that the second split is as
        even as the first.
        """
        if not 0 <= share < 1:
            raise InputError(
                f"the held-out share is {share}; it must be at least 0 and less than 1"
            )
        low, high = self.id_range
        cut = low + (high - low) * share
        return replace(self, id_range=(cut, high)), replace(self, id_range=(low, cut))

    def dataset(self, languages: Sequence[str] | None = None) -> datasets.Dataset:
        """Return `row_id` and the columns of `languages` as a memory-mapped dataset for random access.

        The rows are written once, as Arrow, into the cache of `datasets` under a name made of their
        hash. They are verified before that, so that damaged shards never stand in the cache under
        the name of sound ones.
        """
        import datasets

        columns = self._chosen(languages)
        key = hashlib.sha256(
            json.dumps([self.sha256, columns, hexapla.__version__]).encode()
        ).hexdigest()
        cached = Path(datasets.config.HF_DATASETS_CACHE) / "hexapla" / f"{key}.arrow"
        if not cached.exists():
            self.verify()
            cached.parent.mkdir(parents=True, exist_ok=True)
            partial = cached.with_suffix(f".{uuid.uuid4().hex}.partial")
            try:
                with pa.ipc.new_stream(partial, _schema(["row_id", *columns])) as writer:
                    for batch in self._read(columns, N_ROWS):
                        writer.write_batch(batch)
                os.replace(partial, cached)
            finally:
                partial.unlink(missing_ok=True)
        return datasets.Dataset.from_file(str(cached))

    def verify(self) -> None:
        """Hash every shard again and count its rows.

        Raises:
            InputError: A shard is missing, truncated, altered, or has other rows than the manifest
                says.
        """
        for shard in self.manifest["shards"]:
            path = self._folder / shard["file"]
            if not path.is_file():
                raise InputError(f"{path} is missing; the corpus is not whole without it")
            if (n_bytes := path.stat().st_size) < shard["n_bytes"]:
                raise InputError(f"{path} is truncated: {n_bytes:,} of {shard['n_bytes']:,} bytes")
            if file_facts(path)["sha256"] != shard["sha256"]:
                raise InputError(f"{path} was altered: its SHA-256 is not the one noted before")
            if self.file_columns is not None:
                continue  # counted and checked when it was opened, with this hash
            with tables.open_parquet(path) as file:
                _refuse_missing(self.languages, file.schema_arrow.names, path)
            n_rows = sum(batch.num_rows for batch in self._read_shard(path, [self.pivot], N_ROWS))
            if n_rows != shard["n_rows"]:
                raise InputError(f"{path} has {n_rows:,} rows; it should have {shard['n_rows']:,}")

    @property
    def _folder(self) -> Path:
        return self.path if self.file_columns is None else self.path.parent

    def _chosen(self, asked: Sequence[str] | None) -> list[str]:
        if asked is None:
            return list(self.languages)
        chosen = list(codes.parse_list(asked))
        _refuse_missing(chosen, self.languages, self.path)
        return chosen

    def _read(self, columns: Sequence[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield `row_id` and `columns` of the selected rows."""
        low, high = map(share_bound, self.id_range)
        for shard in self.manifest["shards"]:
            for batch in self._read_shard(self._folder / shard["file"], columns, n_rows):
                if self.id_range != (0.0, 1.0):
                    ids = batch.column("row_id")
                    batch = batch.filter(pc.and_(pc.greater_equal(ids, low), pc.less(ids, high)))
                if batch.num_rows:
                    yield batch

    def _read_shard(
        self, path: Path, columns: Sequence[str], n_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield `row_id` and `columns` of all rows of a file, and refuse a row without its pivot."""
        schema = _schema(["row_id", *columns])
        if self.file_columns is None:
            n_before = 0
            for batch in tables.read_parquet(path, schema.names, n_rows):
                if self.pivot in columns and batch.column(self.pivot).null_count:
                    number = n_before + batch.column(self.pivot).is_null().index(True).as_py() + 1
                    raise InputError(
                        f"{path}: row {number} has no {self.pivot} cell; every row needs its pivot"
                    )
                n_before += batch.num_rows
                yield batch.cast(schema)
            return
        names = {column: self.file_columns.get(column, column) for column in [self.pivot, *columns]}
        for batch in tables.read_cells(path, list(names.values()), names[self.pivot], n_rows):
            ids = pa.array(
                [row_id(text) for text in batch.column(names[self.pivot]).to_pylist()], pa.string()
            )
            yield pa.RecordBatch.from_arrays(
                [ids, *(batch.column(names[c]) for c in columns)], schema=schema
            )


def open_corpus(
    source: str | Path,
    *,
    languages: Sequence[str] | None = None,
    pivot: str | None = None,
    verify: bool = True,
) -> Corpus:
    """Open a corpus folder, a single table file, or the packaged sample.

    Args:
        source: A corpus folder; a .parquet, .tsv, .csv or .jsonl file with columns named by
            language; or the word "sample" for the corpus that the package carries. A folder of that
            name is "./sample", or a `Path`.
        languages: The columns to use, in this order but for the pivot, which comes first. Default
            all.
        pivot: Default: what the folder says; in a single file eng_Latn, or the first language when
            it has no English. Naming another one does not change the row ids of a folder.
        verify: Check every shard's hash and row count before anything is read. A text file is
            always read through once, to check it and count its rows.

    Raises:
        InputError: No such path, an unfinished or damaged corpus, a language that is not there.
    """
    path = _sample() if source == SAMPLE and isinstance(source, str) else Path(source)
    if not path.exists():
        if (building := path.with_name(f"{path.name}.building")).exists():
            raise InputError(
                f"{path} is not built yet: its parts are in {building}; hexapla build --resume goes on"
            )
        what = f'give a corpus folder, a table file, or "{SAMPLE}"{did_you_mean(str(source), (SAMPLE,))}'
        raise InputError(f"there is no corpus at {path}; {what}")
    asked = None if languages is None else codes.parse_list(languages)
    pivot = None if pivot is None else codes.parse(pivot)
    if path.is_file():
        return _open_file(path, asked, pivot, verify)
    manifest = _read_manifest(path)
    pivot = pivot or manifest["pivot"]
    _refuse_missing([pivot, *(asked or ())], manifest["languages"], path)
    order = _pivot_first(asked or manifest["languages"], pivot)
    corpus = Corpus(
        path=path, name=path.resolve().name, languages=order, pivot=pivot, manifest=manifest
    )
    if verify:
        corpus.verify()
    return corpus


def _sample() -> Path:
    path = Path(str(resources.files("hexapla"))) / "data" / SAMPLE
    if not path.exists():
        raise InputError(f"the packaged sample is missing at {path}; install hexapla again")
    return path


def _pivot_first(languages: Sequence[str], pivot: str) -> tuple[str, ...]:
    return tuple(sorted(languages, key=lambda code: code != pivot))


def _refuse_missing(asked: Sequence[str], present: Sequence[str], path: Path) -> None:
    for code in asked:
        if code not in present:
            raise InputError(f"{path} has no column {code}; it has {', '.join(present)}")


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([(column, pa.string()) for column in columns])


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Read `corpus.json` and refuse what no reader could rely on."""
    path = folder / MANIFEST
    if not path.exists():
        if any(folder.glob("part-*.parquet")):
            raise InputError(
                f"{folder} is unfinished: it has shards but no {MANIFEST}, which is written last"
            )
        raise InputError(f"{folder} is no corpus folder: it has no {MANIFEST}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f'{path} is not of the format "{FORMAT}", the one this version reads')
    kinds = {"languages": list, "pivot": str, "n_rows": int, "meta": list, "shards": list}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            raise InputError(f"{path} is damaged: it has no {key} ({kind.__name__})")
    for shard in manifest["shards"]:
        kinds = {"file": str, "sha256": str, "n_bytes": int, "n_rows": int}
        if not isinstance(shard, dict) or not all(
            isinstance(shard.get(key), kind) for key, kind in kinds.items()
        ):
            raise InputError(f"{path} is damaged: a shard needs {', '.join(kinds)}")
        if Path(shard["file"]).name != shard["file"]:
            raise InputError(
                f"{path} is damaged: the shard {shard['file']} is not a file name in its folder"
            )
    for code in manifest["languages"]:
        if not codes.is_language(code):
            raise InputError(
                f"{path} lists the unknown language {code}{did_you_mean(str(code), codes.LANGUAGES)}"
            )
    if len(manifest["languages"]) < 2 or manifest["pivot"] not in manifest["languages"]:
        raise InputError(
            f"{path}: a corpus has at least two languages, one of them its pivot {manifest['pivot']}"
        )
    if (n_rows := sum(shard["n_rows"] for shard in manifest["shards"])) != manifest["n_rows"]:
        raise InputError(
            f"{path} is damaged: its shards have {n_rows:,} rows, the corpus {manifest['n_rows']:,}"
        )
    return manifest


def _open_file(path: Path, asked: Sequence[str] | None, pivot: str | None, verify: bool) -> Corpus:
    if path.suffix not in tables.SUFFIXES:
        allowed = ", ".join(tables.SUFFIXES)
        raise InputError(
            f'{path} has the ending "{path.suffix}"; a corpus is a folder or a file ending in {allowed}'
        )
    columns = tables.text_columns(path)
    found = tables.language_columns(path, columns, asked)
    pivot = pivot or ("eng_Latn" if "eng_Latn" in found else next(iter(found)))
    _refuse_missing([pivot, *(asked or ())], list(found), path)
    shard = file_facts(path)
    manifest = {
        "languages": list(_pivot_first(list(found), pivot)),
        "pivot": pivot,
        "meta": [name for name in columns if name.startswith(tables.META)],
        "columns": {code: {"file": path.name, "column": name} for code, name in found.items()},
        "shards": [shard],
    }
    order = _pivot_first(asked or list(found), pivot)
    name = path.name
    corpus = Corpus(
        path=path, name=name, languages=order, pivot=pivot, manifest=manifest, file_columns=found
    )
    if path.suffix == ".parquet" and not verify:
        with tables.open_parquet(path) as file:
            n_rows = file.metadata.num_rows
    else:
        n_rows = sum(batch.num_rows for batch in corpus._read_shard(path, order, N_ROWS))
    shard["n_rows"] = manifest["n_rows"] = n_rows
    return corpus
