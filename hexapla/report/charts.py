"""A comparison and what lies beside its scores -> Altair charts, each with the sentence that says what it shows.

The page embeds their specifications, and PNG and SVG files are made of the same ones. No chart has
a background or a text colour of its own: the page gives it those of its light or dark mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hexapla.report.comparison import Block, Comparison, Line
from hexapla.report.maps import Map
from hexapla.text import languages as codes

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito's, told apart by colour-blind readers, in light and dark mode.
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# Of languages: 20 distinct, then again; the legend and the tooltip tell which.
_SCHEME = "tableau20"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart of the page.

    Attributes:
        name: Of its files and its place in the page.
        title: Its heading.
        caption: What it is and how to read it.
        summary: What it shows, for who does not see it.
        chart: Altair's.
    """

    name: str
    title: str
    caption: str
    summary: str
    chart: alt.TopLevelMixin


def language_name(unit: str) -> str:
    """Name a language, or the two of a pair.

    >>> language_name("deu_Latn-fra_Latn")
    'German – French'
    """
    return " – ".join(codes.name(code) for code in unit.split("-"))


def gains_per_language(comparison: Comparison) -> Figure | None:
    """Draw what each run gains on each language, with its interval, task by task."""
    import altair as alt

    rows = [
        {
            "task": _task(block),
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
    if not rows:
        return None
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    runs = [run.label for run in comparison.runs[1:]]
    order = sorted(
        {str(row["language"]) for row in rows}, key=lambda name: ("unseen" in name, name)
    )
    base = (
        alt.Chart(alt.InlineData(values=rows), width=560)
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
        alt.Tooltip("before:Q", title=f"{comparison.runs[0].label}, %"),
        alt.Tooltip("after:Q", title="this run, %"),
        alt.Tooltip("gain:Q", format="+.1f", title="gain, points"),
        alt.Tooltip("low:Q", format="+.1f", title="from"),
        alt.Tooltip("high:Q", format="+.1f", title="to"),
    ]
    bars = base.mark_bar(opacity=0.8).encode(
        x=alt.X(
            "gain:Q", title=f"gain over {comparison.runs[0].label}, points, with 95 % interval"
        ),
        tooltip=tooltip,
    )
    rules = base.mark_rule(strokeWidth=1.5).encode(
        x=alt.X("low:Q"), x2="high:Q", color=alt.value("#888888"), tooltip=tooltip
    )
    pick = alt.param("task", bind=alt.binding_select(options=tasks, name="Task: "), value=tasks[0])
    first = [row for row in rows if row["task"] == tasks[0]]
    best, worst = (
        pick_one(first, key=lambda row: float(str(row["gain"]))) for pick_one in (max, min)
    )
    return Figure(
        name="gains",
        title="Gain per language",
        caption="One bar a language and run; the thin line is the 95 % interval of the gain (paired bootstrap).",
        summary=(
            f"{tasks[0]}: the greatest gain is {best['gain']:+.1f} points ({best['run']}, {best['language']}), "
            f"the least {worst['gain']:+.1f} ({worst['run']}, {worst['language']})."
        ),
        chart=(bars + rules).add_params(pick),
    )


def _language_and_group(line: Line) -> str:
    """Name a language, and whether training saw it, where that is known and a question."""
    name = language_name(line.languages[0])
    return f"{name} ({line.group})" if line.group in ("seen", "unseen") else name


def _task(block: Block) -> str:
    return f"{block.task}, {block.metric}"


def heat_map(
    accuracies: Mapping[str, Mapping[tuple[str, str], float]], seen: Mapping[str, bool]
) -> Figure | None:
    """Draw the accuracy from every language to every other, run by run.

    Args:
        accuracies: By run, then by source and target.
        seen: Whether a language was seen in training, where that is known.
    """
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
    present = dict.fromkeys(
        code for of_run in accuracies.values() for pair in of_run for code in pair
    )
    if not any("eng_Latn" not in pair for of_run in accuracies.values() for pair in of_run):
        return None
    order = [
        language_name(code)
        for code in sorted(present, key=lambda code: (not seen.get(code, False), code))
    ]
    size = max(180, min(420, 16 * len(order)))
    chart = (
        alt.Chart(alt.InlineData(values=rows), width=size, height=size)
        .mark_rect()
        .encode(
            x=alt.X("target:N", sort=order, title="target"),
            y=alt.Y("source:N", sort=order, title="source"),
            color=alt.Color(
                "accuracy:Q",
                title="accuracy, %",
                scale=alt.Scale(scheme="viridis", domain=[0, 100]),
            ),
            tooltip=["run:N", "source:N", "target:N", "accuracy:Q"],
        )
        .facet(
            facet=alt.Facet("run:N", sort=list(accuracies), title=None),
            columns=3 if size < 260 else 2,
        )
    )
    means = {
        run: sum(of_run.values()) / len(of_run) for run, of_run in accuracies.items() if of_run
    }
    return Figure(
        name="language-to-language",
        title="From every language to every other",
        caption="How often a sentence's nearest neighbour in the target language translates it; seen languages first.",
        summary="Mean accuracy over all pairs: "
        + ", ".join(f"{run} {100 * mean:.1f} %" for run, mean in means.items()),
        chart=chart,
    )


def sentence_map(maps: Sequence[Map]) -> Figure | None:
    """Draw the same rows' sentences in two dimensions, a panel a run, coloured by language."""
    import altair as alt

    if not maps:
        return None
    rows: list[dict[str, Any]] = [
        {
            "run": one.run,
            "x": round(float(x), 2),
            "y": round(float(y), 2),
            "language": language_name(language),
            "text": text[:120],
            "item": item,
        }
        for one in maps
        for (x, y), item, language, text in zip(
            one.points, one.items, one.languages, one.texts, strict=True
        )
    ]
    chosen = alt.selection_point(fields=["language"], bind="legend", name="chosen")
    near = alt.selection_point(
        fields=["item"], on="pointerover", empty=False, name="near", clear="pointerout"
    )
    names = sorted({row["language"] for row in rows})
    chart = (
        alt.Chart(alt.InlineData(values=rows), width=360, height=360)
        .mark_circle(strokeWidth=1.5)
        .encode(
            x=alt.X("x:Q", axis=None),
            y=alt.Y("y:Q", axis=None),
            color=alt.Color(
                "language:N",
                scale=alt.Scale(scheme=_SCHEME),
                legend=alt.Legend(
                    title="language (click)", columns=1 + len(names) // 20, symbolLimit=0
                ),
            ),
            opacity=alt.condition(chosen, alt.value(0.8), alt.value(0.06)),
            size=alt.condition(near, alt.value(260), alt.value(36)),
            tooltip=[alt.Tooltip("language:N"), alt.Tooltip("text:N")],
        )
        .add_params(chosen, near)
        .facet(facet=alt.Facet("run:N", sort=[one.run for one in maps], title=None), columns=2)
    )
    islands = ", ".join(f"{one.run} {100 * one.same_language:.0f} %" for one in maps)
    return Figure(
        name="map",
        title="The languages' islands",
        caption=(
            f"{len(set(maps[0].items))} sentences in {len(names)} languages, projected by t-SNE (cosine), each run by "
            "itself (of several seeds the first): distances in a panel are a hint, axes mean nothing. Point at a "
            "sentence: its translations grow."
        ),
        summary=f"Share of sentences whose nearest neighbour is of their own language: {islands}.",
        chart=chart.resolve_scale(x="independent", y="independent"),
    )


def training_curves(
    curves: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
) -> Figure | None:
    """Draw the loss, and the accuracy on held-out rows, over the steps of each training.

    Args:
        curves: By run, `losses` and `held_out` as align.json has them.
    """
    import altair as alt

    rows = [
        {"run": run, "step": point["step"], "value": point[key], "what": what}
        for run, curve in curves.items()
        for name, key, what in (
            ("losses", "loss", "loss"),
            ("held_out", "accuracy", "accuracy on held-out rows"),
        )
        for point in curve.get(name, ())
    ]
    if not rows:
        return None
    chart = (
        alt.Chart(alt.InlineData(values=rows), width=560, height=200)
        .mark_line(point=alt.OverlayMarkDef(size=20))
        .encode(
            x=alt.X("step:Q", title="optimiser step"),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "run:N", title=None, scale=alt.Scale(domain=list(curves), range=list(COLOURS))
            ),
            tooltip=["run:N", "step:Q", alt.Tooltip("value:Q", format=".3f")],
        )
        .facet(row=alt.Row("what:N", title=None))
        .resolve_scale(y="independent", x="independent")
    )
    last = {
        run: curve["losses"][-1]["loss"] for run, curve in curves.items() if curve.get("losses")
    }
    return Figure(
        name="training",
        title="Training",
        caption="Losses of regimes with other terms are not comparable with each other, only in themselves.",
        summary="Last loss: " + ", ".join(f"{run} {loss:.3f}" for run, loss in last.items()) + ".",
        chart=chart,
    )
