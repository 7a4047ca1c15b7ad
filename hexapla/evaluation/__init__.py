"""Evaluating encoders on MTEB's tasks or the user's data: `hexapla evaluate`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
