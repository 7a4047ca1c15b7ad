"""The settings of the explorer: what it shows, and where it listens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hexapla.encoder.config import ENCODER, LoadSettings
from hexapla.runs.settings import DATA, Flag, Languages, Name, settings

SERVER = Flag(group="Server")


@settings
class ExploreConfig(LoadSettings):
    """Settings of the explorer."""

    encoder: Annotated[Name, ENCODER, Flag(positional=True)]
    """The encoder after alignment: encoder folder, Hub name, or "tiny"."""
    corpus: Annotated[Name, DATA, Flag(positional=True)]
    """Corpus folder, table file, or "sample"."""
    before: Annotated[Name | None, ENCODER] = None
    """The encoder to compare with. By default the one that it was aligned from, if it can be
    loaded."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns of the corpus. By default all."""
    rows: Annotated[int, Field(ge=1), DATA] = 2000
    """Rows of the corpus, from its start."""
    host: Annotated[str, SERVER] = "127.0.0.1"
    """Address to listen on. Any other than loopback lets other machines query the encoder."""
    port: Annotated[int, Field(ge=0, le=65535), SERVER] = 7860
    """Port to listen on; 0 means any free one."""
    open: Annotated[bool, SERVER] = False
    """Open the page in a browser."""
