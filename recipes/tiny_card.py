"""The card of the tiny encoder, which `pretrain_tiny.py` writes."""

from __future__ import annotations

from transformers import XLMRobertaConfig

CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, sentence-similarity, feature-extraction]
---

# tiny

The encoder that Hexapla carries for its demo, its tests and first trials: a masked language model
of XLM-R's architecture with {layers} layers of {dim}, {pieces} Unigram pieces, mean pooling and
normalisation, in fp16. It was made by `recipes/pretrain_tiny.py`, without any information about
which sentences are translations of each other.

## Data

749,167 single sentences in 30 languages: STSb Multi MT's training sentences in 11 and NTREX-128 in
30 (both CC BY-SA 4.0, both four times per epoch), and machine-translated course texts in 30 (MIT).
No two languages of a row stand side by side. SIB-200, Tatoeba and the STS dev and test pairs were
not read.

## Training

{steps}

Loss in nats per masked position; held out are 1,500 sentences of STSb that were not trained on:

| tokens of this run | training | held out |
|---:|---:|---:|
{curve}

## Limits

It is not for production: it was trained on captions, news and the course texts of one field only,
and it truncates texts after 128 tokens. It places translations apart, on purpose. It has no
dropout, so the regime `pivot-only` cannot train it. Align it, or use a real encoder.
"""
TRAINED_BY = "by Muon (matrices of the layers) and AdamW (the rest), 15 % masked, no dropout."
CONTINUED = f"Continued from an earlier run, {TRAINED_BY}"
FRESH = f"Started from an SVD of co-occurrences, {TRAINED_BY}"


def card(config: XLMRobertaConfig, curve: list[dict[str, float]], *, is_continued: bool) -> str:
    """Return the card.

    Args:
        config: Of the encoder.
        curve: Tokens of this run, and losses in training and held out, at each measurement.
        is_continued: Whether the run started from the encoder of an earlier one.
    """
    lines = "\n".join(
        f"| {point['tokens']:,.0f} | {point['train']:.2f} | {point['dev']:.2f} |" for point in curve
    )
    return CARD.format(
        layers=config.num_hidden_layers,
        dim=config.hidden_size,
        pieces=config.vocab_size,
        steps=CONTINUED if is_continued else FRESH,
        curve=lines,
    )
