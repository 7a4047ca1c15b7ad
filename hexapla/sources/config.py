"""Settings of the text that a build reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Strict

from hexapla.errors import InputError
from hexapla.runs.ranges import Amount, Seed
from hexapla.runs.settings import Flag, settings
from hexapla.text import languages as codes

TEXT = Flag(group="Text")

Pivot = Annotated[str, BeforeValidator(codes.parse), Flag(metavar="LANG")]
"""The language of the pivot, in any common spelling."""


@settings
class SourceConfig:
    """Which texts a build reads, and which of their sentences it keeps."""

    texts: Annotated[tuple[str, ...], Strict(False), TEXT, Flag(positional=True, metavar="TEXT...")]
    """Files, folders, "-" for standard input, or datasets of the Hub as
    "org/name@revision:config:split". With --add or --top-up, one corpus folder."""
    pivot: Annotated[Pivot, TEXT] = "eng_Latn"
    """Language of the texts, which is translated into the others."""
    field: Annotated[str | None, TEXT] = None
    """Field that holds the text in JSONL, CSV, TSV, Parquet or a dataset."""
    split_sentences: Annotated[bool, TEXT] = True
    """Split a text into sentences."""
    min_characters: Annotated[Amount, TEXT] = 10
    """Minimum characters of a sentence; shorter ones are left out."""
    max_characters: Annotated[Amount, TEXT] = 500
    """Maximum characters of a sentence; longer ones are left out."""
    limit: Annotated[Amount | None, TEXT] = None
    """Number of sentences to use, the first ones. By default all."""
    sample: Annotated[Amount | None, TEXT] = None
    """Number of sentences to draw at random. By default all are used."""
    seed: Annotated[Seed, TEXT] = 0
    """Seed of the random sample."""

    def __post_init__(self) -> None:
        """Check the settings against each other."""
        if not self.texts:
            raise InputError(
                'no texts are given; name files, folders or a dataset, or "-" for standard input'
            )
        if self.min_characters > self.max_characters:
            raise InputError(
                f"min_characters is {self.min_characters} and max_characters "
                f"{self.max_characters}; the first must not be above the second"
            )
        if self.limit is not None and self.sample is not None:
            raise InputError(
                f"limit is {self.limit} and sample {self.sample}; give only one of them: limit "
                "takes the first sentences, sample draws from all"
            )
