"""Translators: models on this machine or behind an endpoint, opened by their settings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
