"""An encoder before and after its export -> how the two compare on the same rows.

Both are measured through the encoder's own pipeline: accuracy of bitext, agreement with judged
pairs, the cosine of the two vectors of each text, sentences per second and size.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hexapla.encoder.encode import encode
from hexapla.encoder.held_out import retrieval_accuracy
from hexapla.evaluation.tasks.judged_pairs import JudgedPairs
from hexapla.evaluation.tasks.sts import cosines, spearman

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
Columns = Mapping[str, Sequence[str | None]]

LOSS = 0.01
"""A loss of accuracy or correlation above this is warned of: one point."""

_ROUNDS = 3
_TIMED_TEXTS = 256
_BATCH = 32  # the default of sentence-transformers


@dataclass(frozen=True, kw_only=True)
class MeasuredVectors:
    """The unit vectors of all texts that measure an encoder.

    Attributes:
        columns: The (dim,) vector of each cell that is not null, by row, of each language; the
            pivot is first.
        pairs: (n, dim) vectors of both sides of the judged pairs, or None.
    """

    columns: Mapping[str, Mapping[int, Vectors]]
    pairs: tuple[Vectors, Vectors] | None


def encode_measured(
    model: SentenceTransformer, columns: Columns, judged: JudgedPairs | None
) -> MeasuredVectors:
    """Encode the cells of all columns and both sides of the judged pairs."""
    present = {
        language: {row: cell for row, cell in enumerate(cells) if cell is not None}
        for language, cells in columns.items()
    }
    texts = [cell for cells in present.values() for cell in cells.values()]
    vectors = iter(encode(model, texts, task="BitextMining"))
    sides = None
    if judged:
        both = [text or "" for text in (*judged.sentence1, *judged.sentence2)]
        first, second = np.split(encode(model, both, task="STS"), 2)
        sides = first, second
    return MeasuredVectors(
        columns={
            language: dict(zip(cells, islice(vectors, len(cells)), strict=True))
            for language, cells in present.items()
        },
        pairs=sides,
    )


def compare_vectors(
    before: MeasuredVectors,
    after: MeasuredVectors,
    judged: JudgedPairs | None,
    *,
    one_space: bool,
) -> dict[str, Any]:
    """Return accuracy, correlation and cosines.

    Args:
        before: Vectors of the encoder.
        after: Vectors of what it was exported to.
        judged: The judged pairs, or None.
        one_space: The vectors before and after are of one space, so that cosines mean something.

    Returns:
        `bitext`: the share of texts that find their row among the others, between the pivot and
        each other column, in both directions; the mean, and that of each language. `sts`:
        Spearman's correlation with the judgements. Both have `before` and `after`. `cosine`: the
        `mean` and the `lowest` of all texts, or None.
    """
    pivot, *others = before.columns
    languages = {
        code: {
            when: retrieval_accuracy([vectors.columns[pivot], vectors.columns[code]])
            for when, vectors in (("before", before), ("after", after))
        }
        for code in others
    }
    bitext: dict[str, Any] = {
        when: float(np.mean([each[when] for each in languages.values()]))
        for when in ("before", "after")
    }
    found: dict[str, Any] = {"bitext": {**bitext, "languages": languages}}
    found["sts"] = found["cosine"] = None
    if judged and before.pairs and after.pairs:
        gold = np.array(judged.gold, dtype=np.float64)
        values = [spearman(cosines(*pairs), gold) for pairs in (before.pairs, after.pairs)]
        found["sts"] = {"before": values[0], "after": values[1]}
    if one_space:
        cosine = np.array(
            [
                vector @ after.columns[language][row]
                for language, column in before.columns.items()
                for row, vector in column.items()
            ]
        )
        found["cosine"] = {"mean": float(cosine.mean()), "lowest": float(cosine.min())}
    return found


def losses(quality: Mapping[str, Any]) -> dict[str, float]:
    """Return what fell by more than a point, in points.

    >>> losses({"bitext": {"before": 0.98, "after": 0.965}, "sts": None})
    {'bitext accuracy': 1.5}
    """
    names = {"bitext": "bitext accuracy", "sts": "similarity"}
    lost = {
        name: quality[key]["before"] - quality[key]["after"]
        for key, name in names.items()
        if quality[key]
    }
    return {name: round(100 * loss, 2) for name, loss in lost.items() if loss > LOSS}


def time_encoders(
    encoders: Mapping[str, Callable[[list[str]], object]], columns: Columns
) -> dict[str, float]:
    """Return the sentences per second of each encoder, the median of alternating rounds.

    Args:
        encoders: What encodes a list of texts, by name.
        columns: The texts; so many are taken, spread over all languages.
    """
    rows = zip(*columns.values(), strict=True)
    texts = [cell for row in rows for cell in row if cell][:_TIMED_TEXTS]
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(_ROUNDS):
        for name, run in encoders.items():
            started = time.perf_counter()
            run(texts)
            seconds[name].append(time.perf_counter() - started)
    return {name: len(texts) / statistics.median(taken) for name, taken in seconds.items()}


def serve(model: SentenceTransformer, texts: list[str]) -> None:
    """Encode texts as a server does: with sentence-transformers, padded, in batches of 32."""
    model.encode(texts, batch_size=_BATCH, show_progress_bar=False)
