"""Translated files that people have (TMX, PO, XLIFF, Moses, tables, datasets) -> one multi-way corpus folder."""

from __future__ import annotations

from hexapla.imports.stage import ImportConfig, import_corpus

__all__ = ["ImportConfig", "import_corpus"]
