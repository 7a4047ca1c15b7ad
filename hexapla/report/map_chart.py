"""Maps of example sentences -> a scatter plot, one panel for each run, coloured by language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hexapla.report.charts import Figure, language_name
from hexapla.report.maps import Map

if TYPE_CHECKING:
    import altair as alt

# 20 distinct colours, which repeat for more languages; the legend and the tooltip tell them apart.
_SCHEME = "tableau20"


def map_chart(maps: Sequence[Map]) -> Figure | None:
    """Draw the same sentences of several runs in two dimensions; None without maps."""
    if not maps:
        return None
    n_languages = len({language_name(code) for one in maps for code in one.languages})
    shares = ", ".join(f"{one.run} {100 * one.same_language:.0f} %" for one in maps)
    return Figure(
        name="map",
        title="The languages' islands",
        caption=(
            f"{len(set(maps[0].items))} sentences in {n_languages} languages, projected by t-SNE "
            "(cosine), each run separately (of several seeds the first). Distances within a panel "
            "are only a hint, and the axes have no meaning. Point at a sentence to enlarge its "
            "translations."
        ),
        summary=f"Share of sentences whose nearest neighbour is in their own language: {shares}.",
        chart=_draw(maps, n_languages),
    )


def _draw(maps: Sequence[Map], n_languages: int) -> alt.FacetChart:
    import altair as alt

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
    legend = alt.Legend(title="language (click)", columns=1 + n_languages // 20, symbolLimit=0)
    chart: alt.FacetChart = (
        alt.Chart(alt.InlineData(values=rows), width=360, height=360)
        .mark_circle(strokeWidth=1.5)
        .encode(
            x=alt.X("x:Q", axis=None),
            y=alt.Y("y:Q", axis=None),
            color=alt.Color("language:N", scale=alt.Scale(scheme=_SCHEME), legend=legend),
            opacity=alt.condition(chosen, alt.value(0.8), alt.value(0.06)),
            size=alt.condition(near, alt.value(260), alt.value(36)),
            tooltip=[alt.Tooltip("language:N"), alt.Tooltip("text:N")],
        )
        .add_params(chosen, near)
        .facet(facet=alt.Facet("run:N", sort=[one.run for one in maps], title=None), columns=2)
    )
    return chart.resolve_scale(x="independent", y="independent")
