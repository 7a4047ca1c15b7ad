"""Hexapla: multi-way aligned sentence encoders, from plain text to measured result.

The stages are functions, each with its settings in a class: `open_corpus` and `write_corpus`,
`align`, `evaluate`, `compare`. Nothing heavy is imported until a name is used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
