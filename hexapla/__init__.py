"""Hexapla: multi-way aligned sentence encoders, from plain text to measured result.

The stages are functions, each with its settings in a dataclass: `open_corpus` and `write_corpus`,
`align`, `evaluate`, `compare`. Nothing heavy is imported until a name is used. Two have the names
of their modules: `hexapla.align` and `hexapla.evaluate` are the functions, whatever was imported
before; `from hexapla.align import ...` finds the module.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "AlignConfig",
    "CompareConfig",
    "EvaluateConfig",
    "MultiwayLoss",
    "align",
    "compare",
    "evaluate",
    "open_corpus",
    "write_corpus",
]

if TYPE_CHECKING:
    from hexapla.alignment.config import AlignConfig
    from hexapla.alignment.loss import MultiwayLoss
    from hexapla.alignment.stage import align
    from hexapla.corpus.reader import open_corpus
    from hexapla.corpus.writer import write_corpus
    from hexapla.evaluation.config import EvaluateConfig
    from hexapla.evaluation.stage import evaluate
    from hexapla.report.stage import CompareConfig, compare

_HOMES = {
    "AlignConfig": "hexapla.align",
    "CompareConfig": "hexapla.report",
    "EvaluateConfig": "hexapla.evaluate",
    "MultiwayLoss": "hexapla.alignment.loss",
    "align": "hexapla.align",
    "compare": "hexapla.report",
    "evaluate": "hexapla.evaluate",
    "open_corpus": "hexapla.corpus",
    "write_corpus": "hexapla.corpus",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hexapla' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    setattr(sys.modules[__name__], name, value)
    return value


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        """Bind a submodule, as an import of it does, by the function of its name if that is a public one."""
        super().__setattr__(
            name,
            getattr(value, name) if name in _HOMES and isinstance(value, ModuleType) else value,
        )


sys.modules[__name__].__class__ = _Package
