"""The page of `hexapla explore`: a query, its nearest sentences before and after, and a map.

Gradio's fonts and analytics are off, so that no request leaves the machine. Sentences are shown in
plain HTML tables, escaped, so that they can be copied and a screen reader reads them.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError
from hexapla.explore.explorer import MAX_QUERY, Explorer, Neighbour
from hexapla.text import languages as codes
from hexapla.text.printable import printable

if TYPE_CHECKING:
    import altair as alt
    import gradio as gr

MAX_SHOWN = 50  # neighbours in each table
_MAX_QUEUED = 16  # queries that wait; one is answered at a time
_MIN_COLUMN = 340  # pixels
_TITLES = {"before": "Before alignment", "after": "After alignment"}
_HINT = "<p>Type a sentence, or choose one below the button.</p>"
_WAITING = (
    "<p>The encoder is being loaded and the corpus encoded; the answer follows by itself.</p>"
)
_LACKING = "<p>This encoder cannot be loaded here.</p>"


def build_page(explorer: Explorer) -> gr.Blocks:
    """Lay the page out and connect it to an explorer."""
    import gradio as gr

    names = explorer.encoders
    titles = [_TITLES[name] for name in names]
    with gr.Blocks(analytics_enabled=False, title="Hexapla: explore") as page:
        gr.Markdown(_introduction(explorer))
        query = gr.Textbox(
            label="Sentence", placeholder="in any language", autofocus=True, max_length=MAX_QUERY
        )
        with gr.Row():
            k = gr.Slider(1, MAX_SHOWN, value=10, step=1, label="Sentences shown")
            chosen = gr.Dropdown(
                [(codes.name(code), code) for code in explorer.languages],
                multiselect=True,
                label="Only in these languages (all if empty)",
            )
            own = gr.Checkbox(
                value=True,
                label="Show the query's own language (known for sentences of the corpus)",
            )
        search = gr.Button("Search", variant="primary")
        gr.Examples(explorer.examples(), inputs=query, label="From the corpus")
        tables = []
        with gr.Row():
            for name, title in zip(names, titles, strict=True):
                # Columns narrower than that stand below each other, as on a phone.
                with gr.Column(min_width=_MIN_COLUMN):
                    tables.append(gr.HTML(label=title, elem_id=name))
        with gr.Accordion("Map of sentences", open=False):
            gr.Markdown(
                "The first rows of the corpus on the first two principal components of each "
                "encoder's vectors, coloured by language; the query is a cross. Two of "
                "several hundred dimensions: points that lie together here need not be near."
            )
            maps = []
            with gr.Row():
                for title in titles:
                    with gr.Column(min_width=_MIN_COLUMN):
                        maps.append(gr.Plot(label=title))

        def answer(text: str, n: int, languages: list[str], keep_own: bool) -> Iterator[list[Any]]:
            if text.strip() and not explorer.is_ready(text):
                yield _same(names, _WAITING)
            try:
                yield _answer(
                    explorer, names, text, k=int(n), languages=languages, own_language=keep_own
                )
            except InputError as error:
                raise gr.Error(str(error)) from error

        inputs, outputs = [query, k, chosen, own], [*tables, *maps]
        for event in (query.submit, search.click, k.release, chosen.change, own.change):
            event(answer, inputs, outputs, api_visibility="private")
    page.queue(max_size=_MAX_QUEUED, default_concurrency_limit=1)
    return page


def _introduction(explorer: Explorer) -> str:
    rows = f"{'the first' if explorer.is_cut else 'all'} {explorer.n_rows:,} rows"
    return (
        f"# Explore\nType a sentence in any language. It is compared by cosine with {rows} of the "
        f"corpus, in {len(explorer.languages)} languages. Texts longer than the encoder's limit "
        "are truncated."
    )


def _same(names: Sequence[str], text: str) -> list[Any]:
    """Return a text in place of every table, and no maps."""
    return [*(text for _ in names), *(None for _ in names)]


def _answer(
    explorer: Explorer,
    names: Sequence[str],
    query: str,
    *,
    k: int,
    languages: Sequence[str],
    own_language: bool,
) -> list[Any]:
    """Return a table for each encoder of the page, then a map for each."""
    if not query.strip():
        return _same(names, _HINT)
    tables: list[str] = []
    maps: list[alt.LayerChart | None] = []
    for name in names:
        if name not in explorer.encoders:
            tables, maps = [*tables, _LACKING], [*maps, None]
            continue
        found = explorer.nearest(name, query, k=k, languages=languages, own_language=own_language)
        tables.append(results_table(found, _TITLES[name]))
        maps.append(_map(explorer, name, query))
    return [*tables, *maps]


def results_table(neighbours: Sequence[Neighbour], caption: str) -> str:
    """Write neighbours as an HTML table; sentences are escaped."""
    rows = ""
    for number, one in enumerate(neighbours, start=1):
        mark = " <b title=translation>✓</b>" if one.translation else ""
        cells = (
            f"<td>{number}</td><td>{html.escape(codes.name(one.language))}</td>"
            f"<td dir=auto>{html.escape(printable(one.text))}{mark}</td>"
            f"<td>{one.cosine:.3f}</td><td>{one.row + 1}</td>"
        )
        rows += f"<tr{' class=translation' if one.translation else ''}>{cells}</tr>"
    head = "".join(
        f"<th scope=col>{name}</th>" for name in ("#", "Language", "Sentence", "Cosine", "Row")
    )
    return (
        f"<table class=hx><caption>{caption}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _map(explorer: Explorer, name: str, query: str) -> alt.LayerChart:
    """Draw cells and the query. Text and cross have the colour of the page's text, in any mode."""
    import altair as alt

    points, languages = explorer.points(name, query)
    rows = [
        {"x": float(x), "y": float(y), "language": codes.name(str(code))}
        for (x, y), code in zip(points[:-1], languages, strict=True)
    ]
    axes = {"x": alt.X("x:Q", axis=None), "y": alt.Y("y:Q", axis=None)}
    scheme = "tableau10" if len(set(languages)) <= 10 else "tableau20"
    cells = (
        alt.Chart(alt.InlineData(values=rows), width=340, height=300)
        .mark_circle(size=30, opacity=0.8)
        .encode(
            **axes,
            color=alt.Color(
                "language:N",
                scale=alt.Scale(scheme=scheme),
                # Below, since a phone has no room beside the map.
                legend=alt.Legend(title=None, orient="bottom", columns=3, symbolLimit=0),
            ),
            tooltip=["language:N"],
        )
    )
    x, y = (float(value) for value in points[-1])
    cross = (
        alt.Chart(alt.InlineData(values=[{"x": x, "y": y}]))
        .mark_point(shape="cross", filled=True, size=200, color="currentColor", opacity=1)
        .encode(**axes)
    )
    chart: alt.LayerChart = (
        (cells + cross)
        .configure(background="transparent")
        .configure_view(stroke="currentColor", strokeOpacity=0.25)
        .configure_legend(labelColor="currentColor", labelFontSize=12)
    )
    # Only SVG takes the page's colours, and is sharp on paper.
    chart.usermeta = {"embedOptions": {"renderer": "svg", "actions": False}}
    return chart
