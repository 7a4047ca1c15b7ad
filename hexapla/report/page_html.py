"""What a page shows -> one HTML file that loads nothing from elsewhere.

All text that comes from data is printable, and escaped: in HTML by Jinja, in scripts as JSON with
`<` escaped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from hexapla.evaluation.scores import Score
from hexapla.report.charts import Figure, chart_spec, language_name
from hexapla.report.comparison import Comparison
from hexapla.report.headline import headline, multiway_over_en_x
from hexapla.report.maps import ChangedNeighbour, Examples, changed_neighbours
from hexapla.report.number_format import format_n
from hexapla.report.number_table import number_table
from hexapla.report.verdict import few_items, verdicts
from hexapla.text.printable import printable, printable_all


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What a page shows.

    Attributes:
        title: Heading of the page.
        comparison: The numbers.
        scores: The scores of each path in the comparison's runs.
        figures: The charts.
        examples: The same sentences of each run that has them, the baseline's first.
        printed: The charts as PNG images, by name, which stand on paper in place of the drawn ones.
    """

    title: str
    comparison: Comparison
    scores: Mapping[str, Sequence[Score]]
    figures: Sequence[Figure]
    examples: Sequence[Examples]
    printed: Mapping[str, bytes] = field(default_factory=dict)


def page_html(content: PageContent) -> str:
    """Return the page, with its charts, style and scripts inside."""
    import vl_convert
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("hexapla.report") / "page"
    files = {
        path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()
    }
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        points=_points, percent=_percent, language=language_name, n_items=format_n
    )
    environment.filters["json"] = lambda value: Markup(_json(value))
    # An end tag inside the bundle would end its script. It contains none now; a version that did
    # would break the page without an error.
    bundle = vl_convert.javascript_bundle(None).replace("</script", "<\\/script")  # type: ignore[arg-type]
    comparison, figures, examples = content.comparison, content.figures, content.examples
    headlines = headline(comparison)
    has_paper = any(one.paper is not None for one in headlines)
    neighbours = [_neighbours(examples[0], one) for one in examples[1:]]
    return environment.from_string(files["page.html.jinja"]).render(
        title=content.title,
        comparison=comparison,
        headline=headlines,
        has_paper=has_paper,
        columns=_gain_columns(comparison.runs[0].label, has_paper=has_paper),
        multiway_over_en_x=multiway_over_en_x(comparison),
        figures=figures,
        specs={figure.name: chart_spec(figure.chart) for figure in figures},
        table=number_table(comparison, content.scores),
        neighbours=neighbours,
        best=max(neighbours, key=lambda one: one["n_gained"] - one["n_lost"], default=None),
        verdicts=verdicts(comparison),
        few_items=few_items(comparison),
        printed={name: base64.b64encode(png).decode() for name, png in content.printed.items()},
        has_examples=bool(examples),
        has_pairs=any(figure.name == "language-to-language" for figure in figures),
        css=Markup(files["page.css"]),
        script=Markup(files["page.js"]),
        bundle=Markup(bundle),
    )


def _gain_columns(baseline: str, *, has_paper: bool) -> list[tuple[str, bool]]:
    """Return the headings of the table of gains, and whether numbers stand below them."""
    texts = [(name, False) for name in ("Task", "Languages", "Run")]
    numbers = [baseline, "This run", "Gain, points", "95 % interval", "n"]
    return [*texts, *((name, True) for name in numbers + ["Relative", "Paper"] * has_paper)]


def _printable_value(value: object) -> object:
    """Return what is shown of a value: plain text printable, the page's own parts whole."""
    return printable(value) if type(value) is str else value


def _json(value: object) -> str:
    """Write JSON that can stand inside a script, where `<` could begin an end tag."""
    text = json.dumps(
        printable_all(value),
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
        default=str,
    )
    return text.replace("<", "\\u003c")


def _points(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+z.1f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:z.1f}"


def _neighbours(before: Examples, after: Examples) -> dict[str, Any]:
    """Return sentences whose nearest neighbour changed, as the template shows them."""

    def sentence(index: int) -> dict[str, str]:
        return {"text": before.texts[index], "language": before.languages[index]}

    def shown(changed: ChangedNeighbour) -> dict[str, Any]:
        return {
            "query": sentence(changed.query),
            "before": sentence(changed.before),
            "after": sentence(changed.after),
            "cosine_before": changed.cosine_before,
            "cosine_after": changed.cosine_after,
        }

    gained, lost, n_gained, n_lost = changed_neighbours(before, after)
    return {
        "before": before.run,
        "after": after.run,
        "n": len(before.texts),
        "n_gained": n_gained,
        "n_lost": n_lost,
        "gained": [shown(one) for one in gained],
        "lost": [shown(one) for one in lost],
    }
