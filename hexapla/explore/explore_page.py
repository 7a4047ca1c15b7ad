"""The page of `hexapla explore`: a query, its nearest sentences before and after alignment side by side, and a map.

Gradio's own fonts and analytics are off, so that no request leaves the machine; sentences go into
tables of our own, escaped, since they are what a reader copies and a screen reader reads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError
from hexapla.explore.explorer import MOST_SHOWN, Explorer, results_table
from hexapla.text import languages as codes

if TYPE_CHECKING:
    import altair as alt
    import gradio as gr

_CSS = """
table.hx { width: 100%; border: 0 !important; border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.hx caption { text-align: left; padding-bottom: .3rem; opacity: .8; }
table.hx th, table.hx td { text-align: left; vertical-align: top; padding: .35rem .5rem; border: 0; border-bottom: 1px solid var(--border-color-primary); }
table.hx td:first-child, table.hx td:nth-child(4), table.hx td:nth-child(5) { text-align: right; white-space: nowrap; }
table.hx tr.translation td { background: color-mix(in srgb, var(--color-accent) 14%, transparent); }
"""  # noqa: E501
_TITLES = {"before": "Before alignment", "after": "After alignment"}


def build_page(explorer: Explorer) -> gr.Blocks:
    """Lay the page out and wire it to an explorer."""
    import gradio as gr

    names = [(codes.name(code), code) for code in explorer.languages]
    with gr.Blocks(analytics_enabled=False, title="Hexapla: explore") as page:
        rows = (
            f"the first {explorer.n_rows:,} rows"
            if explorer.is_cut
            else f"all {explorer.n_rows:,} rows"
        )
        gr.Markdown(
            f"# Explore\nType a sentence in any language. The nearest of {rows} of the corpus, in "
            f"{len(explorer.languages)} languages, by cosine; longer texts than the encoder takes are cut."
        )
        query = gr.Textbox(label="Sentence", placeholder="in any language", autofocus=True)
        with gr.Row():
            k = gr.Slider(1, MOST_SHOWN, value=10, step=1, label="Sentences shown")
            chosen = gr.Dropdown(
                names, multiselect=True, label="Only in these languages (all if empty)"
            )
            own = gr.Checkbox(
                value=True,
                label="Show the query's own language (known for sentences of the corpus)",
            )
        search = gr.Button("Search", variant="primary")
        gr.Examples(explorer.examples(), inputs=query, label="From the corpus")
        with gr.Row():
            tables = [gr.HTML(label=_TITLES[name], elem_id=name) for name in explorer.encoders]
        with gr.Accordion("Map of sentences", open=False):
            gr.Markdown(
                "The first rows of the corpus on the two principal components of each encoder's vectors, coloured by "
                "language, and the query as a black cross. Two of several hundred dimensions: what lies together here "
                "need not be near."
            )
            with gr.Row():
                maps = [gr.Plot(label=_TITLES[name]) for name in explorer.encoders]

        def answer(text: str, n: int, languages: list[str], keep_own: bool) -> list[Any]:
            if not text.strip():
                hint = "<p>Type a sentence, or choose one below the button.</p>"
                return [*(hint for _ in explorer.encoders), *(None for _ in explorer.encoders)]
            try:
                found = [
                    explorer.nearest(
                        name, text, k=int(n), languages=languages, own_language=keep_own
                    )
                    for name in explorer.encoders
                ]
                charts = [_map(explorer, name, text) for name in explorer.encoders]
            except InputError as error:
                raise gr.Error(str(error)) from error
            shown = [
                results_table(one, _TITLES[name])
                for name, one in zip(explorer.encoders, found, strict=True)
            ]
            return [*shown, *charts]

        inputs, outputs = [query, k, chosen, own], [*tables, *maps]
        for event in (query.submit, search.click, k.release, chosen.change, own.change):
            event(answer, inputs, outputs, api_visibility="private")
    return page


def _map(explorer: Explorer, name: str, query: str) -> alt.LayerChart:
    import altair as alt

    points, languages = explorer.points(name, query)
    rows = [
        {"x": float(x), "y": float(y), "language": codes.name(str(code))}
        for (x, y), code in zip(points[:-1], languages, strict=True)
    ]
    axes = {"x": alt.X("x:Q", axis=None), "y": alt.Y("y:Q", axis=None)}
    cells = alt.Chart(alt.InlineData(values=rows), width=420, height=320).mark_circle(
        size=30, opacity=0.7
    )
    here = alt.Chart(
        alt.InlineData(values=[{"x": float(points[-1, 0]), "y": float(points[-1, 1])}])
    )
    return cells.encode(
        **axes,
        color=alt.Color("language:N", title=None, scale=alt.Scale(scheme="tableau20")),
        tooltip=["language:N"],
    ) + here.mark_point(shape="cross", filled=True, size=200, color="black", stroke="white").encode(
        **axes
    )


def serve(page: gr.Blocks, host: str, port: int, *, open_browser: bool, block: bool) -> gr.Blocks:
    """Serve a page, print its address first, and wait for Ctrl-C if asked to.

    Args:
        page: As `build_page` makes it.
        host: Address to listen on.
        port: 0 takes any that is free.
        open_browser: Open the page in the user's browser.
        block: Wait until interrupted, then close.
    """
    import gradio as gr

    fonts = ["system-ui", "sans-serif"]
    _, url, _ = page.launch(
        server_name=host,
        server_port=port or _free_port(host),
        share=False,
        quiet=True,
        show_error=True,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        footer_links=[],
        css=_CSS,
        ssr_mode=False,
        theme=gr.themes.Default(font=fonts, font_mono=["monospace"]),
        enable_monitoring=False,
    )
    print(url, flush=True)
    if block:
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            page.close()
    return page


def _free_port(host: str) -> int:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
