"""Which sentences go into one request to an endpoint: texts with their cache keys -> batches."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from hexapla.translate.prompts import prompt_tokens


@dataclass(frozen=True, slots=True)
class SentenceBatch:
    """The sentences of one request.

    Attributes:
        target: Canonical code of the language to translate into.
        texts: The sentences by their keys in the request cache.
    """

    target: str
    texts: dict[str, str]


def batch_sentences(
    texts: Sequence[str],
    targets: Sequence[str],
    keys: Sequence[str | None],
    known: Container[str],
    *,
    max_texts: int,
    max_tokens: int,
) -> list[SentenceBatch]:
    """Group the sentences that are not in the cache by target, in order.

    A sentence that occurs twice is sent once.

    Args:
        texts: The sentences.
        targets: A canonical code for each sentence.
        keys: The key of each sentence in the cache; None for one that is never sent.
        known: The keys of the sentences whose translations are known.
        max_texts: Sentences in a batch.
        max_tokens: Estimated tokens in a batch; a longer sentence is a batch by itself.
    """
    wanted: dict[str, dict[str, str]] = {}
    for text, target, key in zip(texts, targets, keys, strict=True):
        if key and key not in known:
            wanted.setdefault(target, {})[key] = text
    batches: list[SentenceBatch] = []
    for target, by_key in wanted.items():
        n_tokens = 0
        batch: SentenceBatch | None = None
        for key, text in by_key.items():
            n_tokens += prompt_tokens(text)
            if batch is None or len(batch.texts) == max_texts or n_tokens > max_tokens:
                batch, n_tokens = SentenceBatch(target, {}), prompt_tokens(text)
                batches.append(batch)
            batch.texts[key] = text
    return batches


def split_batch(texts: dict[str, str]) -> list[dict[str, str]]:
    """Return the two halves of some sentences, the second first, to be popped from a stack."""
    items = list(texts.items())
    middle = len(items) // 2
    return [dict(items[middle:]), dict(items[:middle])]
