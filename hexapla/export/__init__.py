"""An encoder -> one to serve: int8 for ONNX Runtime or OpenVINO, or static vectors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
