"""An encoder and the one aligned from it -> the mixture of their weights to keep."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
