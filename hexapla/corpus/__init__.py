"""A multi-way parallel corpus: rows that say one thing in many languages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
