"""Defaults of training that follow from the kind of the encoder."""

from __future__ import annotations

import dataclasses
from typing import Any

from hexapla.alignment.config import AlignConfig
from hexapla.encoder.kind import Kind

# The rate of bare language models is the usual one for those of base size; it was not chosen by
# measurement. That of sentence encoders is from first runs of multilingual-e5-small.
_BARE: dict[str, Any] = {"learning_rate": 2e-5}
_TRAINED: dict[str, Any] = {"learning_rate": 1e-4}


def fill_in(config: AlignConfig, kind: Kind) -> AlignConfig:
    """Return settings in which those that were not given are the defaults of an encoder's kind."""
    defaults = _BARE if kind.is_bare else _TRAINED
    missing = {key: value for key, value in defaults.items() if getattr(config, key) is None}
    return dataclasses.replace(config, **missing)
