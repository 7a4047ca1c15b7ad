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


def legend(comparison: Comparison, *, with_tests: bool = True) -> Iterator[str]:
    """Yield the sentences that explain the tables: values, intervals, tests, budgets, notes.

    Args:
        comparison: What the tables are of.
        with_tests: Whether they have p values.
    """
    averages = (
        "Values are percent, averaged per language (both directions of retrieval), then over the "
        "languages of a row; n is the number of items in a language."
    )
    if len(comparison.runs) == 1:
        yield averages
    else:
        yield (
            f"{averages} Gains over {comparison.runs[0].label} are points, * where the interval "
            f"excludes 0. Intervals: paired bootstrap over items, {comparison.n_resamples} "
            f"resamples, seed {comparison.seed}. They cover the choice of test items, not of "
            "languages or training seeds, and are not corrected for their number."
        )
    if with_tests and len(comparison.runs) > 1:
        yield (
            f"p: paired permutation test over items, two-sided, {comparison.n_resamples} draws: an "
            "item's values are swapped with the baseline's in all languages and seeds at once. Not "
            "corrected for the number of tests."
        )
    n_seeds = max(len(run.seeds) for run in comparison.runs)
    if n_seeds > 1:
        yield (
            "Several seeds: mean ± standard deviation over the seeds. p over seeds: two-sided "
            "sign-flip test over the seeds that a run shares with the baseline; with "
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
