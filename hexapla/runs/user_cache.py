"""Where a user keeps what is made once: converted checkpoints, paid answers, scores, vectors."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(given: Path | None) -> Path:
    """Return the folder that is given, or `hexapla` in the user's cache (`XDG_CACHE_HOME`)."""
    return given or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hexapla"
