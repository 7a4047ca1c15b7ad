"""What a preview found: translations side by side, their verdicts, and what the whole takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from hexapla.build.build_estimate import BuildEstimate
from hexapla.build.references import reference_lines
from hexapla.filters import Verdict
from hexapla.runs.progress import format_duration
from hexapla.text.printable import printable
from hexapla.translate.translator import Translation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


@dataclass(frozen=True)
class PreviewCell:
    """A translation and what the filters say of it.

    Attributes:
        first: The first translation.
        verdict: Why it was rejected; None if it was accepted.
        again: The second translation, if the first was rejected and this one accepted.
    """

    first: Translation
    verdict: Verdict | None = None
    again: Translation | None = None

    @property
    def is_kept(self) -> bool:
        """Whether a build would have this cell, from the first or the second translation."""
        return self.again is not None or (self.verdict is None and self.first.text is not None)

    @property
    def text(self) -> str | None:
        """The translation that a build would keep, else the one that was rejected."""
        return (self.again or self.first).text

    def outcome(self) -> str:
        """Return in some words what became of the cell."""
        if self.verdict is None:
            return "kept" if self.first.text is not None else self.first.problem or "no answer"
        told = f"{self.verdict.reason.replace('_', ' ')} {self.verdict.score:.2g}"
        return f"{told}; kept on retry" if self.again else f"rejected: {told}"


@dataclass(frozen=True, kw_only=True)
class BuildPreview:
    """Some sentences in all languages of a build.

    Attributes:
        sentences: The sentences.
        cells: The cell of each sentence, by language.
        estimate: The size of the whole build; an endpoint's answers have the length found here.
        n_tokens: Tokens of the whole build's translations at the length found here; 0 if the
            translator does not count them.
        seconds: Time of the whole build at the speed found here; None if nothing was timed.
        scores: What `ReferenceScores.to_json` gives, if there are references.
        notes: What the filters cannot check, and whether a build would stop.
    """

    sentences: list[str]
    cells: dict[str, list[PreviewCell]]
    estimate: BuildEstimate
    n_tokens: int
    seconds: float | None
    scores: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def length_ratios(self, language: str) -> list[float]:
        """Return the characters of each translation over those of its source."""
        pairs = zip(self.sentences, self.cells[language], strict=True)
        return [len(cell.text) / len(source) for source, cell in pairs if cell.text]

    def render(self, console: Console) -> None:
        """Print the sentences with their translations, a table of the languages, and the sums."""
        from rich.text import Text

        console.print(self._sentences())
        console.print()
        console.print(self._languages())
        console.print()
        for line in self.lines():
            console.print(Text(printable(line)))

    def lines(self) -> list[str]:
        """Return what the whole build takes, and notes, as lines of text."""
        lines = [f"the whole build: {self.estimate.lines()[0]}", *self.estimate.lines()[1:]]
        if self.n_tokens:
            lines.append(f"about {self.n_tokens:,} tokens of translations")
        speed = "unknown; preview 2 sentences or more"
        if self.seconds is not None:
            speed = (
                f"about {format_duration(self.seconds)} at the speed of this preview, one process; "
                "fuller batches are faster"
            )
        lines.append(f"time {speed}")
        lines += reference_lines(self.scores) if self.scores else []
        return [*lines, *(f"note: {note}" for note in self.notes)]

    def _sentences(self) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        table.add_column("")
        table.add_column("length ratio", justify="right")
        table.add_column("tokens", justify="right")
        table.add_column("filters")
        table.add_column("text", ratio=1, overflow="fold")
        for place, sentence in enumerate(self.sentences):
            table.add_row(*_texts(f"{place + 1}", "", "", "", sentence), style="bold")
            for language, column in self.cells.items():
                cell = column[place]
                ratio = f"{len(cell.text) / len(sentence):.2f}" if cell.text else ""
                tokens = f"{cell.first.n_tokens}" if cell.first.n_tokens else ""
                row = (language, ratio, tokens, cell.outcome(), cell.text or "")
                table.add_row(*_texts(*row))
        return table

    def _languages(self) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for heading in ("", "kept", "kept on retry", "rejected", "median ratio", "tokens"):
            table.add_column(heading, justify="left" if heading == "" else "right")
        table.add_column("rejected for")
        for language, column in self.cells.items():
            n_second = sum(cell.again is not None for cell in column)
            n_kept = sum(cell.is_kept for cell in column)
            ratios = self.length_ratios(language)
            n_tokens = sum(cell.first.n_tokens for cell in column)
            row = (
                language,
                f"{n_kept - n_second}",
                f"{n_second}",
                f"{len(column) - n_kept}",
                f"{median(ratios):.2f}" if ratios else "",
                f"{n_tokens}" if n_tokens else "",
                _reasons(column),
            )
            table.add_row(*_texts(*row))
        return table


def _reasons(column: Sequence[PreviewCell]) -> str:
    lost = Counter(
        cell.verdict.reason if cell.verdict else cell.first.problem or "no answer"
        for cell in column
        if not cell.is_kept
    )
    return ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in lost.most_common())


def _texts(*cells: str) -> list[Text]:
    from rich.text import Text

    return [Text(printable(cell)) for cell in cells]
