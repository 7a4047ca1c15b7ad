"""Held-out rows -> what trimming changes: segmentation, vectors, and translations found.

A text whose pieces are all kept has the same vector, so only the others are encoded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from hexapla.corpus.reader import Corpus
from hexapla.encoder.encode import encode
from hexapla.encoder.held_out import retrieval_accuracy
from hexapla.runs.progress import Bar, Progress

# Of each corpus. Every text is encoded once, and what is segmented otherwise once more: two minutes
# on two cores for seven languages of multilingual-e5-small.
MAX_ROWS = 500


@dataclass(frozen=True, kw_only=True)
class HeldOutCells:
    """The held-out cells of a corpus, with their vectors before trimming.

    Attributes:
        corpus: Name of the corpus.
        n_rows: Number of rows.
        cells: For each language, the cells by row.
        vectors: For each language, the (D,) vectors of its cells by row.
    """

    corpus: str
    n_rows: int
    cells: Mapping[str, Mapping[int, str]]
    vectors: Mapping[str, Mapping[int, NDArray[np.float32]]]


def read_held_out(
    model: SentenceTransformer, corpora: Sequence[Corpus], *, quiet: bool
) -> list[HeldOutCells]:
    """Read the first held-out rows of each corpus, and encode their cells."""
    with Progress(quiet=quiet) as progress:
        bar = progress.add(
            "vectors of held-out cells",
            sum(len(corpus.languages) for corpus in corpora),
            unit="columns",
        )
        return [_read(model, corpus, bar) for corpus in corpora if len(corpus)]


def _read(model: SentenceTransformer, corpus: Corpus, bar: Bar) -> HeldOutCells:
    columns = corpus.first_cells(MAX_ROWS)
    cells, vectors = {}, {}
    for language, column in columns.items():
        cells[language] = {row: cell for row, cell in enumerate(column) if cell is not None}
        vectors[language] = _encode(model, cells[language])
        bar.advance()
    n_rows = len(columns[corpus.languages[0]])
    return HeldOutCells(corpus=corpus.name, n_rows=n_rows, cells=cells, vectors=vectors)


def measure_changes(
    model: SentenceTransformer,
    held_out: HeldOutCells,
    tokenizers: tuple[Tokenizer, Tokenizer],
    order: Sequence[int],
    prompt: str,
) -> dict[str, Any]:
    """Return what trimming has changed in the held-out cells of a corpus.

    Args:
        model: The trimmed encoder.
        held_out: The cells.
        tokenizers: Before and after, without truncation.
        order: Old number of every piece in the order of the new ones.
        prompt: Text put before every cell.

    Returns:
        For each language, the number of cells, of those that are segmented otherwise, and mean and
        lowest cosine of these with their old vectors; and the retrieval accuracy before and after,
        None for one language.
    """
    languages, after = {}, dict(held_out.vectors)
    for language, cells in held_out.cells.items():
        changed = {
            row: cells[row] for row in _segmented_otherwise(cells, tokenizers, order, prompt)
        }
        new = _encode(model, changed)
        old = held_out.vectors[language]
        cosines = [float(old[row] @ vector) for row, vector in new.items()]
        languages[language] = {
            "n_cells": len(cells),
            "n_changed": len(changed),
            "mean_cosine": float(np.mean(cosines)) if cosines else None,
            "lowest_cosine": min(cosines, default=None),
        }
        after[language] = {**old, **new}
    accuracies = [
        retrieval_accuracy(list(vectors.values())) if len(vectors) > 1 else None
        for vectors in (held_out.vectors, after)
    ]
    return {
        "corpus": held_out.corpus,
        "n_rows": held_out.n_rows,
        "languages": languages,
        "accuracy_before": accuracies[0],
        "accuracy_after": accuracies[1],
    }


def _segmented_otherwise(
    cells: Mapping[int, str],
    tokenizers: tuple[Tokenizer, Tokenizer],
    order: Sequence[int],
    prompt: str,
) -> list[int]:
    """Return the rows of the cells whose pieces are others after trimming."""
    texts = [prompt + cell for cell in cells.values()]
    before, after = (tokenizer.encode_batch_fast(texts) for tokenizer in tokenizers)
    return [
        row
        for row, old, new in zip(cells, before, after, strict=True)
        if old.ids != [order[number] for number in new.ids]
    ]


def _encode(model: SentenceTransformer, cells: Mapping[int, str]) -> dict[int, NDArray[np.float32]]:
    if not cells:
        return {}
    vectors = encode(model, list(cells.values()), task="BitextMining")
    return dict(zip(cells, vectors, strict=True))
