"""The settings of a filtering run, and those that a build shares with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict

from hexapla.runs.config import OutputSettings
from hexapla.runs.settings import DATA, Flag, Languages, Name, settings

Policy = Literal["null-cell", "drop-row"]

FILTERS = Flag(group="Filters")

Similarity = Annotated[
    Annotated[float, Field(gt=0, le=1)] | None,
    BeforeValidator(lambda value: None if value == 0 else value),
]
"""A Jaccard similarity above 0 and at most 1; 0 and None switch off what it controls."""


@settings
class FilteringSettings:
    """Which rows and cells stay out of a corpus."""

    filters: Annotated[Name, FILTERS] = "default"
    """"default", "none" or a TOML file."""
    policy: Annotated[Policy, FILTERS] = "null-cell"
    """What happens to a rejected cell: it becomes null, or its whole row is dropped."""
    max_loss: Annotated[float, Field(ge=0, le=1), FILTERS] = 0.2
    """Maximum share of a language's cells that may be rejected. Above it the run stops."""
    near_duplicates: Annotated[Similarity, FILTERS] = 0.8
    """Jaccard similarity at which a pivot text counts as a repetition of an earlier one; 0 keeps
    repetitions."""
    against: Annotated[
        tuple[str, ...],
        Strict(False),
        FILTERS,
        Flag(repeated=True, metavar="FILE|mteb:TASK"),
    ] = ()
    """Evaluation set whose sentences stay out of the corpus; may be given several times."""
    license: Annotated[str | None, DATA, Flag(identity=False)] = None
    """License for the dataset card, best as an SPDX id."""


@settings
class FilterConfig(FilteringSettings, OutputSettings):
    """Settings of a filtering run."""

    corpus: Annotated[Name, DATA, Flag(positional=True)]
    """Corpus folder, table file, or "sample"."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns to keep. By default all; the pivot is always among them."""
