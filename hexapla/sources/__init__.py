"""Text of many kinds (files, folders, standard input, datasets) -> clean distinct sentences, in order."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
