"""Keeps the intervals of result tables, `[+4.9, +8.3] [+5.3, +7.9]`, from being read as links."""

from __future__ import annotations

import re
from typing import Any

_INTERVAL = re.compile(r"\[([+-][0-9.]+, [+-][0-9.]+|test rows|seeds)\]")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Escape the brackets of every interval; MkDocs calls this for each page."""
    return _INTERVAL.sub(r"\\[\1\\]", markdown)
