"""The settings of an import."""

from __future__ import annotations

from typing import Annotated

from pydantic import Strict

from hexapla.errors import InputError
from hexapla.runs.config import OutputSettings
from hexapla.runs.settings import DATA, Flag, Languages, settings
from hexapla.sources.config import Pivot


@settings
class ImportConfig(OutputSettings):
    """Settings of an import."""

    files: Annotated[tuple[str, ...], Strict(False), DATA, Flag(positional=True, metavar="FILE...")]
    """TMX, PO, XLIFF, TSV, CSV, JSONL or Parquet files; Moses files in groups (x.en, x.de); each
    also as .gz or .zst; corpus folders; datasets of the Hub ("org/name")."""
    pivot: Annotated[Pivot, DATA] = "eng_Latn"
    """Language that the rows are joined on; every file must have it."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns to keep, in this order. By default all that the files have. Naming them also settles
    what an ambiguous tag in a file means."""
    license: Annotated[str | None, DATA] = None
    """License for the dataset card, best as an SPDX id."""

    def __post_init__(self) -> None:
        """Check settings against each other."""
        if not self.files:
            raise InputError("no file is given; name at least one")
        if self.languages is not None and set(self.languages) <= {self.pivot}:
            raise InputError(
                f"the only language is the pivot {self.pivot}; name another, or none to keep all"
            )
