"""A comparison -> a bar chart of what each run gains on each language, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hexapla.report.charts import COLOURS, Figure, language_name
from hexapla.report.comparison import Comparison, Line

if TYPE_CHECKING:
    import altair as alt


def gain_chart(comparison: Comparison) -> Figure | None:
    """Draw the gain of each run on each language, by task; None if there are no gains."""
    rows = _rows(comparison)
    if not rows:
        return None
    first_task = rows[0]["task"]
    first = [row for row in rows if row["task"] == first_task]
    best, worst = (choose(first, key=lambda row: float(row["gain"])) for choose in (max, min))
    return Figure(
        name="gains",
        title="Gain per language",
        caption=(
            "One bar for each language and run; the thin line is the 95 % interval of the gain "
            "(paired bootstrap)."
        ),
        summary=(
            f"{first_task}: the largest gain is {best['gain']:+.1f} points ({best['run']}, "
            f"{best['language']}), the smallest {worst['gain']:+.1f} ({worst['run']}, "
            f"{worst['language']})."
        ),
        chart=_draw(comparison, rows),
    )


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "task": f"{block.task}, {block.metric}",
            "language": _language_and_group(line),
            "run": run.label,
            "gain": 100 * cell.gain,
            "low": 100 * cell.interval[0],
            "high": 100 * cell.interval[1],
            "before": round(100 * line.cells[0].value, 1),
            "after": round(100 * cell.value, 1),
        }
        for block in comparison.blocks
        if block.headline
        for line in block.languages
        for run, cell in zip(comparison.runs[1:], line.cells[1:], strict=True)
        if cell.gain is not None and cell.interval is not None
    ]


def _language_and_group(line: Line) -> str:
    """Name a language, and say whether training saw it, unless that is unknown or it is English."""
    name = language_name(line.languages[0])
    return f"{name} ({line.group})" if line.group in ("seen", "unseen") else name


def _draw(comparison: Comparison, rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    import altair as alt

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    runs = [run.label for run in comparison.runs[1:]]
    order = sorted({row["language"] for row in rows}, key=lambda name: ("unseen" in name, name))
    baseline = comparison.runs[0].label
    base = (
        alt.Chart(alt.InlineData(values=list(rows)), width=560)
        .transform_filter("datum.task == task")
        .encode(
            y=alt.Y("language:N", title=None, sort=order),
            yOffset=alt.YOffset("run:N", sort=runs),
            color=alt.Color("run:N", title=None, scale=alt.Scale(domain=runs, range=list(COLOURS))),
        )
    )
    tooltip = [
        alt.Tooltip("language:N"),
        alt.Tooltip("run:N"),
        alt.Tooltip("before:Q", title=f"{baseline}, %"),
        alt.Tooltip("after:Q", title="this run, %"),
        alt.Tooltip("gain:Q", format="+.1f", title="gain, points"),
        alt.Tooltip("low:Q", format="+.1f", title="from"),
        alt.Tooltip("high:Q", format="+.1f", title="to"),
    ]
    title = f"gain over {baseline}, points"
    bars = base.mark_bar(opacity=0.8).encode(x=alt.X("gain:Q", title=title), tooltip=tooltip)
    rules = base.mark_rule(strokeWidth=1.5).encode(
        x=alt.X("low:Q"), x2="high:Q", color=alt.value("#888888"), tooltip=tooltip
    )
    pick = alt.param("task", bind=alt.binding_select(options=tasks, name="Task: "), value=tasks[0])
    chart: alt.LayerChart = (bars + rules).add_params(pick)
    return chart
