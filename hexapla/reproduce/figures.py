"""The values of a sweep -> a chart of each kind of task: how a regime fares as one thing about the corpus changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.report.charts import COLOURS
from hexapla.reproduce.experiments import Sweep

if TYPE_CHECKING:
    from hexapla.reproduce.results import Value

_LEAST = 2  # places that make a line


def draw(values: Sequence[Value], sweeps: Mapping[str, Sweep], out: Path) -> dict[str, list[str]]:
    """Draw the experiments that are sweeps, a file for each key that is swept.

    Args:
        values: Of all experiments.
        sweeps: Of the corpora that are one of several, by name.
        out: The folder for SVG files, which is made if there is something to draw.

    Returns:
        The names of the files of each experiment.
    """
    drawn: dict[str, list[str]] = {}
    for experiment in dict.fromkeys(value.group.experiment.name for value in values):
        of = [
            value
            for value in values
            if value.group.experiment.name == experiment and value.group.corpus in sweeps
        ]
        for key in dict.fromkeys(sweeps[value.group.corpus].key for value in of):
            some = [value for value in of if sweeps[value.group.corpus].key == key]
            rows = [
                _row(value, sweeps[value.group.corpus])
                for value in some
                if value.languages in ("seen", "unseen") and value.kind is not None
            ]
            if len({row["x"] for row in rows}) < _LEAST:
                continue
            out.mkdir(parents=True, exist_ok=True)
            name = f"{experiment}-{key}.svg"
            _chart(rows, key).save(str(out / name))
            drawn.setdefault(experiment, []).append(name)
    return drawn


def _chart(rows: Sequence[Mapping[str, Any]], key: str) -> Any:
    import altair as alt

    trained = list(dict.fromkeys(str(row["trained"]) for row in rows))
    corpora = list(dict.fromkeys(str(row["corpus"]) for row in rows))
    told_by, among = ("corpus", corpora) if len(corpora) > 1 else ("trained", trained)
    whole = alt.Legend(labelLimit=0)
    base = alt.Chart(alt.InlineData(values=list(rows)), width=240, height=160).encode(
        x=alt.X(
            "x:Q",
            title=key.replace("_", " "),
            axis=alt.Axis(values=sorted({float(row["x"]) for row in rows}), labelOverlap=True),
            scale=alt.Scale(type=_scale([float(row["x"]) for row in rows]), nice=False, padding=8),
        ),
        color=alt.Color(
            "trained:N",
            title=None,
            legend=whole,
            scale=alt.Scale(domain=trained, range=[*COLOURS, *COLOURS]),
        ),
    )
    y = alt.Y("value:Q", title="%", scale=alt.Scale(zero=False))
    names = {"title": None, "legend": whole, "scale": alt.Scale(domain=among)}
    lines = base.mark_line().encode(y=y, strokeDash=alt.StrokeDash(f"{told_by}:N", **names))
    points = base.mark_point(filled=True).encode(y=y, shape=alt.Shape(f"{told_by}:N", **names))
    bars = base.mark_rule().encode(y="low:Q", y2="high:Q")
    return (
        (lines + points + bars)
        .facet(column=alt.Column("languages:N", title=None), row=alt.Row("task:N", title=None))
        .resolve_scale(y="independent")
    )


def _row(value: Value, sweep: Sweep) -> dict[str, Any]:
    """Return a point and the line that it is on: how it was trained, told by what there are several of, and on what."""
    mean, sd = 100 * value.cell["value"], 100 * (value.cell["sd"] or 0.0)
    experiment, group = value.group.experiment, value.group
    told = [value.regime]
    for name, among in ((group.encoder, experiment.encoders), (group.budget, experiment.budgets)):
        told += [name] if len(among) > 1 else []
    return {
        "x": sweep.value,
        "trained": ", ".join(told),
        "corpus": sweep.table,
        "languages": value.languages,
        "task": f"{value.task} {value.metric}",
        "value": mean,
        "low": mean - sd,
        "high": mean + sd,
    }


def _scale(places: Sequence[float]) -> str:
    """Return "log" where numbers span more than a factor of eight."""
    return "log" if min(places) > 0 and max(places) / min(places) > 8 else "linear"
