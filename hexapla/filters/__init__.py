"""Filters: reject bad translations, cell by cell, and count what each language loses and why.

`read_filters` reads the settings, `Statistics` collects what is normal in a corpus in one pass,
`Chain` judges cells, and `FilterReport` counts the rejections. `filter_corpus` does all of this to
a corpus folder. In every filter a higher score is worse, so the worst cells can be shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
