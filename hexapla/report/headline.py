"""A comparison -> its headline gains beside the paper's, for the page and its summary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hexapla.report.comparison import Block, Comparison, TableCell
from hexapla.report.gain_rows import gain_rows

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
        n_items: The smallest and the largest number of items of any language.
        paper: Relative gain that the paper reports for this kind of task; None unless a multiway
            run is compared with en-x, as in the paper.
    """

    kind: str
    task: str
    metric: str
    group: str
    run: str
    before: TableCell
    after: TableCell
    n_items: tuple[int, int]
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
        kind = kind_of(block)
        for line in block.lines if kind else ():
            before, after = line.cells[en_x].value, line.cells[multiway].value
            if line.group in ("seen", "unseen") and before > 0:
                sentences.append(
                    f"{kind}, {block.task}, {line.group}: {100 * (after / before - 1):+.1f} % "
                    f"({100 * before:.1f} to {100 * after:.1f}; the paper "
                    f"{100 * PAPER[str(kind)]:+.1f} %)"
                )
    return sentences


def kind_of(block: Block) -> str | None:
    """Return the kind of a block's task as the paper names it; None for other tasks."""
    return _KINDS.get(block.task.split("/")[0])


def _of_block(block: Block, comparison: Comparison) -> Iterator[Headline]:
    kind = kind_of(block)
    if kind is None:
        return
    regimes = {run.label: run.regime for run in comparison.runs}
    is_papers = comparison.runs[0].regime == "en-x"
    for row in gain_rows(comparison, block):
        if not row.line.group.endswith("no English"):
            has_paper = is_papers and regimes[row.run] == "multiway"
            yield Headline(
                kind=kind,
                task=block.task,
                metric=block.metric,
                group=row.line.group,
                run=row.run,
                before=row.before,
                after=row.after,
                n_items=row.line.n_items,
                paper=PAPER[kind] if has_paper else None,
            )
