"""The settings of a trim, checked before anything is opened or loaded."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hexapla.encoder.config import ENCODER, EncodingSettings
from hexapla.errors import InputError
from hexapla.runs.config import OutputSettings
from hexapla.runs.ranges import Amount, Share
from hexapla.runs.settings import DATA, Flag, Languages, Name, settings

_MAX_WORDS = 10_000_000  # no list is longer


@settings
class TrimConfig(EncodingSettings, OutputSettings):
    """Settings of a trim."""

    encoder: Annotated[Name, ENCODER, Flag(positional=True)]
    """Hub name, encoder folder, "tiny" or "small"."""
    languages: Annotated[Languages, DATA]
    """Languages to keep the vocabulary of."""
    corpus: Annotated[tuple[Name, ...], DATA, Flag(repeated=True, metavar="CORPUS")] = ()
    """Corpus folder, table file, or "sample", whose columns of these languages are read; may be
    given several times. Every piece of their texts is kept."""
    words: Annotated[Annotated[int, Field(ge=0, le=_MAX_WORDS)], DATA] = 20_000
    """Most frequent words of each language whose pieces are kept, from the lists of the library
    wordfreq; 0 means none."""
    min_count: Annotated[Amount, DATA] = 1
    """Times that a piece must occur in the corpora to be kept because of them."""
    held_out: Annotated[Share, DATA] = 0.02
    """Share of the rows of each corpus, chosen by row hash, from which no pieces are taken. What
    trimming changes is measured on them; 0 means that nothing is measured."""

    def __post_init__(self) -> None:
        """Refuse to trim without any source of text."""
        if not self.words and not self.corpus:
            raise InputError(
                "words is 0 and no corpus is given, so there is no text to take pieces from; give "
                "a corpus (--corpus), or words (--words)"
            )
