"""Checks of translated cells: what a filter sees, why a cell is rejected, how much each language loses.

`read_filters` gives the settings, `Statistics` one pass over the cells, `Chain` judges,
`FilterReport` counts, and `filter_corpus` does all of it to a corpus folder. Every score grows with
badness, so that the worst can be shown.
"""

from __future__ import annotations

from hexapla.filters.chain import Chain, Verdict
from hexapla.filters.filter_report import FilterReport
from hexapla.filters.filter_settings import FilterSettings, read_filters
from hexapla.filters.stage import FilterConfig, filter_corpus
from hexapla.filters.statistics import Statistics

__all__ = [
    "Chain",
    "FilterConfig",
    "FilterReport",
    "FilterSettings",
    "Statistics",
    "Verdict",
    "filter_corpus",
    "read_filters",
]
