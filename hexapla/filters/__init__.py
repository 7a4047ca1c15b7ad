"""Checks of translated cells: what a filter sees, why a cell is rejected, how much each language loses.

`read_filters` gives the settings, `Statistics` makes one pass over the cells, `Chain` judges,
`FilterReport` counts, and `filter_corpus` does all of it to a corpus folder. Every score grows with
badness, so that the worst cells can be shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
