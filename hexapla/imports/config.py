"""The settings of an import."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from hexapla.errors import InputError
from hexapla.runs.config import OutputSettings, TextLimitSettings
from hexapla.runs.settings import DATA, Flag, settings
from hexapla.sources.config import Pivot
from hexapla.text import languages as codes

FORMATS = Flag(group="Formats")


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _as_written(given: tuple[str, ...]) -> tuple[str, ...]:
    """Check languages, and keep them as the user wrote them, with their regions."""
    codes.parse_list(given)
    return tuple(text.strip() for text in given)


LanguagesAsWritten = Annotated[
    tuple[str, ...],
    Strict(False),
    BeforeValidator(_split),
    AfterValidator(_as_written),
    Flag(metavar="LANG,..."),
]
"""Languages in any common spelling, not brought to their codes: `pt-PT` also names a region."""

Columns = Annotated[
    tuple[str, ...], Strict(False), BeforeValidator(_split), Flag(metavar="LANG,...")
]
"""Languages of columns as written, or `-` for a column without one."""


@settings
class ImportConfig(OutputSettings, TextLimitSettings):
    """Settings of an import."""

    files: Annotated[tuple[str, ...], Strict(False), DATA, Flag(positional=True, metavar="FILE...")]
    """TMX, PO, XLIFF, TSV, CSV, JSONL or Parquet files; Moses files in groups (x.en, x.de); each
    also as .gz or .zst; corpus folders; "sample"; datasets of the Hub ("org/name")."""
    pivot: Annotated[Pivot, DATA] = "eng_Latn"
    """Language that the rows are joined on; every file must have it."""
    languages: Annotated[LanguagesAsWritten | None, DATA] = None
    """Columns to keep, in this order. By default all that the files have. Naming them also settles
    what an ambiguous tag in a file means. A region (pt-PT) is preferred where a file has several
    variants of the language."""
    license: Annotated[str | None, DATA] = None
    """License for the dataset card, best as an SPDX id."""
    keep_unfinished: Annotated[bool, FORMATS] = False
    """Use fuzzy messages of PO, and unfinished or unapproved units of XLIFF."""
    strip_accelerators: Annotated[bool, FORMATS] = False
    """Remove the markers of menu keys from PO and XLIFF: "&Open", "_Open", "打开(&O)"."""
    columns: Annotated[Columns | None, FORMATS] = None
    """Languages of the columns of TSV and CSV files without a header, in order: "en,de"; "-" is a
    column that is not used. Of a mined file, those of "source" and "target". Or "name=de" for
    columns whose names do not say it."""
    separator: Annotated[str | None, FORMATS] = None
    """Character between two cells of TSV and CSV files, "tab" for a tab. By default a tab or a
    comma, as the ending says."""
    skip_bad_rows: Annotated[bool, FORMATS] = False
    """Leave out and count rows of tables that cannot be read, instead of stopping."""
    max_other_script: Annotated[Annotated[float, Field(ge=0, le=1)], FORMATS] = 0.5
    """Share of a column's texts in one file that may be in another script than the column's
    language; more of them stop the import."""

    def __post_init__(self) -> None:
        """Check settings against each other."""
        if not self.files:
            raise InputError("no file is given; name at least one")
        if self.languages is not None and set(codes.parse_list(self.languages)) <= {self.pivot}:
            raise InputError(
                f"the only language is the pivot {self.pivot}; name another, or none to keep all"
            )
