"""A comparison -> the few numbers that its reader came for, beside those of the paper, on the page and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hexapla.report.comparison import Block, Cell, Comparison

# Relative gains of multi-way over English-X pairs that the abstract of arXiv 2602.21543 reports.
PAPER = {"bitext mining": 0.213, "semantic similarity": 0.053, "classification": 0.284}
_KINDS = {
    "bitext": "bitext mining",
    "sts": "semantic similarity",
    "classification": "classification",
}
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
        paper: The relative gain that the paper reports for the kind; None for a run that is not
            multiway.
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
    found = [
        one for block in comparison.blocks if block.headline for one in _of_block(block, comparison)
    ]
    return sorted(found, key=lambda one: list(PAPER).index(one.kind))


def as_the_paper(comparison: Comparison) -> list[str]:
    """Say what multiway has over en-x, the comparison that the paper made, where the baseline is another run.

    The values alone are compared; intervals are those of a comparison with en-x as the baseline.
    """
    regimes = [run.regime for run in comparison.runs]
    if regimes[0] == "en-x" or regimes.count("en-x") != 1 or regimes.count("multiway") != 1:
        return []
    one, other = regimes.index("en-x"), regimes.index("multiway")
    found = []
    for block in (block for block in comparison.blocks if block.headline):
        kind = _KINDS.get(block.task.split("/")[0])
        for line in block.lines if kind else ():
            before, after = line.cells[one].value, line.cells[other].value
            if line.group in ("seen", "unseen") and before > 0:
                found.append(
                    f"{kind}, {block.task}, {line.group}: {100 * (after / before - 1):+.1f} % "
                    f"({100 * before:.1f} to {100 * after:.1f}; the paper {100 * PAPER[str(kind)]:+.1f} %)"
                )
    return found


def _of_block(block: Block, comparison: Comparison) -> Iterator[Headline]:
    kind = _KINDS.get(block.task.split("/")[0])
    if kind is None:
        return
    for line in block.lines:
        if line.group.endswith("no English"):
            continue
        for run, cell in zip(comparison.runs[1:], line.cells[1:], strict=True):
            yield Headline(
                kind=kind,
                task=block.task,
                metric=block.metric,
                group=line.group,
                run=run.label,
                before=line.cells[0],
                after=cell,
                paper=PAPER[kind] if run.regime == "multiway" else None,
            )


def summary(comparison: Comparison) -> str:
    """Return a table in Markdown for a README: the headline gains, the budget, and how the intervals were made."""
    base = comparison.runs[0].label
    rows = [
        f"| task | languages | {base} | run | | gain, points [95 %] | relative | paper |",
        "|---|---|--:|---|--:|--:|--:|--:|",
    ]
    for one in headline(comparison):
        ends = one.after.interval
        relative = "" if one.after.relative is None else f"{100 * one.after.relative:+.1f} %"
        cells = (
            f"{one.task}, {one.metric}",
            one.group.replace("eng_Latn", "English"),
            f"{100 * one.before.value:.1f}",
            one.run,
            f"{100 * one.after.value:.1f}",
            f"{100 * (one.after.gain or 0):+.1f}"
            + (f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]" if ends else ""),
            relative,
            "" if one.paper is None else f"{100 * one.paper:+.1f} %",
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    paper = [
        f"multiway over en-x, as the paper compares: {one}" for one in as_the_paper(comparison)
    ]
    notes = "".join(f"- {note}\n" for note in (*paper, *comparison.notes))
    return (
        "\n".join(rows)
        + f"\n\nPercent; paired bootstrap over test rows, {comparison.n_resamples} resamples. The paper's column is of "
        "its own comparison (multi-way over English-X, XLM-R and mBERT base, MTEB), with other encoders and data.\n"
        + (f"\n{notes}" if notes else "")
    )
