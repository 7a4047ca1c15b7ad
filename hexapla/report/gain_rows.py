"""A comparison -> the rows of its table: baseline, run, gain, interval and number of items.

The terminal, Markdown and the page show the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hexapla.evaluation.metrics import METRICS
from hexapla.report.comparison import Block, Comparison, Line, TableCell


@dataclass(frozen=True, kw_only=True)
class GainRow:
    """One run on one group of languages, or on one language, beside the baseline.

    Attributes:
        block: Task and metric.
        line: The languages.
        is_group: Whether it is a group of languages, and not one of its languages.
        run: Label of the run.
        before: Cell of the baseline.
        after: Cell of the run.
    """

    block: Block
    line: Line
    is_group: bool
    run: str
    before: TableCell
    after: TableCell

    @property
    def is_better(self) -> bool | None:
        """Whether the run is better or worse than the baseline; None if that is not clear."""
        if self.after.gain is None or not self.after.significant:
            return None
        return (self.after.gain > 0) == METRICS[self.block.metric].higher_is_better


def gain_rows(
    comparison: Comparison, block: Block, *, per_language: bool = False
) -> Iterator[GainRow]:
    """Yield the rows of a block: each run on each group of languages.

    Args:
        comparison: The comparison of the block. A run that stands alone has rows without gains.
        block: One of its blocks.
        per_language: Follow each group by its languages.
    """
    first = 1 if len(comparison.runs) > 1 else 0
    for group in block.lines:
        single = [one for one in block.languages if per_language and one.group == group.group]
        for line in (group, *single):
            for run, cell in zip(comparison.runs[first:], line.cells[first:], strict=True):
                yield GainRow(
                    block=block,
                    line=line,
                    is_group=line is group,
                    run=run.label,
                    before=line.cells[0],
                    after=cell,
                )
