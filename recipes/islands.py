"""Draw the picture of README: sentences of the demo before and after alignment.

In: the folder of `make demo`, whose rows were kept from training.
Out: `docs/figures/islands-light.svg` and `docs/figures/islands-dark.svg`, 40 rows in seven
languages, projected by t-SNE as in the page of `hexapla report`.

    python recipes/islands.py demo
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import altair as alt
import numpy as np

from hexapla.report.charts import chart_image, language_name
from hexapla.report.maps import Examples, Map, project, read_examples
from hexapla.runs.atomic import write_text

_N_ROWS = 40
_LANGUAGES = (
    "eng_Latn", "deu_Latn", "fra_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan", "hin_Deva",
)  # fmt: skip
_TITLES = {"base": "before alignment", "multiway": "after alignment"}
_INK = {"light": "#1f2328", "dark": "#f0f6fc"}  # of the text, as on GitHub
_COLOURS = ("#999999", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_FIGURES = Path(__file__).parent.parent / "docs" / "figures"


def read(folder: Path, run: str) -> Examples:
    """Read the first rows of a run, in the languages that are shown."""
    examples = read_examples(folder / "scores" / run, run)
    if examples is None:
        raise SystemExit(f"{folder} has no example sentences; make it with: make demo")
    items = list(dict.fromkeys(examples.items))[:_N_ROWS]
    places = [
        place
        for place, (item, language) in enumerate(
            zip(examples.items, examples.languages, strict=True)
        )
        if item in items and language in _LANGUAGES
    ]
    return dataclasses.replace(
        examples,
        vectors=examples.vectors[places],
        items=[examples.items[place] for place in places],
        languages=[examples.languages[place] for place in places],
        texts=[examples.texts[place] for place in places],
    )


def panel(one: Map, ink: str) -> alt.Chart:
    """Draw one run."""
    span = np.ptp(one.points, axis=0)
    x_N, y_N = ((one.points - one.points.min(axis=0)) / span).round(3).T.tolist()
    rows = [
        {"x": x, "y": y, "language": short_name(language)}
        for x, y, language in zip(x_N, y_N, one.languages, strict=True)
    ]
    names = [short_name(language) for language in _LANGUAGES]
    colour = alt.Color(
        "language:N",
        scale=alt.Scale(domain=names, range=_COLOURS),
        legend=alt.Legend(
            title=None, labelColor=ink, labelFontSize=13, labelLimit=0, symbolSize=90
        ),
    )
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows), width=360, height=300)
        .mark_circle(size=45, opacity=0.85, aria=False)
        .encode(x=alt.X("x:Q", axis=None), y=alt.Y("y:Q", axis=None), color=colour)
        .properties(title=alt.TitleParams(_TITLES[one.run], color=ink, fontSize=15))
    )
    return chart


def short_name(language: str) -> str:
    """Return the name of a language without its script, for which the legend has no room."""
    return language_name(language).partition(" (")[0]


def main(folder: Path) -> None:
    """Draw both pictures."""
    maps = [project(read(folder, run)) for run in _TITLES]
    for mode, ink in _INK.items():
        chart = alt.hconcat(*(panel(one, ink) for one in maps)).configure(background="transparent")
        chart = chart.configure_view(stroke=None).configure_concat(spacing=30)
        write_text(_FIGURES / f"islands-{mode}.svg", chart_image(chart, "svg").decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
