"""Texts -> the pieces that a tokenizer finds in them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer

from hexapla.corpus.reader import Corpus
from hexapla.runs.progress import Progress
from hexapla.trim.word_lists import word_texts

_TEXTS_AT_ONCE = 2000


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """Return how often each piece occurs in texts, which are read in small parts."""
    counts: Counter[int] = Counter()
    remaining = iter(texts)
    while some := list(itertools.islice(remaining, _TEXTS_AT_ONCE)):
        for encoding in tokenizer.encode_batch_fast(some, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def corpus_pieces(
    tokenizer: Tokenizer, corpora: Iterable[Corpus], prompt: str, *, quiet: bool
) -> Counter[int]:
    """Return how often each piece occurs in the cells of corpora.

    Args:
        tokenizer: The tokenizer, without truncation.
        corpora: The rows to take pieces from.
        prompt: Text put before every cell, as the encoder wants it.
        quiet: Show no progress.
    """
    counts: Counter[int] = Counter()
    with Progress(quiet=quiet) as progress:
        for corpus in corpora:
            bar = progress.add(f"pieces of {corpus.name}", len(corpus), unit="rows")
            for batch in corpus.batches(n_rows=_TEXTS_AT_ONCE):
                for language in corpus.languages:
                    cells = batch.column(language).to_pylist()
                    counts += count_pieces(tokenizer, _prompted(cells, prompt))
                bar.advance(batch.num_rows)
    return counts


def _prompted(cells: Iterable[str | None], prompt: str) -> Iterator[str]:
    return (prompt + cell for cell in cells if cell is not None)


def listed_pieces(
    tokenizer: Tokenizer, languages: Iterable[str], n_words: int, *, quiet: bool
) -> set[int]:
    """Return the pieces of the most frequent words of languages, in all their forms."""
    found: set[int] = set()
    with Progress(quiet=quiet) as progress:
        for language in progress.track(list(languages), "pieces of word lists", unit="languages"):
            found |= set(count_pieces(tokenizer, word_texts(language, n_words)))
    return found
