"""A multi-way parallel corpus: rows that say one thing in many languages, read lazily and in order.

In goes a corpus folder (Parquet shards and a `corpus.json` that lists them) or a single table file;
out come batches, columns, a memory-mapped dataset and splits. Only a column that is asked for is
ever held in memory whole. A split is a range of row ids, so it costs nothing, and a row never
changes sides when the corpus grows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

import hexapla
from hexapla.corpus.manifest import read_manifest
from hexapla.corpus.parquet import open_parquet
from hexapla.corpus.rows import share_bound
from hexapla.corpus.shards import (
    N_ROWS,
    check_rows,
    check_shard,
    read_shard,
    refuse_missing,
    string_schema,
)
from hexapla.corpus.single_file import describe_file, pivot_first, read_file
from hexapla.corpus.tables import SUFFIXES
from hexapla.corpus.work_folder import whereabouts
from hexapla.errors import InputError, did_you_mean
from hexapla.runs.atomic import write_beside
from hexapla.text import languages as codes
from hexapla.text.lines import ending
from hexapla.text.special_files import refuse_special

if TYPE_CHECKING:
    import datasets

SAMPLE = "sample"


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """An open corpus, or the part of one that `open_corpus` and `split` select.

    Attributes:
        path: The folder, or the single file.
        name: The last part of the path.
        languages: The selected columns in order, the pivot first if it is one of them.
        pivot: The column that the others are translated from; every row has it, selected or not.
        manifest: The content of `corpus.json`, which describes the whole corpus whatever is
            selected. For a single file, the same facts as read from the file.
        file_columns: For a single file, the name in the file of each language; None for a folder.
        id_range: The selected rows: those whose row id lies between these two shares of all ids.
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
        """How many rows are selected; those of a split are counted once, by reading the row ids."""
        if self.id_range == (0.0, 1.0):
            return int(self.manifest["n_rows"])
        return sum(batch.num_rows for batch in self._read([], N_ROWS))

    @cached_property
    def sha256(self) -> str:
        """Hash of what is selected.

        It covers the languages in order, the pivot, the shards' hashes, and a split's range of ids.
        """
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
        """Yield `row_id` and columns in batches of at most `n_rows` rows.

        Args:
            languages: The columns. By default all that are selected.
            n_rows: Rows per batch.
        """
        if n_rows < 1:
            raise InputError(f"n_rows is {n_rows}; a batch has at least 1 row")
        return self._read(self._chosen(languages), n_rows)

    def rows(self) -> Iterator[dict[str, str | None]]:
        """Yield each row's selected cells and its `meta.` columns, ready for `write_corpus`."""
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

    def first_cells(self, n_rows: int) -> dict[str, list[str | None]]:
        """Return the selected columns of the first `n_rows` rows, None where a row lacks a cell."""
        columns: dict[str, list[str | None]] = {language: [] for language in self.languages}
        for batch in self.batches(n_rows=n_rows):
            for language, cells in columns.items():
                cells += batch.column(language).to_pylist()
            if len(columns[self.languages[0]]) >= n_rows:
                break
        return {language: cells[:n_rows] for language, cells in columns.items()}

    def row_ids(self) -> list[str]:
        """Return the ids in row order, unique unless a single file repeats a pivot text."""
        return [
            row for batch in self._read([], N_ROWS) for row in batch.column("row_id").to_pylist()
        ]

    def split(self, share: float) -> tuple[Corpus, Corpus]:
        """Split the rows into those kept and those held out, both views of the same files.

        Sides are drawn by row id: of a whole corpus, the rows with `is_held_out(row_id, share)` are
        held out. A part is split within its own range of ids, so that a second split is as even as
        the first.

        Args:
            share: Fraction of the rows to hold out, 0 or more and below 1.

        Returns:
            The rows kept, and the rows held out.
        """
        if not 0 <= share < 1:
            raise InputError(
                f"the held-out share is {share}; it must be at least 0 and less than 1"
            )
        low, high = self.id_range
        cut = low + (high - low) * share
        return replace(self, id_range=(cut, high)), replace(self, id_range=(low, cut))

    def dataset(self, languages: Sequence[str] | None = None) -> datasets.Dataset:
        """Return `row_id` and the columns of `languages` as a memory-mapped dataset.

        The rows are written once, as Arrow, into the cache of `datasets`, in a file named by their
        hash. The shards are verified before that, so that no damaged rows get the name of sound
        ones.
        """
        import datasets

        columns = self._chosen(languages)
        identity = json.dumps([self.sha256, columns, hexapla.__version__])
        key = hashlib.sha256(identity.encode()).hexdigest()
        cached = Path(datasets.config.HF_DATASETS_CACHE) / "hexapla" / f"{key}.arrow"
        if not cached.exists():
            self.verify()
            cached.parent.mkdir(parents=True, exist_ok=True)
            schema = string_schema(["row_id", *columns])
            with write_beside(cached) as partial, pa.ipc.new_stream(partial, schema) as writer:
                for batch in self._read(columns, N_ROWS):
                    writer.write_batch(batch)
        return datasets.Dataset.from_file(str(cached))

    def verify(self) -> None:
        """Compare every shard's hash and number of rows with what the manifest says.

        A shard that has not changed since this process compared it last is not read again.

        Raises:
            InputError: A shard is missing, truncated or altered, lacks a column, or has another
                number of rows.
        """
        for shard in self.manifest["shards"]:
            path = self._folder / shard["file"]
            check_shard(path, shard)
            # The rows of a single file were counted when it was opened, with this hash.
            if self.file_columns is None:
                columns = [*self.languages, *self.manifest["meta"]]
                check_rows(path, shard, columns, self.pivot)

    @property
    def _folder(self) -> Path:
        return self.path if self.file_columns is None else self.path.parent

    def _chosen(self, asked: Sequence[str] | None) -> list[str]:
        if asked is None:
            return list(self.languages)
        chosen = list(codes.parse_list(asked))
        refuse_missing(chosen, self.languages, self.path)
        return chosen

    def _read(self, columns: Sequence[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield `row_id` and `columns` of the selected rows."""
        low, high = map(share_bound, self.id_range)
        for shard in self.manifest["shards"]:
            for batch in self._read_whole(self._folder / shard["file"], columns, n_rows):
                if self.id_range != (0.0, 1.0):
                    ids = batch.column("row_id")
                    batch = batch.filter(pc.and_(pc.greater_equal(ids, low), pc.less(ids, high)))
                if batch.num_rows:
                    yield batch

    def _read_whole(
        self, path: Path, columns: Sequence[str], n_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield `row_id` and `columns` of all rows of a shard, or of the single file."""
        if self.file_columns is None:
            return read_shard(path, columns, self.pivot, n_rows)
        return read_file(path, columns, self.pivot, n_rows, self.file_columns)


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
            language, also as .gz or .zst; or the word "sample" for the corpus that the package
            carries. To open a folder of that name, write "./sample" or give a `Path`.
        languages: The columns to use, in this order, except that the pivot comes first. By default
            all.
        pivot: By default that of the folder; in a single file eng_Latn, or the first language if it
            has no English. Another pivot does not change the row ids of a folder.
        verify: Check every shard's hash and number of rows (see `Corpus.verify`). A text file is
            always read once, to check it and count its rows.

    Raises:
        InputError: There is no such path, the corpus is unfinished or damaged, or it lacks a
            language.
    """
    path = _sample() if source == SAMPLE and isinstance(source, str) else Path(source)
    refuse_special(path)
    if not path.exists():
        raise InputError(_no_corpus(path))
    asked = None if languages is None else codes.parse_list(languages)
    pivot = None if pivot is None else codes.parse(pivot)
    if path.is_file():
        return _open_file(path, asked, pivot, verify)
    manifest = read_manifest(path)
    pivot = pivot or manifest["pivot"]
    refuse_missing([pivot, *(asked or ())], manifest["languages"], path)
    order = pivot_first(asked or manifest["languages"], pivot)
    corpus = Corpus(
        path=path, name=path.resolve().name, languages=order, pivot=pivot, manifest=manifest
    )
    if verify:
        corpus.verify()
    return corpus


def open_to_search(source: str, languages: Sequence[str] | None) -> Corpus:
    """Open a corpus whose pivot is searched among its other columns.

    Args:
        source: See `open_corpus`.
        languages: The columns to use, by default all; the pivot is always among them.

    Raises:
        InputError: See `open_corpus`; or the pivot is the only column.
    """
    corpus = open_corpus(source, languages=languages)
    columns = tuple(dict.fromkeys((corpus.pivot, *corpus.languages)))
    if len(columns) < 2:
        raise InputError(
            f"only {corpus.pivot} is asked for; a search needs two columns or more (--languages)"
        )
    return replace(corpus, languages=columns)


def _no_corpus(path: Path) -> str:
    if known := whereabouts(path):
        return known
    if ending(path) in SUFFIXES:
        tables = [each.name for each in path.parent.glob("*") if ending(each) in SUFFIXES]
        return f"{path}: there is no such file{did_you_mean(path.name, sorted(tables))}"
    hint = did_you_mean(str(path), (SAMPLE,))
    return f'there is no corpus at {path}; give a corpus folder, a table file, or "{SAMPLE}"{hint}'


def _sample() -> Path:
    path = Path(str(resources.files("hexapla"))) / "data" / SAMPLE
    if not path.exists():
        raise InputError(f"the packaged sample is missing at {path}; install hexapla again")
    return path


def _open_file(
    path: Path, languages: Sequence[str] | None, pivot: str | None, verify: bool
) -> Corpus:
    manifest, file_columns = describe_file(path, languages, pivot)
    pivot = manifest["pivot"]
    order = pivot_first(languages or manifest["languages"], pivot)
    if path.suffix == ".parquet" and not verify:
        with open_parquet(path) as file:
            n_rows = file.metadata.num_rows
    else:
        n_rows = sum(
            batch.num_rows for batch in read_file(path, order, pivot, N_ROWS, file_columns)
        )
    manifest["shards"][0]["n_rows"] = manifest["n_rows"] = n_rows
    return Corpus(
        path=path,
        name=path.name,
        languages=order,
        pivot=pivot,
        manifest=manifest,
        file_columns=file_columns,
    )
