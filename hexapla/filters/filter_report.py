"""What the filters rejected: counts for each language and reason, and the worst examples.

A report says whether a language lost too much. It can be stored as JSON, as in `corpus.json`, and
read from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError
from hexapla.filters.chain import Verdict
from hexapla.filters.filter_settings import filter_names
from hexapla.text.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

N_EXAMPLES = 3
_MAX_SHOWN = 100  # characters of an example's source and cell


@dataclass(frozen=True, order=True)
class Example:
    """A rejected cell; the worst sort last."""

    score: float
    source: str
    cell: str


@dataclass
class ColumnReport:
    """What one language lost.

    Attributes:
        n_cells: Number of cells judged, including those that are missing for a stated problem.
        reasons: Number of rejected cells for each reason.
        examples: The worst `N_EXAMPLES` for each reason, worst first.
    """

    n_cells: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """Share of the cells that were rejected, from 0 to 1."""
        return self.reasons.total() / self.n_cells if self.n_cells else 0.0

    def keep(self, reason: str, examples: Sequence[Example]) -> None:
        """Keep the worst examples of a reason, among those before and these."""
        self.examples[reason] = sorted([*self.examples.get(reason, ()), *examples], reverse=True)[
            :N_EXAMPLES
        ]


class FilterReport:
    """Counts of what was rejected.

    Attributes:
        notes: What the filters could not check; see `Chain.notes`.
        columns: The report of each language.
        rows: Number of rows left out whole, for each reason.
    """

    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()
        self.columns: dict[str, ColumnReport] = {}
        self.rows: Counter[str] = Counter()

    def add(
        self,
        language: str,
        sources: Sequence[str],
        cells: Sequence[str | None],
        verdicts: Sequence[Verdict | None],
    ) -> None:
        """Count cells of one language and the verdicts of `Chain.judge` on them."""
        column = self.columns.setdefault(language, ColumnReport())
        for source, cell, verdict in zip(sources, cells, verdicts, strict=True):
            column.n_cells += cell is not None or verdict is not None
            if verdict is not None:
                column.reasons[verdict.reason] += 1
                column.keep(verdict.reason, [Example(float(verdict.score), source, cell or "")])

    def add_row_losses(self, reason: str, n_rows: int = 1) -> None:
        """Count rows that were left out whole."""
        self.rows[reason] += n_rows

    def check(self, max_loss: float, quiet: bool = True) -> None:
        """Refuse a corpus in which a language lost more than a share of its cells.

        Args:
            max_loss: The share, from 0 to 1.
            quiet: Do not print the table and the worst examples on stderr first.

        Raises:
            InputError: Names the language that lost most and the most frequent reason.
        """
        too_much = [language for language, column in self.columns.items() if column.loss > max_loss]
        if not too_much:
            return
        if not quiet:
            from rich.console import Console

            self.render(Console(stderr=True))
        language = max(too_much, key=lambda code: self.columns[code].loss)
        column = self.columns[language]
        ((reason, n_cells),) = column.reasons.most_common(1)
        worst = column.examples[reason][0]
        others = f" (and {len(too_much) - 1} more languages too much)" if len(too_much) > 1 else ""
        shown = f', as "{_short(worst.cell)}" for "{_short(worst.source)}"' if worst.cell else ""
        is_filter = reason in filter_names()
        milder = f"give a file of filters that has {reason} milder or off, " if is_filter else ""
        raise InputError(
            f"{language} loses {column.loss:.1%} of its {column.n_cells:,} cells{others}, "
            f"{n_cells:,} of them for {reason}{shown}; at most {max_loss:.0%} may go: "
            f"leave the language out, {milder}or raise max_loss (--max-loss)"
        )

    def render(self, console: Console) -> None:
        """Print a table of what each language lost and why, and the worst examples."""
        from rich.text import Text

        reasons = sorted({reason for column in self.columns.values() for reason in column.reasons})
        console.print(self._table(reasons))
        if self.rows:
            counts = (f"{n:,} {reason}" for reason, n in sorted(self.rows.items()))
            console.print(Text(printable(f"rows left out: {', '.join(counts)}")))
        for reason in reasons:
            self._render_examples(console, reason)
        for note in self.notes:
            console.print(Text(printable(f"note: {note}")))

    def _table(self, reasons: Sequence[str]) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table("rejected", box=None, pad_edge=False)
        for heading in ("cells", *map(_words, reasons), "lost"):
            table.add_column(Text(heading), justify="right")
        for language, column in self.columns.items():
            counts = (
                f"{column.reasons[reason]:,}" if column.reasons[reason] else "·"
                for reason in reasons
            )
            table.add_row(
                Text(printable(language)), f"{column.n_cells:,}", *counts, f"{column.loss:.2%}"
            )
        return table

    def _render_examples(self, console: Console, reason: str) -> None:
        from rich.text import Text

        examples = [
            (example, language)
            for language, column in self.columns.items()
            for example in column.examples.get(reason, ())
        ]
        examples.sort(key=lambda pair: pair[0], reverse=True)
        console.print(Text(f"worst for {_words(reason)}", style="bold"))
        for example, language in examples[:N_EXAMPLES]:
            texts = f"{_short(example.source)}  →  {_short(example.cell)}"
            line = Text(f"  {printable(language)}  {example.score:.2f}  {texts}")
            console.print(line, no_wrap=True, overflow="ellipsis")

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON; scores are rounded to four decimals."""
        return {
            "languages": {
                language: {
                    "n_cells": column.n_cells,
                    "rejected": dict(sorted(column.reasons.items())),
                    "worst": {
                        reason: [[round(each.score, 4), each.source, each.cell] for each in worst]
                        for reason, worst in sorted(column.examples.items())
                    },
                }
                for language, column in self.columns.items()
            },
            "rows": dict(sorted(self.rows.items())),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FilterReport:
        """Return the report that `to_json` gave, with its rounded scores."""
        report = cls()
        for language, column in content["languages"].items():
            worst = {
                reason: [Example(*example) for example in examples]
                for reason, examples in column["worst"].items()
            }
            report.columns[language] = ColumnReport(
                column["n_cells"], Counter(column["rejected"]), worst
            )
        report.rows = Counter(content["rows"])
        report.notes = tuple(content["notes"])
        return report


def _short(text: str) -> str:
    """Cut a text to one line without characters that would move the cursor."""
    clean = printable(text[: _MAX_SHOWN + 1])
    return clean if len(clean) <= _MAX_SHOWN else f"{clean[:_MAX_SHOWN]}…"


def _words(reason: str) -> str:
    return printable(reason.replace("_", " "))
