"""The values of sweeps as charts: how regimes fare as one property of the corpus changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hexapla.report.charts import COLOURS, chart_image
from hexapla.reproduce.experiments import Sweep
from hexapla.reproduce.matrix_values import MatrixValue
from hexapla.runs.atomic import write_beside

_MIN_PLACES = 2  # that make a line
_LOG_FACTOR = 8  # numbers that span more are drawn on a logarithmic scale


def draw_sweeps(
    values: Sequence[MatrixValue], sweeps: Mapping[str, Sweep], out: Path
) -> dict[str, list[str]]:
    """Draw the experiments that are sweeps, one file for each key that is swept.

    Args:
        values: Values of all experiments.
        sweeps: Places of the corpora that belong to a sweep, by the corpus's name.
        out: Folder for the SVG files, which is made if there is something to draw.

    Returns:
        The names of the files of each experiment.
    """
    drawn: dict[str, list[str]] = {}
    swept = [value for value in values if value.group.corpus in sweeps]
    for experiment in dict.fromkeys(value.group.experiment.name for value in swept):
        of_experiment = [value for value in swept if value.group.experiment.name == experiment]
        for key in dict.fromkeys(sweeps[value.group.corpus].key for value in of_experiment):
            points = [
                _point(value, sweep)
                for value in of_experiment
                if (sweep := sweeps[value.group.corpus]).key == key
                and value.languages in ("seen", "unseen")
                and value.kind is not None
            ]
            if len({point["x"] for point in points}) < _MIN_PLACES:
                continue
            out.mkdir(parents=True, exist_ok=True)
            name = f"{experiment}-{key}.svg"
            image = chart_image(_chart(points, key), "svg")
            with write_beside(out / name) as partial, partial.open("wb") as file:
                file.write(image)
            drawn.setdefault(experiment, []).append(name)
    return drawn


def _chart(rows: Sequence[Mapping[str, Any]], key: str) -> Any:
    import altair as alt

    trained = list(dict.fromkeys(str(row["trained"]) for row in rows))
    corpora = list(dict.fromkeys(str(row["corpus"]) for row in rows))
    # Dashes and shapes show the corpus if there are several, else the training.
    marked_by, among = ("corpus", corpora) if len(corpora) > 1 else ("trained", trained)
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
    lines = base.mark_line().encode(y=y, strokeDash=alt.StrokeDash(f"{marked_by}:N", **names))
    points = base.mark_point(filled=True).encode(y=y, shape=alt.Shape(f"{marked_by}:N", **names))
    bars = base.mark_rule().encode(y="low:Q", y2="high:Q")
    return (
        (lines + points + bars)
        .facet(column=alt.Column("languages:N", title=None), row=alt.Row("task:N", title=None))
        .resolve_scale(y="independent")
    )


def _point(value: MatrixValue, sweep: Sweep) -> dict[str, Any]:
    """Return a point, with how its encoder was trained and on which corpus.

    A training is named by its regime and by whatever else the experiment has several of.
    """
    mean, sd = 100 * value.cell["value"], 100 * (value.cell["sd"] or 0.0)
    experiment, group = value.group.experiment, value.group
    several = ((group.encoder, experiment.encoders), (group.budget, experiment.budgets))
    trained = [value.regime, *(name for name, among in several if len(among) > 1)]
    return {
        "x": sweep.value,
        "trained": ", ".join(trained),
        "corpus": sweep.table,
        "languages": value.languages,
        "task": f"{value.task} {value.metric}",
        "value": mean,
        "low": mean - sd,
        "high": mean + sd,
    }


def _scale(places: Sequence[float]) -> str:
    is_wide = min(places) > 0 and max(places) / min(places) > _LOG_FACTOR
    return "log" if is_wide else "linear"
