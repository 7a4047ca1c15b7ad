"""A comparison -> its headline gains beside the paper's, for the page and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hexapla.report.comparison import Block, Comparison, TableCell
from hexapla.text.printable import markdown, markdown_row

# Relative gains of multi-way over English-X training in the abstract of arXiv 2602.21543.
PAPER = {"bitext mining": 0.213, "semantic similarity": 0.053, "classification": 0.284}

# The paper's names for kinds of task, by the first part of a task's name.
_KINDS = {
    "bitext": "bitext mining",
    "sts": "semantic similarity",
    "classification": "classification",
    "topics": "classification",
}


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One run's result on one task and group of languages, beside the baseline's and the paper's.

    Attributes:
        kind: Kind of task, as the paper names it.
        task: As in `Score.task`.
        metric: Headline metric of the task.
        group: Group of languages: seen, unseen, ...
        run: Label of the run's column.
        before: Cell of the baseline.
        after: Cell of the run.
        paper: Relative gain that the paper reports for this kind of task; None for a run that is
            not multiway.
    """

    kind: str
    task: str
    metric: str
    group: str
    run: str
    before: TableCell
    after: TableCell
    paper: float | None


def headline(comparison: Comparison) -> list[Headline]:
    """Return the gains on bitext mining, semantic similarity and classification, in this order."""
    headlines = [
        one for block in comparison.blocks if block.headline for one in _of_block(block, comparison)
    ]
    return sorted(headlines, key=lambda one: list(PAPER).index(one.kind))


def multiway_over_en_x(comparison: Comparison) -> list[str]:
    """Describe the gain of multiway over en-x, as the paper does, if the baseline is another run.

    These are gains of the values alone; for their intervals, compare with en-x as the baseline.
    """
    regimes = [run.regime for run in comparison.runs]
    if regimes[0] == "en-x" or regimes.count("en-x") != 1 or regimes.count("multiway") != 1:
        return []
    en_x, multiway = regimes.index("en-x"), regimes.index("multiway")
    sentences = []
    for block in (block for block in comparison.blocks if block.headline):
        kind = _kind(block)
        for line in block.lines if kind else ():
            before, after = line.cells[en_x].value, line.cells[multiway].value
            if line.group in ("seen", "unseen") and before > 0:
                sentences.append(
                    f"{kind}, {block.task}, {line.group}: {100 * (after / before - 1):+.1f} % "
                    f"({100 * before:.1f} to {100 * after:.1f}; the paper "
                    f"{100 * PAPER[str(kind)]:+.1f} %)"
                )
    return sentences


def _kind(block: Block) -> str | None:
    return _KINDS.get(block.task.split("/")[0])


def _of_block(block: Block, comparison: Comparison) -> Iterator[Headline]:
    kind = _kind(block)
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


def summary_markdown(comparison: Comparison) -> str:
    """Return the headline gains as a Markdown table for a README, with the notes below it."""
    base = comparison.runs[0].label
    lines = [
        markdown_row(
            "task", "languages", base, "run", "", "gain, points [95 %]", "relative", "paper"
        ),
        "|---|---|--:|---|--:|--:|--:|--:|",
        *map(_summary_row, headline(comparison)),
        "",
        "Percent; paired bootstrap over test rows, "
        f"{comparison.n_resamples} resamples. The paper's column is from its own comparison "
        "(multi-way over English-X, XLM-R and mBERT base, MTEB), with other encoders and data.",
    ]
    paper = [
        f"multiway over en-x, the paper's comparison: {one}"
        for one in multiway_over_en_x(comparison)
    ]
    if notes := [*paper, *comparison.notes]:
        lines += ["", *(f"- {markdown(note)}" for note in notes)]
    return "\n".join(lines) + "\n"


def _summary_row(one: Headline) -> str:
    ends = one.after.interval
    interval = f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]" if ends else ""
    relative = one.after.relative
    cells = (
        f"{one.task}, {one.metric}",
        one.group.replace("eng_Latn", "English"),
        f"{100 * one.before.value:.1f}",
        one.run,
        f"{100 * one.after.value:.1f}",
        f"{100 * (one.after.gain or 0):+.1f}{interval}",
        "" if relative is None else f"{100 * relative:+.1f} %",
        "" if one.paper is None else f"{100 * one.paper:+.1f} %",
    )
    return markdown_row(*cells)
