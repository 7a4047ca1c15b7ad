"""Defaults of training that follow from the kind of the encoder and from other settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from hexapla.alignment.config import AlignConfig, Regime
from hexapla.encoder.kind import Kind

# The vectors of bare language models lie in a narrow cone, which whitening opens. Their rate is the
# usual one for those of base size; it was not chosen by measurement.
_BARE: dict[str, Any] = {"learning_rate": 2e-5, "whiten": "start", "preserve": 3.0, "alpha": 1.0}
# A higher `preserve` or a lower `alpha` lowers accuracy in one pool of unseen languages.
_WHITENED: dict[str, Any] = {"preserve": 3.0, "alpha": 0.85}
# What a good encoder can do stays without whitening, at this rate, with the pivot kept firmly and
# half of its old weights (dev/LOG.md).
_TRAINED: dict[str, Any] = {
    "learning_rate": 3e-5,
    "whiten": "none",
    "preserve": 10.0,
    "alpha": 0.5,
}
# The loss that was best on development data. A teacher's cosines are all high, and a margin would
# pull them apart.
_LOSS: dict[str, Any] = {"temperature": 0.02, "margin": 0.4}
_LOSS_WITH_TEACHER: dict[str, Any] = {"temperature": 0.05, "margin": 0.0}
_CELLS_PER_ROW = 3  # for as many sentences as all cells are: so more rows meet in all


def fill_in(config: AlignConfig, kind: Kind) -> AlignConfig:
    """Return settings in which those that were not given are the defaults of an encoder's kind."""
    has_translations = config.regime is not Regime.PIVOT_ONLY
    defaults = {
        **(_BARE if kind.is_bare else _TRAINED),
        **(_LOSS_WITH_TEACHER if config.teacher else _LOSS),
        "cells_per_row": _CELLS_PER_ROW if config.regime is Regime.MULTIWAY else 0,
    }
    if (config.whiten or defaults["whiten"]) == "start":
        defaults |= _WHITENED
    elif config.learning_rate is not None or config.whiten == "end":
        # At a higher rate the trained weights lie farther away, and their mean with the old ones
        # may lose the alignment.
        defaults["alpha"] = 1.0
    if config.teacher or not has_translations:
        # Vectors that imitate those of a teacher should be neither whitened nor moved back.
        defaults |= {"whiten": "none", "alpha": 1.0}
    if config.teacher or not has_translations or config.whiten == "end":
        defaults["preserve"] = 0.0  # a teacher, SimCSE and whitening at the end move the pivot
    missing = {key: value for key, value in defaults.items() if getattr(config, key) is None}
    return dataclasses.replace(config, **missing)
