"""The corpus that a build extends: its columns, the rows to translate, and what is normal in it.

`--add` makes new columns beside those of the origin, `--top-up` fills cells that its columns lack.
A row that lost so many cells that a build left it out is not in the corpus; to be filled, it is
read from `rejected/rows.jsonl`. A build that writes to the origin's own folder replaces it when it
is finished. What `--resume` then finds there is the extended corpus, so its origin is the one that
its record names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.build.committed import read_json
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.reader import SAMPLE, Corpus, open_corpus
from hexapla.corpus.rows import as_cell, row_id
from hexapla.corpus.shards import N_ROWS, file_facts
from hexapla.corpus.work_folder import REPLACED, lock_work_folder, work_folder
from hexapla.errors import InputError
from hexapla.filters import Statistics
from hexapla.filters.rejected_files import REJECTED
from hexapla.runs.record import RUN_FILE
from hexapla.runs.schema import Stored, check_object, damage_message, parse_json

ADD, TOP_UP = "add", "top_up"
NO_TRANSLATION, REJECTED_CELL = "no translation left", "rejected cell"
"""Why a build leaves out a row that a top-up may bring back."""

_ROWS = "rows.jsonl"


@dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """A corpus to extend, of which only the manifest has been read.

    Attributes:
        corpus: The corpus.
        in_place: The build replaces it.
        fills: The build fills cells, and does not add columns.
        languages: Its columns without those that a finished build added, the pivot first.
        finished: Settings of the finished build in place that `--resume` finds again, else empty.
    """

    corpus: Corpus
    in_place: bool
    fills: bool
    languages: tuple[str, ...]
    finished: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str, out: Path, *, fills: bool, resume: bool) -> Origin:
        """Open a corpus to extend.

        Args:
            folder: The corpus folder, or "sample".
            out: The corpus folder to make.
            fills: The build fills cells.
            resume: The build may be finished already.

        Raises:
            InputError: It is no corpus folder, or it is unfinished or damaged.
        """
        path = Path(folder)
        in_place = folder != SAMPLE and os.path.realpath(path) == os.path.realpath(out)
        if in_place and (work_folder(out) / REPLACED).exists():
            with lock_work_folder(out):  # puts it back, if a kill came while it was replaced
                pass
        if folder != SAMPLE and path.is_file():
            raise InputError(
                f"{path} is a file; --add and --top-up extend a corpus folder: make one first, "
                "from a table with hexapla import, from text with hexapla build --to"
            )
        corpus = open_corpus(folder, verify=False)
        finished = _finished_settings(out) if in_place and resume else {}
        added = finished.get(ADD) or ()
        languages = tuple(code for code in corpus.languages if code not in added)
        return cls(
            corpus=corpus, in_place=in_place, fills=fills, languages=languages, finished=finished
        )

    def facts(self) -> dict[str, object]:
        """Return what identifies the corpus before it was extended: its name and hashes."""
        if self.finished:
            keys = ("name", "sha256", "left_out_sha256")
            known = {key: self.finished.get(f"corpus.{key}") for key in keys}
            return {key: value for key, value in known.items() if value is not None}
        facts: dict[str, object] = {"name": self.corpus.name, "sha256": self.corpus.sha256}
        if self.fills and self._left_out.is_file():
            facts["left_out_sha256"] = file_facts(self._left_out)["sha256"]
        return facts

    def rows(self) -> Iterator[dict[str, str | None]]:
        """Yield the rows of the corpus, and after them those that were left out and may be filled.

        Raises:
            InputError: The file of rows that were left out is damaged.
        """
        yield from self.corpus.rows()
        yield from self._rows_to_bring_back()

    def _rows_to_bring_back(self) -> Iterator[dict[str, str | None]]:
        if not (self.fills and self._left_out.is_file()):
            return
        seen = set(self.corpus.row_ids())
        for number, entry in enumerate(self._entries(), start=1):
            if entry.get("reason") not in (NO_TRANSLATION, REJECTED_CELL):
                continue
            place, row = f"{self._left_out}:{number}: row", entry.get("row") or {}
            cells = {code: as_cell(row.get(code), place, code) for code in self.corpus.languages}
            identity = row_id(cells[self.corpus.pivot] or "")
            if cells[self.corpus.pivot] is not None and identity not in seen:
                seen.add(identity)
                yield {**cells, **dict.fromkeys(self.corpus.manifest["meta"])}

    def row_ids(self) -> set[str]:
        """Return the ids of all rows that `rows` yields."""
        return {row_id(str(row[self.corpus.pivot])) for row in self.rows()}

    def rejected_lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file of what was rejected, but for rows that `rows` yields."""
        path = self.corpus.path / REJECTED / name
        with path.open("rb") as file:
            if not (self.fills and name == _ROWS):
                yield from file
                return
            for line, entry in zip(file, self._entries(), strict=True):
                if entry.get("reason") not in (NO_TRANSLATION, REJECTED_CELL):
                    yield line

    @property
    def _left_out(self) -> Path:
        return self.corpus.path / REJECTED / _ROWS

    def _entries(self) -> Iterator[dict[str, Any]]:
        with self._left_out.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield check_object(parse_json(line.decode()), Stored)
                except ValueError as error:
                    place = f"{self._left_out}:{number}"
                    raise InputError(damage_message(place, error)) from error

    def verify(self) -> None:
        """Compare its shards with their hashes, unless the build in place is finished.

        Raises:
            InputError: One is missing or altered.
        """
        if not self.finished:
            self.corpus.verify()

    def check_gaps(self, languages: Sequence[str]) -> None:
        """Refuse columns that lack no cell.

        Raises:
            InputError: There is nothing to fill.
        """
        if any(
            batch.column(code).null_count
            for batch in self.corpus.batches(languages)
            for code in languages
        ) or any(row[code] is None for row in self._rows_to_bring_back() for code in languages):
            return
        raise InputError(
            f"{self.corpus.path}: there is nothing to fill; each of its {len(self.corpus):,} rows "
            f"has a cell in {', '.join(languages)}"
        )

    def rows_to_translate(
        self,
        languages: Sequence[str],
        contamination: Contamination | None,
        counts: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:
        """Yield `row_id`, `text` and `source` of each row that lacks a cell.

        Args:
            languages: The languages to translate into. Of those that are columns already, each row
                says under their code whether its cell is missing.
            contamination: Evaluation sets; rows that are in them are left out.
            counts: Filled with what was read, kept and left out when all rows have been read.
        """
        gaps = [code for code in languages if code in self.languages]
        left_out: Counter[str] = Counter()
        n_rows = n_kept = 0
        for row in self.rows():
            n_rows += 1
            missing = {code: row[code] is None for code in gaps}
            if gaps and not any(missing.values()):
                continue
            texts = [row[code] for code in self.languages]
            match = contamination.match(texts) if contamination else None
            if match is not None:
                left_out[f"in {match.set_name}"] += 1
                continue
            n_kept += 1
            text = str(row[self.corpus.pivot])
            yield {"row_id": row_id(text), "text": text, "source": None, **missing}
        counts.update(n_texts=n_rows, n_sentences=n_kept, left_out=dict(left_out))

    def add_to(self, statistics: Statistics, languages: Sequence[str]) -> None:
        """Count the cells that columns have.

        Their log-probabilities are left out, since those of two translators cannot be compared.
        """
        pivot = self.corpus.pivot
        for batch in self.corpus.batches([pivot, *languages], N_ROWS):
            sources = batch.column(pivot).to_pylist()
            for code in languages:
                statistics.add(code, sources, batch.column(code).to_pylist())


def _finished_settings(out: Path) -> Mapping[str, Any]:
    """Return the settings of the extension that was last finished in place.

    They are empty if another build of the folder has begun since.
    """
    record = read_json(out / RUN_FILE) or {}
    settings: Mapping[str, Any] = record.get("config") or {}
    begun = read_json(work_folder(out) / RUN_FILE)
    is_extension = record.get("command") == "build" and (ADD in settings or TOP_UP in settings)
    if not is_extension or (begun is not None and begun.get("config") != settings):
        return {}
    return settings
