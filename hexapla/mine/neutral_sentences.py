"""Sentences that have nothing to do with the user's documents, from the packaged sample."""

from __future__ import annotations

from hexapla.corpus.reader import SAMPLE, open_corpus

# The mean distance to 10 of them already gives the same F1 as that to 100 (dev/LOG.md, 2026-11-28).
N_NEUTRAL = 30


def neutral_sentences() -> list[str]:
    """Return three sentences of each language of the sample, no two with the same meaning.

    Several languages, since those of the documents are not known, and many encoders place
    sentences of one language nearer to each other.
    """
    batch = next(open_corpus(SAMPLE).batches(n_rows=N_NEUTRAL))
    languages = batch.column_names[1:]
    return [str(batch[languages[row % len(languages)]][row]) for row in range(N_NEUTRAL)]
