"""The settings of `hexapla inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hexapla.runs.settings import DATA, Flag, Languages, Name, settings


@settings
class InspectConfig:
    """What to inspect."""

    folder: Annotated[Name, DATA, Flag(positional=True, metavar="CORPUS|ENCODER")]
    """Corpus folder, table file, "sample", encoder folder, or "tiny"."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns of a corpus. By default all."""

    @property
    def is_encoder(self) -> bool:
        """Whether the folder is an encoder's."""
        return self.folder == "tiny" or any(
            (Path(self.folder) / name).is_file() for name in ("modules.json", "config.json")
        )
