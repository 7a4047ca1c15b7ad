"""A comparison -> the few numbers that its reader came for, beside those of the paper, on the page and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hexapla.report.comparison import Block, Cell, Comparison

# Relative gains of multi-way over English-X pairs that the abstract of arXiv 2602.21543 reports.
PAPER = {"bitext mining": 0.213, "semantic similarity": 0.053, "classification": 0.284}
_KINDS = {"bitext": "bitext mining", "sts": "semantic similarity", "classification": "classification"}
_KINDS["topics"] = "classification"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One task and group of languages in one run, beside the baseline and the paper.

    Attributes:
        kind: As the paper names it.
        task: As `Score.task`.
        metric: Its headline metric.
        group: Of languages: seen, unseen, ...
        run: The column's label.
        before: The baseline's cell.
        after: The run's.
        paper: The relative gain that the paper reports for the kind; None for a run that is not multiway.
    """

    kind: str
    task: str
    metric: str
    group: str
    run: str
    before: Cell
    after: Cell
    paper: float | None


def headline(comparison: Comparison) -> list[Headline]:
    """Return the gains on bitext mining, similarity within a language and classification, in that order."""
    found = [one for block in comparison.blocks if block.headline for one in _of_block(block, comparison)]
    return sorted(found, key=lambda one: list(PAPER).index(one.kind))


def _of_block(block: Block, comparison: Comparison) -> Iterator[Headline]:
    kind = _KINDS.get(block.task.split("/")[0])
    if kind is None:
        return
    for line in block.lines:
        if line.group.endswith("no English"):
            continue
        for run, cell in zip(comparison.runs[1:], line.cells[1:], strict=True):
            yield Headline(
                kind=kind, task=block.task, metric=block.metric, group=line.group, run=run.label, before=line.cells[0],
                after=cell, paper=PAPER[kind] if run.regime == "multiway" else None,
            )  # fmt: skip


def summary(comparison: Comparison) -> str:
    """Return a table in Markdown for a README: the headline gains, the budget, and how the intervals were made."""
    base = comparison.runs[0].label
    rows = [
        f"| task | languages | {base} | run | | gain, points [95 %] | relative | paper |",
        "|---|---|--:|---|--:|--:|--:|--:|",
    ]
    for one in headline(comparison):
        low, high = one.after.interval or (0.0, 0.0)
        relative = "" if one.after.relative is None else f"{100 * one.after.relative:+.1f} %"
        cells = (
            f"{one.task}, {one.metric}", one.group.replace("eng_Latn", "English"), f"{100 * one.before.value:.1f}",
            one.run, f"{100 * one.after.value:.1f}",
            f"{100 * (one.after.gain or 0):+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]", relative,
            "" if one.paper is None else f"{100 * one.paper:+.1f} %",
        )  # fmt: skip
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    notes = "".join(f"- {note}\n" for note in comparison.notes)
    return (
        "\n".join(rows)
        + f"\n\nPercent; paired bootstrap over test rows, {comparison.n_resamples} resamples. The paper's column is of "
        "its own comparison (multi-way over English-X, XLM-R and mBERT base, MTEB), with other encoders and data.\n"
        + (f"\n{notes}" if notes else "")
    )
