"""Scores of several runs -> gains over a baseline with confidence intervals: table and page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
