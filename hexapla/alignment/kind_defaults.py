"""Defaults of training that follow from the kind of the encoder and from other settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from hexapla.alignment.config import AlignConfig, Regime
from hexapla.encoder.kind import Kind

# The rate of bare language models is the usual one for those of base size; it was not chosen by
# measurement. That of sentence encoders is from first runs of multilingual-e5-small.
_BARE: dict[str, Any] = {"learning_rate": 2e-5}
_TRAINED: dict[str, Any] = {"learning_rate": 1e-4}
# The loss that was best on development data (dev/LOG.md). A teacher's cosines are all high, and a
# margin would pull them apart.
_LOSS: dict[str, Any] = {"temperature": 0.02, "margin": 0.4}
_LOSS_WITH_TEACHER: dict[str, Any] = {"temperature": 0.05, "margin": 0.0}
_CELLS_PER_ROW = 3  # for as many sentences as all cells are: so more rows meet in all
# What else was best. A teacher draws the pivots elsewhere, and SimCSE has no translations.
_WITH_TRANSLATIONS: dict[str, Any] = {"whiten": "start", "preserve": 3.0}
_OTHERWISE: dict[str, Any] = {"whiten": "none", "preserve": 0.0}


def fill_in(config: AlignConfig, kind: Kind) -> AlignConfig:
    """Return settings in which those that were not given are the defaults of an encoder's kind."""
    is_otherwise = config.teacher is not None or config.regime is Regime.PIVOT_ONLY
    defaults = {
        **(_BARE if kind.is_bare else _TRAINED),
        **(_LOSS_WITH_TEACHER if config.teacher else _LOSS),
        "cells_per_row": _CELLS_PER_ROW if config.regime is Regime.MULTIWAY else 0,
        **(_OTHERWISE if is_otherwise else _WITH_TRANSLATIONS),
        # Whitening the finished encoder would move the vectors that were to stay.
        **({"preserve": 0.0} if config.whiten == "end" else {}),
    }
    missing = {key: value for key, value in defaults.items() if getattr(config, key) is None}
    return dataclasses.replace(config, **missing)
