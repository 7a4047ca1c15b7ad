"""What the charts of a page share: their frame, colours and names.

The page embeds the charts' specifications, and PNG and SVG files are made from the same ones. A
chart sets no background and no text colour; the page gives it those of its light or dark mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hexapla.text import languages as codes

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito's colours, which colour-blind readers can tell apart in light and dark mode.
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


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
