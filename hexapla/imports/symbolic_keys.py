"""Originals that are keys (`diff.ago.year`) instead of text -> a warning."""

from __future__ import annotations

import logging
import re

_MIN_TEXTS = 3
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*([._:/-][A-Za-z0-9]+)+|[a-z]+([A-Z][a-z0-9]*)+")

_log = logging.getLogger(__name__)


class KeyCount:
    """Counts the pivot texts of one source that look like keys of a program."""

    def __init__(self) -> None:
        self._n_texts = self._n_keys = 0
        self._example = ""

    def add(self, pivot_text: str) -> None:
        """Count one text."""
        self._n_texts += 1
        if " " not in pivot_text and _KEY.fullmatch(pivot_text):
            self._n_keys += 1
            self._example = self._example or pivot_text

    def warn(self, name: str) -> None:
        """Warn if more than half of the source's texts, of at least three, look like keys."""
        if self._n_texts >= _MIN_TEXTS and self._n_keys > self._n_texts / 2:
            _log.warning(
                "%s: %s of %s originals look like keys (%s), not like text; give files that have "
                "the original text beside its translation, such as XLIFF or TMX, or a table made "
                "from the files of both languages by key",
                name,
                f"{self._n_keys:,}",
                f"{self._n_texts:,}",
                self._example,
            )
