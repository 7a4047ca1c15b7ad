"""The values of a sweep -> a chart of each kind of task: how a regime fares as one thing about the corpus changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.report.charts import COLOURS

if TYPE_CHECKING:
    from hexapla.reproduce.results import Value


def draw(values: Sequence[Value], out: Path) -> dict[str, list[str]]:
    """Draw the experiments that are sweeps.

    Args:
        values: Of all experiments.
        out: The folder for SVG files, which is made if there is something to draw.

    Returns:
        The names of the files of each experiment.
    """
    import altair as alt

    drawn: dict[str, list[str]] = {}
    for experiment in dict.fromkeys(value.group.experiment.name for value in values):
        of = [value for value in values if value.group.experiment.name == experiment and _place(value) is not None]
        if len({value.group.corpus for value in of}) < 3:
            continue
        rows = [_row(value) for value in of if value.languages in ("seen", "unseen") and value.kind is not None]
        if not rows:
            continue
        regimes = list(dict.fromkeys(str(row["regime"]) for row in rows))
        label = str(of[0].group.corpus).rpartition("-")[0]
        base = alt.Chart(alt.InlineData(values=rows), width=220, height=150).encode(
            x=alt.X("x:Q", title=label, scale=alt.Scale(type=_scale([float(row["x"]) for row in rows]))),
            color=alt.Color("regime:N", title=None, scale=alt.Scale(domain=regimes, range=list(COLOURS))),
        )
        lines = base.mark_line(point=True).encode(y=alt.Y("value:Q", title="%", scale=alt.Scale(zero=False)))
        bars = base.mark_rule().encode(y="low:Q", y2="high:Q")
        chart = (
            (lines + bars)
            .facet(column=alt.Column("languages:N", title=None), row=alt.Row("task:N", title=None))
            .resolve_scale(y="independent")
        )
        out.mkdir(parents=True, exist_ok=True)
        name = f"{experiment}.svg"
        chart.save(str(out / name))
        drawn[experiment] = [name]
    return drawn


def _place(value: Value) -> float | None:
    """Return the number that a swept corpus's name ends with."""
    try:
        return float(value.group.corpus.rpartition("-")[2])
    except ValueError:
        return None


def _row(value: Value) -> dict[str, Any]:
    mean, sd = 100 * value.cell["value"], 100 * (value.cell["sd"] or 0.0)
    regime = value.regime if len(value.group.experiment.budgets) == 1 else f"{value.regime}, {value.group.budget}"
    return {
        "x": _place(value), "regime": regime, "languages": value.languages, "task": f"{value.task} {value.metric}",
        "value": mean, "low": mean - sd, "high": mean + sd,
    }  # fmt: skip


def _scale(places: Sequence[float]) -> str:
    """Return "log" where numbers span more than a factor of eight."""
    return "log" if min(places) > 0 and max(places) / min(places) > 8 else "linear"
