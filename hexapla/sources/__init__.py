"""Text that people bring (files, folders, standard input, datasets) -> clean distinct sentences, in order."""

from hexapla.sources.sentences import (
    Sentence,
    SourceConfig,
    SourceReport,
    read_sentences,
    source_facts,
)

__all__ = ["Sentence", "SourceConfig", "SourceReport", "read_sentences", "source_facts"]
