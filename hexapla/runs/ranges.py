"""The types of numbers that several settings share, each with a range and the reason for it.

Every number has both ends: what is far beyond what helps is a slip of the keyboard, and would run
for years, fill the memory or overflow in a library. Those of one setting stand beside it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MAX_SEED = 2**32 - 1
"""NumPy, scikit-learn and transformers' `set_seed` take seeds of 32 bits."""
MAX_COUNT = 10**12
"""Of rows, sentences and characters: more than any text has."""

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""A seed that every library takes."""

Amount = Annotated[int, Field(ge=1, le=MAX_COUNT)]
"""A number of rows, sentences or characters."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A share of a whole, 0 or more and below 1."""

# A larger batch of sentences is no faster on any device, and its activations fill the memory.
BatchSize = Annotated[int, Field(ge=1, le=8192)]
"""Texts in one forward pass."""

# Longer than any encoder or translator reads.
Tokens = Annotated[int, Field(ge=1, le=1_000_000)]
"""A number of tokens."""

Workers = Annotated[int, Field(ge=1, le=4096)]
"""Processes, threads or tasks at once; no machine has more cores."""

Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
"""Seconds to wait, at most a week."""
