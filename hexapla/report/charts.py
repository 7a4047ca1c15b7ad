"""What the charts of a page share: their frame, colours and names.

The page embeds the charts' specifications, and PNG and SVG files are made from the same ones. A
chart sets no background and no text colour; the page gives it those of its light or dark mode.

Names and sentences come from data. In a specification they are printable, since some characters of
theirs would end the drawing with an error, or the process; and short enough to draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hexapla.text import languages as codes
from hexapla.text.printable import printable_all

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito's colours, which colour-blind readers can tell apart in light and dark mode.
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# Characters of a name or sentence in a chart. A name of 100,000 takes 70 s to draw.
_MAX_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart of the page.

    Attributes:
        name: Name of its files, and its anchor in the page.
        title: Heading.
        caption: What the chart is and how to read it.
        summary: What the chart shows, for readers who do not see it.
        chart: The Altair chart.
    """

    name: str
    title: str
    caption: str
    summary: str
    chart: alt.TopLevelMixin


def language_name(unit: str) -> str:
    """Return the English name of a language, or of the two languages of a pair.

    >>> language_name("deu_Latn-fra_Latn")
    'German – French'
    """
    return " – ".join(codes.name(code) for code in unit.split("-"))


def chart_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Return the specification of a chart, its texts printable and short."""
    spec: dict[str, Any] = _fit(printable_all(chart.to_dict()))
    return spec


def chart_image(
    chart: alt.TopLevelMixin, ending: Literal["svg", "png"], *, scale_factor: int = 1
) -> bytes:
    """Draw a chart, its texts printable and short.

    Not by `Chart.save`, which checks the specification twice more; that takes longer than drawing.
    """
    import vl_convert

    spec = chart_spec(chart)
    if ending == "svg":
        drawn: str = vl_convert.vegalite_to_svg(spec)
        return drawn.encode()
    painted: bytes = vl_convert.vegalite_to_png(spec, scale=scale_factor)
    return painted


def _fit(content: Any, key: str = "") -> Any:
    """Shorten the texts in a part of a specification, and make titles plain."""
    if isinstance(content, str):
        short = content if len(content) <= _MAX_SHOWN else f"{content[:_MAX_SHOWN]}…"
        # Vega-Lite puts titles into expressions without escaping their backslashes, which would
        # make "\x1b" an escape character again, and end the string before a quotation mark.
        return short.replace("\\", "/") if key == "title" else short
    if isinstance(content, dict):
        return {name: _fit(value, name) for name, value in content.items()}
    if isinstance(content, list):
        return [_fit(value, key) for value in content]
    return content
