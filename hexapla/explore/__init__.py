"""A local page: cross-lingual search and a map of sentences, before and after alignment."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
