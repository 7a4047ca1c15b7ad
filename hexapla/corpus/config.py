"""The settings of `hexapla inspect`."""

from __future__ import annotations

from typing import Annotated

from hexapla.runs.settings import DATA, Flag, Languages, Name, settings


@settings
class InspectConfig:
    """What to inspect."""

    folder: Annotated[Name, DATA, Flag(positional=True, metavar="CORPUS|ENCODER")]
    """Corpus folder, table file, "sample", encoder folder, "tiny" or "small"."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns of a corpus. By default all."""
