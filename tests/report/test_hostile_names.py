"""Hostile text in every field that a report shows: its page, charts, Markdown, model index and tables on the terminal."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from rich.console import Console

from hexapla.evaluation.scores import Score
from hexapla.report import render_comparison
from hexapla.report.accuracy_chart import accuracy_chart
from hexapla.report.charts import Figure, chart_image, chart_spec
from hexapla.report.comparison import Block, Comparison, Contaminated, Line, RunFacts, TableCell
from hexapla.report.gain_chart import gain_chart
from hexapla.report.map_chart import map_chart
from hexapla.report.maps import Examples, Map
from hexapla.report.markdown_tables import comparison_to_markdown
from hexapla.report.model_index import model_index, put_scores_into_card
from hexapla.report.page_html import PageContent, page_html
from hexapla.report.summary import summary_markdown
from hexapla.report.training_chart import training_chart
from hexapla.text.printable import printable
from tests.fixtures.extras import needs
from tests.fixtures.hostile_texts import HOSTILE, harmful

pytestmark = needs("altair", "report")

each_hostile_text = pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name, marks=[pytest.mark.fuzz] if len(text) > 1000 else [])
        for name, text in HOSTILE.items()
    ],
)
PLAIN = "plain"
# Drawing takes a second, so that in CI a name is several hostile texts.
SHORT = [text for text in HOSTILE.values() if 0 < len(text) < 1000]
each_drawn_text = pytest.mark.parametrize(
    "text",
    [
        *(
            pytest.param(" ".join(SHORT[start::4])[:290], id=f"every fourth from {start}")
            for start in range(4)
        ),
        *(pytest.param(text, id=name, marks=pytest.mark.fuzz) for name, text in HOSTILE.items()),
    ],
)


def comparison(text: str) -> Comparison:
    """Return a comparison in which every text that comes from data is this one."""
    base = TableCell(value=0.5)
    better = TableCell(value=0.6, gain=0.1, relative=0.2, interval=(0.05, 0.15), p_rows=0.01)
    line = Line(group="all", languages=("deu_Latn",), n_items=(9, 9), cells=(base, better))
    run = RunFacts(
        label=text,
        scores=("scores",),
        encoder=text,
        encoder_sha=(text,),
        regime=None,
        corpus=text,
        budget=text,
        n_rows_seen=1,
        n_encodings=1,
    )
    return Comparison(
        runs=(run, dataclasses.replace(run, label=f"{text} 2", scores=("scores 2",))),
        blocks=tuple(
            Block(
                task=f"{kind}/{text}",
                split=text,
                metric=metric,
                headline=True,
                lines=(line,),
                languages=(line,),
            )
            for kind, metric in (("bitext", "accuracy"), ("sts", "spearman"))
        ),
        n_resamples=100,
        seed=0,
        notes=(f"a note about {text}",),
        contamination=(
            Contaminated(
                run=text,
                corpus=text,
                task=f"bitext/{text}",
                split=text,
                n_sentences=5,
                n_found=1,
                examples=(text,),
            ),
        ),
    )


def scores(text: str) -> list[Score]:
    return [
        Score(
            task=f"bitext/{text}",
            metric="accuracy",
            value=0.5,
            n=9,
            languages=languages,
            seen=None,
            split=text,
            encoder=text,
            encoder_sha=text,
            corpus=text,
            regime=text,
            seed=None,
            signature=text,
            per_item=text,
        )
        for languages in ("deu_Latn-fra_Latn", "fra_Latn-deu_Latn")
    ]


def figures(text: str) -> list[Figure]:
    texts = [text, f"{text} 2"]
    point = Map(
        run=text,
        points=np.zeros((2, 2), np.float32),
        items=texts,
        languages=["deu_Latn", "fra_Latn"],
        texts=texts,
        same_language=0.5,
    )
    curve = {"losses": [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}]}
    drawn = (
        gain_chart(comparison(text)),
        accuracy_chart({text: [scores(text)]}),
        map_chart([point]),
        training_chart({text: curve, f"{text} 2": curve}),
    )
    return [figure for figure in drawn if figure is not None]


def page(text: str, figures: Sequence[Figure] = ()) -> str:
    vectors = np.eye(2, dtype=np.float32)
    examples = [
        Examples(
            run=text,
            vectors=vectors[order],
            items=[text, f"{text} 2"],
            languages=["deu_Latn", "fra_Latn"],
            texts=[text, f"{text} 2"],
        )
        for order in ([0, 1], [1, 0])
    ]
    return page_html(
        PageContent(
            title=text,
            comparison=comparison(text),
            scores={"scores": scores(text), "scores 2": scores(text)},
            figures=figures,
            examples=examples,
        )
    )


class _Outline(HTMLParser):
    """The elements of a page with their attributes' names, and the content of its data script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.data = ""
        self._in_data = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self._in_data = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        self.data += data if self._in_data else ""


@pytest.fixture(autouse=True)
def _no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries of a page are several MiB, and take a second."""
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda _: "")


@each_hostile_text
def test_no_text_adds_an_element_an_attribute_or_a_script_to_the_page(text: str) -> None:
    html = page(text)
    outline = _Outline(html)
    assert outline.elements == _Outline(page(PLAIN)).elements
    assert not harmful(html.replace("\n", ""))
    if text in ("", "   "):
        return
    labels = json.loads(outline.data)["table"]["runs"]
    assert labels == [printable(text), printable(f"{text} 2")]


@pytest.mark.slow
@each_drawn_text
def test_no_text_breaks_a_chart_or_the_script_with_its_data(text: str) -> None:
    drawn = figures(text)
    html = page(text, drawn)
    assert not harmful(html.replace("\n", ""))
    assert json.loads(_Outline(html).data)["specs"].keys() == {figure.name for figure in drawn}
    for figure in drawn:
        assert not harmful(json.dumps(chart_spec(figure.chart), ensure_ascii=False))
        drawn = ElementTree.fromstring(chart_image(figure.chart, "svg").decode())
        tags = {element.tag.rpartition("}")[2] for element in drawn.iter()}
        assert tags <= {"svg", "g", "path", "rect", "text", "line", "defs", "image"} | {
            "linearGradient",
            "stop",
            "clipPath",
            "style",
        }, tags
        assert not any(name.startswith("on") for element in drawn.iter() for name in element.attrib)
        assert chart_image(figure.chart, "png").startswith(b"\x89PNG")


def test_a_name_in_a_title_cannot_end_a_string_of_vega() -> None:
    for name in ('a\\" + alert(1) + "', "a\\", "a\\u0041"):
        figure = gain_chart(comparison(name))
        assert figure is not None
        ElementTree.fromstring(chart_image(figure.chart, "svg").decode())
        titles = re.findall('"title": "(.*?)"[,}]', json.dumps(chart_spec(figure.chart)))
        assert len(titles) > 5 and not any("\\\\" in title for title in titles)


def shape(markdown: str) -> list[tuple[str, int]]:
    """Return the blocks and inline elements of Markdown, without texts."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    return [
        (token.type, token.nesting)
        for block in tokens
        for token in (block, *(block.children or ()))
        if token.type not in ("text", "softbreak", "text_special")
    ]


@each_hostile_text
@pytest.mark.parametrize("write", [comparison_to_markdown, summary_markdown])
def test_no_text_adds_a_block_a_cell_or_a_link_to_markdown(
    write: Callable[[Comparison], str], text: str
) -> None:
    written = write(comparison(text))
    assert not harmful(written.replace("\n", ""))
    assert shape(written) == shape(write(comparison(PLAIN)))


@each_hostile_text
def test_the_model_index_reads_back_as_what_was_scored(text: str, tmp_path: Path) -> None:
    index = model_index(text, scores(text))
    (read,) = yaml.safe_load(index)["model-index"]
    assert read["name"] == text
    assert read["results"][0]["dataset"]["type"] == f"bitext/{text}"
    card = "---\nlicense: mit\n---\n\n# An encoder\n"
    (tmp_path / "README.md").write_text(card)
    put_scores_into_card(tmp_path, index)
    written = (tmp_path / "README.md").read_text(encoding="utf-8")
    _, matter, rest = re.split(r"^---$", written, maxsplit=2, flags=re.MULTILINE)
    assert yaml.safe_load(matter) == {"license": "mit", "model-index": [read]}
    assert rest.strip() == "# An encoder"


@each_hostile_text
@pytest.mark.parametrize("terminal", [False, True])
def test_no_text_moves_the_cursor_of_a_terminal(text: str, terminal: bool) -> None:
    output = io.StringIO()
    console = Console(file=output, width=100, force_terminal=terminal, legacy_windows=False)
    render_comparison(comparison(text), console, all_metrics=True, per_language=True)
    shown = output.getvalue()
    if terminal:  # its own colours
        shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert not harmful(shown.replace("\n", ""))
    name: Any = printable(text).split()
    if name and len(text) < 100:
        assert name[0][:12] in shown
