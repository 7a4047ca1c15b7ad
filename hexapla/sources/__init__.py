"""Text from files, folders, standard input or datasets -> clean distinct sentences, in order."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
