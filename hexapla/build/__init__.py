"""English text and a translator -> a multi-way corpus folder, in shards that survive a kill."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
