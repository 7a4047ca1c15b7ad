"""An encoder or a corpus -> a repository on the Hub, with its card: `hexapla push`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
