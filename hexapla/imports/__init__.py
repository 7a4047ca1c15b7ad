"""Translated files (TMX, PO, XLIFF, Moses, tables, datasets) -> one multi-way corpus folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
