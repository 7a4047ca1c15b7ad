"""What is in a corpus, on one screen: `hexapla inspect CORPUS`.

The facts are gathered in one pass, which keeps only 8 bytes per cell, to count repeated texts.
"""

from __future__ import annotations

import shlex
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hexapla.corpus.corpus_card import makers
from hexapla.corpus.reader import SAMPLE
from hexapla.text import languages as codes
from hexapla.text.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from hexapla.corpus.reader import Corpus

MIN_ROWS = 8  # the rows that hexapla align takes in its smallest step
FEW_ROWS = 500
N_EXAMPLES = 3
# An example of more than MAX_LANGUAGES shows only the first N_FIRST, to stay on one screen.
MAX_LANGUAGES = 7
N_FIRST = 3


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """Facts about one language's column.

    Attributes:
        language: Code of the language.
        n_cells: Cells that are not null.
        n_repeated: Cells whose text an earlier row has too. Many of them under different pivots are
            a sign of a translator that collapses onto a few sentences.
        mean_characters: Mean length of the cells that are not null; 0 if there is none.
        longest: Characters of the longest cell.
        made_by: How the column was made, according to the manifest, a line for each of several
            translators; empty if it does not say.
    """

    language: str
    n_cells: int
    n_repeated: int
    mean_characters: float
    longest: int
    made_by: str


@dataclass(frozen=True, kw_only=True)
class CorpusFacts:
    """Facts about a corpus, from `inspect_corpus`.

    Attributes:
        name: Name of the corpus.
        n_rows: Selected rows.
        n_usable: Those with two languages or more, the pivot among them.
        n_full: Those with all languages.
        n_shards: Files of the whole corpus.
        size_mib: Size of these files.
        pivot: The pivot.
        sha256: Hash of what is selected.
        license: License, if the manifest has one.
        dropped: Rows that were left out when the corpus was written, by reason.
        n_filters: Filter runs noted in the manifest.
        columns: Facts about the selected columns.
        examples: The first rows.
    """

    name: str
    n_rows: int
    n_usable: int
    n_full: int
    n_shards: int
    size_mib: float
    pivot: str
    sha256: str
    license: str | None
    dropped: Mapping[str, int]
    n_filters: int
    columns: tuple[ColumnFacts, ...]
    examples: tuple[Mapping[str, str | None], ...]

    def render(self, console: Console) -> None:
        """Print the facts as one screen."""
        from rich.text import Text

        n_shards = f"{self.n_shards} file" + ("" if self.n_shards == 1 else "s")
        size = (
            f"{self.n_rows:,} rows in {len(self.columns)} languages, "
            f"{n_shards}, {self.size_mib:,.1f} MiB"
        )
        license_ = self.license or "not noted"
        console.print(Text(printable(f"{self.name}: {size}"), style="bold"))
        facts = f"pivot {self.pivot}, license {license_}, filters {self.n_filters}"
        console.print(Text(printable(facts)))
        has = "has" if self.n_full == 1 else "have"
        console.print(
            f"{self.n_usable:,} of {self.n_rows:,} rows can be aligned on (two languages or more), "
            f"{self.n_full:,} {has} all {self.n_languages}",
            highlight=False,
        )
        if any(self.dropped.values()):
            counts = (
                f"{n:,} {reason.replace('_', ' ')}" for reason, n in self.dropped.items() if n
            )
            console.print(Text(printable(f"left out when written: {', '.join(counts)}")))
        console.print(Text(f"sha256 {self.sha256}"), soft_wrap=True)
        self._render_columns(console)
        self._render_examples(console)

    @property
    def n_languages(self) -> int:
        """Number of languages that a training on the selected columns takes: the pivot too."""
        return len({self.pivot, *(column.language for column in self.columns)})

    def next_step(self, name: str) -> str:
        """Return what to type next, with the corpus as it was named."""
        if self.n_usable < MIN_ROWS:
            return (
                f"next: add rows (hexapla build or import); {self.n_usable} can be aligned on, and "
                f"hexapla align needs {MIN_ROWS} or more"
            )
        corpus = shlex.quote(name)
        notes = []
        if not self.n_filters and name != SAMPLE:
            notes.append(f"hexapla filter {corpus} --out filtered first rejects bad cells")
        if self.n_usable < FEW_ROWS:
            notes.append(f"{self.n_usable} rows teach little; hexapla build and import make more")
        step = f"next: hexapla align {corpus} --encoder small --out aligned"
        return f"{step} ({'; '.join(notes)})" if notes else step

    def _render_columns(self, console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table("code", "language", box=None, pad_edge=False)
        for heading in ("filled", "repeated", "mean chars", "longest"):
            table.add_column(heading, justify="right")
        table.add_column("made by", overflow="ellipsis", no_wrap=True, max_width=40)
        for column in self.columns:
            filled = column.n_cells / self.n_rows if self.n_rows else 0.0
            table.add_row(
                Text(printable(column.language)),
                Text(printable(codes.name(column.language))),
                f"{filled:.1%}",
                f"{column.n_repeated:,}",
                f"{column.mean_characters:.1f}",
                f"{column.longest:,}",
                Text("\n").join(Text(printable(line)) for line in column.made_by.splitlines()),
            )
        console.print(table)

    def _render_examples(self, console: Console) -> None:
        from rich.text import Text

        n_shown = MAX_LANGUAGES if len(self.columns) <= MAX_LANGUAGES else N_FIRST
        for number, row in enumerate(self.examples, start=1):
            console.print(Text(f"row {number}", style="bold"))
            for code, cell in islice(row.items(), n_shown):
                shown = Text("(none)", style="dim") if cell is None else Text(printable(cell))
                console.print(
                    Text(f"  {printable(code)}  ") + shown, no_wrap=True, overflow="ellipsis"
                )
        if self.examples and (n_more := len(self.columns) - n_shown) > 0:
            console.print(Text(f"  and {n_more} more languages in each row", style="dim"))


def inspect_corpus(corpus: Corpus) -> CorpusFacts:
    """Read a corpus once and return the facts about it."""
    tallies = {code: _Tally() for code in corpus.languages}
    n_columns = len({corpus.pivot, *tallies})
    n_rows = n_usable = n_full = 0
    for batch in corpus.batches():
        n_rows += batch.num_rows
        for code, tally in tallies.items():
            tally.add(batch.column(code))
        present_RC = [batch.column(code).is_valid() for code in tallies]
        n_cells_R = np.sum([column.to_numpy(False) for column in present_RC], axis=0)
        n_cells_R += corpus.pivot not in tallies
        n_usable += int((n_cells_R > 1).sum())
        n_full += int((n_cells_R == n_columns).sum())
    manifest: Mapping[str, Any] = corpus.manifest
    examples = islice(corpus.rows(), N_EXAMPLES)
    return CorpusFacts(
        name=corpus.name,
        n_rows=n_rows,
        n_usable=n_usable,
        n_full=n_full,
        n_shards=len(manifest["shards"]),
        size_mib=sum(shard["n_bytes"] for shard in manifest["shards"]) / 2**20,
        pivot=corpus.pivot,
        sha256=corpus.sha256,
        license=manifest.get("license"),
        dropped=manifest.get("dropped", {}),
        n_filters=len(manifest.get("filters", [])),
        columns=tuple(
            tally.facts(code, "\n".join(makers(manifest.get("columns", {}).get(code, {}))))
            for code, tally in tallies.items()
        ),
        examples=tuple({code: row[code] for code in corpus.languages} for row in examples),
    )


@dataclass
class _Tally:
    """Running counts of one column."""

    n_characters: int = 0
    longest: int = 0
    hashes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, column: pa.Array) -> None:
        for cell in column.to_pylist():
            if cell is not None:
                self.n_characters += len(cell)
                self.longest = max(self.longest, len(cell))
                # 64 bits: two texts of ten million collide in one of 400,000 corpora.
                self.hashes.append(hash(cell))

    def facts(self, language: str, made: str) -> ColumnFacts:
        n_cells = len(self.hashes)
        hashes = pa.Array.from_buffers(pa.int64(), n_cells, [None, pa.py_buffer(self.hashes)])
        return ColumnFacts(
            language=language,
            n_cells=n_cells,
            n_repeated=n_cells - pc.count_distinct(hashes).as_py(),
            mean_characters=self.n_characters / n_cells if n_cells else 0.0,
            longest=self.longest,
            made_by=made,
        )
