"""The headings of a comparison's tables, and the sentences below them that explain their signs."""

from __future__ import annotations

from collections.abc import Iterator

from hexapla.evaluation.metrics import METRICS
from hexapla.report.comparison import Block, Comparison

CONTAMINATED = " †"


def contamination_mark(comparison: Comparison, block: Block) -> str:
    """Return the mark of a task whose sentences are in a training corpus; empty for other tasks."""
    return CONTAMINATED if comparison.is_contaminated(block) else ""


def block_title(comparison: Comparison, block: Block) -> str:
    """Return the task and its split, with a mark if it is contaminated."""
    return f"{block.task} ({block.split}){contamination_mark(comparison, block)}"


def metric_direction(block: Block) -> str:
    """Return a remark on metrics where lower is better; empty for others."""
    return "" if METRICS[block.metric].higher_is_better else ", lower is better"


def metric_title(block: Block) -> str:
    """Return the metric's name with its unit, and which way is better unless that is up."""
    return f"{METRICS[block.metric].label}, %{metric_direction(block)}"


def legend(comparison: Comparison) -> Iterator[str]:
    """Yield the sentences that explain the tables: values, intervals, tests, budgets, notes."""
    baseline = comparison.runs[0].label
    yield (
        "Values: percent, averaged per language (both directions of retrieval), then over the "
        f"languages of the line. Beside or below: the gain over {baseline} in points, in percent "
        f"of {baseline}'s value, and [95 % interval] in points; * where the interval excludes 0."
    )
    yield (
        f"Intervals: paired bootstrap over items, {comparison.n_resamples} resamples, seed "
        f"{comparison.seed}. They cover the choice of test items, not the choice of languages or "
        "training seeds, and are not corrected for their number."
    )
    yield (
        f"p: paired permutation test over items, two-sided, {comparison.n_resamples} draws: an "
        "item's values are swapped with the baseline's in all languages and seeds at once. Not "
        "corrected for the number of tests."
    )
    n_seeds = max(len(run.seeds) for run in comparison.runs)
    if n_seeds > 1:
        yield (
            "Columns of several seeds: mean ± standard deviation over the seeds. seeds p: "
            "two-sided sign-flip test over the seeds that a run shares with the baseline; with "
            f"{n_seeds} seeds it cannot be below {2 / 2**n_seeds:g}."
        )
    yield from _budget(comparison)
    if comparison.contamination:
        yield (
            f"{CONTAMINATED.strip()} A training corpus contains sentences of this task; see the "
            "notes."
        )
    yield from (f"Note: {note}." for note in comparison.notes)


def _budget(comparison: Comparison) -> Iterator[str]:
    """Name the budgets, and the amount that each training used."""
    known = [run for run in comparison.runs if run.budget is not None]
    if known:
        amounts = "; ".join(
            f"{run.label} saw {run.n_rows_seen:,} rows and encoded {run.n_encodings:,} sentences"
            for run in known
        )
        budgets = ", ".join(dict.fromkeys(run.budget or "" for run in known))
        yield f"Budget: {budgets}. {amounts}."
