"""What the filters rejected: counts per language and reason, the worst examples, and whether a language lost too much.

A report goes through JSON, so that it stands in `corpus.json` and can be read from there.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError
from hexapla.filters.chain import Verdict
from hexapla.filters.filter_settings import names

if TYPE_CHECKING:
    from rich.console import Console

N_EXAMPLES = 3
_SHOWN = 100  # characters of an example's source and cell


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
        n_cells: Cells judged: those that there are, and those missing for a stated problem.
        reasons: Rejected cells per reason.
        examples: The worst `N_EXAMPLES` of each reason, worst first.
    """

    n_cells: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """The share of the cells that was rejected, 0 to 1."""
        return self.reasons.total() / self.n_cells if self.n_cells else 0.0

    def keep(self, reason: str, examples: Sequence[Example]) -> None:
        """Keep those that are among the worst of a reason."""
        self.examples[reason] = sorted([*self.examples.get(reason, ()), *examples], reverse=True)[
            :N_EXAMPLES
        ]


class FilterReport:
    """Counts of what was rejected.

    Attributes:
        notes: What a filter could not do; see `Chain.notes`.
        columns: By language.
        rows: Rows left out whole, per reason.
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
        """Count cells of one language and what `Chain.judge` said of them."""
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
        """Refuse a corpus of which a language lost more than a share of its cells.

        Args:
            max_loss: The share, 0 to 1.
            quiet: Do not print the table and the worst examples on stderr first.

        Raises:
            InputError: Names the language that lost most, and what it lost most for.
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
        seen = f', as "{_short(worst.cell)}" for "{_short(worst.source)}"' if worst.cell else ""
        milder = (
            f"give a file of filters that has {reason} milder or off, " if reason in names() else ""
        )
        raise InputError(
            f"{language} loses {column.loss:.1%} of its {column.n_cells:,} cells{others}, {n_cells:,} of them for "
            f"{reason}{seen}; at most {max_loss:.0%} may go: leave the language out, {milder}or raise max_loss "
            "(--max-loss)"
        )

    def render(self, console: Console) -> None:
        """Print a table of what each language lost and why, and the worst examples."""
        from rich.table import Table
        from rich.text import Text

        reasons = sorted({reason for column in self.columns.values() for reason in column.reasons})
        table = Table("rejected", box=None, pad_edge=False)
        for heading in ("cells", *(reason.replace("_", " ") for reason in reasons), "lost"):
            table.add_column(heading, justify="right")
        for language, column in self.columns.items():
            counts = (
                f"{column.reasons[reason]:,}" if column.reasons[reason] else "·"
                for reason in reasons
            )
            table.add_row(language, f"{column.n_cells:,}", *counts, f"{column.loss:.2%}")
        console.print(table)
        if self.rows:
            counts = (f"{n:,} {reason}" for reason, n in sorted(self.rows.items()))
            console.print(Text(f"rows left out: {', '.join(counts)}"))
        for reason in reasons:
            self._render_examples(console, reason)
        for note in self.notes:
            console.print(Text(f"note: {note}"))

    def _render_examples(self, console: Console, reason: str) -> None:
        from rich.text import Text

        found = [
            (example, language)
            for language, column in self.columns.items()
            for example in column.examples.get(reason, ())
        ]
        console.print(Text(f"worst for {reason.replace('_', ' ')}", style="bold"))
        for example, language in sorted(found, key=lambda pair: pair[0], reverse=True)[:N_EXAMPLES]:
            line = Text(
                f"  {language}  {example.score:.2f}  {_short(example.source)}  →  {_short(example.cell)}"
            )
            console.print(line, no_wrap=True, overflow="ellipsis")

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {
            "languages": {
                language: {
                    "n_cells": column.n_cells,
                    "rejected": dict(sorted(column.reasons.items())),
                    "worst": {
                        reason: [
                            [round(found.score, 4), found.source, found.cell] for found in examples
                        ]
                        for reason, examples in sorted(column.examples.items())
                    },
                }
                for language, column in self.columns.items()
            },
            "rows": dict(sorted(self.rows.items())),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FilterReport:
        """Undo `to_json`, but for the fifth digit of the scores."""
        report = cls()
        for language, column in content["languages"].items():
            worst = {
                reason: [Example(*found) for found in examples]
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
    clean = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text
    )
    return clean if len(clean) <= _SHOWN else f"{clean[:_SHOWN]}…"
