"""Training records -> loss and accuracy on held-out rows over the steps of each training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hexapla.report.charts import COLOURS, Figure

if TYPE_CHECKING:
    import altair as alt

# Lists in align.json, the value of their entries, and what it is called.
_CURVES = (
    ("losses", "loss", "loss"),
    ("held_out", "accuracy", "accuracy on held-out rows"),
)
_FEW_STEPS = 12  # whose ticks are given


def training_chart(
    curves: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
) -> Figure | None:
    """Draw the training curves; None if there are none.

    Args:
        curves: `losses` and `held_out` as in align.json, by run.
    """
    rows = [
        {"run": run, "step": point["step"], "value": point[key], "what": what}
        for run, curve in curves.items()
        for name, key, what in _CURVES
        for point in curve.get(name, ())
    ]
    if not rows:
        return None
    last = ", ".join(
        f"{run} {curve['losses'][-1]['loss']:.3f}"
        for run, curve in curves.items()
        if curve.get("losses")
    )
    return Figure(
        name="training",
        title="Training",
        caption=(
            "Regimes differ in the terms of their loss: compare a loss only within one regime."
        ),
        summary=f"Last loss: {last}.",
        chart=_draw(rows, list(curves)),
    )


def _draw(rows: Sequence[Mapping[str, Any]], runs: Sequence[str]) -> alt.FacetChart:
    import altair as alt

    scale = alt.Scale(domain=list(runs), range=list(COLOURS))
    steps = [row["step"] for row in rows]
    first, last = min(steps), max(steps)
    x = alt.X("step:Q", title="optimiser step", axis=alt.Axis(format=",d"))
    if last - first <= _FEW_STEPS:
        # Ticks would stand between the steps, and repeat their labels.
        x = x.axis(format=",d", values=list(range(first, last + 1)))
        x = x.scale(domain=[first - 0.5, last + 0.5], nice=False)
    chart: alt.FacetChart = (
        alt.Chart(alt.InlineData(values=list(rows)), width=560, height=200)
        .mark_line(point=alt.OverlayMarkDef(size=20))
        .encode(
            x=x,
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.Color("run:N", title=None, scale=scale),
            tooltip=["run:N", "step:Q", alt.Tooltip("value:Q", format=".3f")],
        )
        .facet(row=alt.Row("what:N", title=None))
        .resolve_scale(y="independent", x="independent")
    )
    return chart
