"""An encoder and languages -> the same encoder with only the pieces that the languages use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
