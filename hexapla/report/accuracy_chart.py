"""Bitext scores -> a heat map of the accuracy from every language to every other, run by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hexapla.evaluation.scores import Score
from hexapla.report.charts import Figure, language_name

if TYPE_CHECKING:
    import altair as alt

# The accuracy of each run, by source and target.
Accuracies = Mapping[str, Mapping[tuple[str, str], float]]


def accuracy_chart(runs: Mapping[str, Sequence[Sequence[Score]]]) -> Figure | None:
    """Draw the bitext task with the most pairs; None if all pairs are with English.

    Args:
        runs: The scores of each seed of each run, by the run's label.
    """
    accuracies = _accuracies(runs)
    pairs = dict.fromkeys(pair for of_run in accuracies.values() for pair in of_run)
    if all("eng_Latn" in pair for pair in pairs):
        return None
    seen = _seen(runs)
    present = dict.fromkeys(code for pair in pairs for code in pair)
    order = sorted(present, key=lambda code: (not seen.get(code, False), code))
    means = ", ".join(
        f"{run} {100 * sum(of_run.values()) / len(of_run):.1f} %"
        for run, of_run in accuracies.items()
        if of_run
    )
    return Figure(
        name="language-to-language",
        title="From every language to every other",
        caption=(
            "How often a sentence's nearest neighbour in the target language is its translation; "
            "seen languages first."
        ),
        summary=f"Mean accuracy over all pairs: {means}",
        chart=_draw(accuracies, [language_name(code) for code in order]),
    )


def _accuracies(runs: Mapping[str, Sequence[Sequence[Score]]]) -> Accuracies:
    """Return the accuracies of the bitext task with the most pairs, mean over seeds."""
    values: dict[str, dict[str, dict[tuple[str, str], list[float]]]] = {}
    for run, seeds in runs.items():
        for score in (score for scores in seeds for score in scores):
            if score.task.startswith("bitext/") and score.metric == "accuracy":
                source, _, target = score.languages.partition("-")
                of_run = values.setdefault(score.task, {}).setdefault(run, {})
                of_run.setdefault((source, target), []).append(score.value)
    if not values:
        return {}
    task = max(values, key=lambda name: len(next(iter(values[name].values()))))
    return {
        run: {pair: float(np.mean(of_pair)) for pair, of_pair in of_run.items()}
        for run, of_run in values[task].items()
    }


def _seen(runs: Mapping[str, Sequence[Sequence[Score]]]) -> dict[str, bool]:
    """Return whether each language was seen in training, as its single-language scores say."""
    scores = (score for seeds in runs.values() for of_seed in seeds for score in of_seed)
    return {
        score.languages: score.seen
        for score in scores
        if "-" not in score.languages and score.seen is not None
    }


def _draw(accuracies: Accuracies, order: Sequence[str]) -> alt.FacetChart:
    import altair as alt

    rows = [
        {
            "run": run,
            "source": language_name(source),
            "target": language_name(target),
            "accuracy": round(100 * value, 1),
        }
        for run, of_run in accuracies.items()
        for (source, target), value in of_run.items()
    ]
    size = max(180, min(420, 16 * len(order)))
    scale = alt.Scale(scheme="viridis", domain=[0, 100])
    chart: alt.FacetChart = (
        alt.Chart(alt.InlineData(values=rows), width=size, height=size)
        .mark_rect()
        .encode(
            x=alt.X("target:N", sort=list(order), title="target"),
            y=alt.Y("source:N", sort=list(order), title="source"),
            color=alt.Color("accuracy:Q", title="accuracy, %", scale=scale),
            tooltip=["run:N", "source:N", "target:N", "accuracy:Q"],
        )
        .facet(
            facet=alt.Facet("run:N", sort=list(accuracies), title=None),
            columns=3 if size < 260 else 2,
        )
    )
    return chart
