"""Scores of several runs -> a comparison: gains over a baseline with confidence intervals, as a table."""

from hexapla.report.comparison import Comparison
from hexapla.report.stage import CompareConfig, compare

__all__ = ["CompareConfig", "Comparison", "compare"]
