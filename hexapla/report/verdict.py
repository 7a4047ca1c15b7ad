"""A comparison -> its result in a sentence for each run, and a warning where items are few."""

from __future__ import annotations

from collections.abc import Sequence

from hexapla.report.comparison import Block, Comparison
from hexapla.report.gain_rows import GainRow, gain_rows
from hexapla.report.headline import kind_of

# Items of a language below which an interval says little: 20 of 40 is 50 %, give or take 15 points.
FEW_ITEMS = 50
_MAX_NAMED = 4  # rows that a sentence names one by one
_GROUPS = {"seen": "seen languages", "unseen": "unseen languages", "all": "all languages"}


def verdicts(comparison: Comparison) -> list[str]:
    """Say for each run where it is better or worse than the baseline.

    A difference is clear if its interval excludes 0.
    """
    blocks = _judged_blocks(comparison)
    rows = [
        row
        for block in blocks
        for row in gain_rows(comparison, block)
        if not row.line.group.endswith("no English")
    ]
    baseline = comparison.runs[0].label
    return [
        _sentence(run.label, baseline, [row for row in rows if row.run == run.label])
        for run in comparison.runs[1:]
    ]


def few_items(comparison: Comparison) -> str | None:
    """Warn of tasks with few items in a language; None if all have enough."""
    smallest: dict[str, int] = {}
    for block in _judged_blocks(comparison):
        n_items = min(line.n_items[0] for line in block.lines)
        if n_items < FEW_ITEMS:
            smallest[block.task] = min(n_items, smallest.get(block.task, n_items))
    if not smallest:
        return None
    tasks = _listed([f"{task} ({n_items})" for task, n_items in smallest.items()])
    return (
        f"Few items in a language: {tasks}. Below about {FEW_ITEMS}, intervals are rough and a "
        "difference may be chance; evaluate on more rows."
    )


def _judged_blocks(comparison: Comparison) -> list[Block]:
    """Return the main metrics of the tasks that users have; without any, all main metrics."""
    headline = [block for block in comparison.blocks if block.headline]
    return [each for each in headline if kind_of(each) or each.task.startswith("pool/")] or headline


def _sentence(run: str, baseline: str, rows: Sequence[GainRow]) -> str:
    better, worse, unclear = (
        [row for row in rows if row.is_better is kind] for kind in (True, False, None)
    )
    if not (better or worse):
        where = f" at {_named(unclear)}" if len(unclear) <= _MAX_NAMED else ""
        return f"No clear difference between {run} and {baseline}{where}: the intervals contain 0."
    if len(rows) > _MAX_NAMED:
        return _count(run, baseline, better, worse, len(rows))
    parts = [
        f"{word} at {_named(some)}"
        for word, some in (
            (f"better than {baseline}", better),
            ("worse" if better else f"worse than {baseline}", worse),
        )
        if some
    ]
    rest = f"; no clear difference at {_named(unclear)}" if unclear else ""
    return f"{run} is {', and '.join(parts)}{rest}."


def _count(
    run: str, baseline: str, better: Sequence[GainRow], worse: Sequence[GainRow], n_rows: int
) -> str:
    """Say on how many rows a run is better and worse, and where the most."""
    n_unclear = n_rows - len(better) - len(worse)
    ends = [
        f"the largest {word} is at {_named([max(some, key=lambda row: abs(row.after.gain or 0))])}"
        for word, some in (("improvement", better), ("loss", worse))
        if some
    ]
    return (
        f"{run} is better than {baseline} on {len(better)} of {n_rows} rows, worse on "
        f"{len(worse)}, and not clearly different on {n_unclear}; {', '.join(ends)}."
    )


def _named(rows: Sequence[GainRow]) -> str:
    """Name rows with their gains; the task is named where it changes."""
    names, task = [], None
    for row in rows:
        place = f"in {_GROUPS.get(row.line.group, 'English')}"
        start = "" if row.block.task == task else f"{row.block.task} "
        names.append(f"{start}{place} ({100 * (row.after.gain or 0):+z.1f} points)")
        task = row.block.task
    return _listed(names)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
