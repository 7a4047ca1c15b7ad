"""The example sentences beside the scores -> a map in two dimensions, and neighbours that changed.

Every score folder has the same rows of the same task, so that what is shown before and after is the
same sentences.

Shapes: N sentences, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from hexapla.errors import InputError
from hexapla.evaluation.examples import EXAMPLES
from hexapla.evaluation.tasks import mixed_pool as pool

_PERPLEXITY = 30
_MOST_LANGUAGES = 40  # on a map: more colours are told apart no longer
_MOST_POINTS = 2000  # of a panel; t-SNE takes seconds, and the page has all their texts


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The sentences of one run: (N, D) unit vectors, and the item, language and text of each."""

    run: str
    vectors: npt.NDArray[np.float32]
    items: Sequence[str]
    languages: Sequence[str]
    texts: Sequence[str]

    @cached_property
    def nearest(self) -> npt.NDArray[np.int64]:
        """The (N,) nearest sentence of another text of each, among all languages."""
        from scipy.sparse import csr_array

        numbers = {text: number for number, text in enumerate(dict.fromkeys(self.texts))}
        cells = np.arange(len(self.texts))
        same_text = csr_array(
            (np.ones(len(cells), np.int8), (cells, [numbers[text] for text in self.texts]))
        )
        return pool.nearest(self.vectors, cells, same_text)


@dataclass(frozen=True, kw_only=True)
class Map:
    """One run's sentences in two dimensions.

    Attributes:
        run: The column's label.
        points: (N, 2).
        items: Name of the row of each sentence.
        languages: Of each sentence.
        texts: The sentences.
        same_language: Share of sentences whose nearest neighbour is of their own language.
    """

    run: str
    points: npt.NDArray[np.float32]
    items: Sequence[str]
    languages: Sequence[str]
    texts: Sequence[str]
    same_language: float


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A sentence and what is nearest to it, before and after: indices of sentences and their cosines."""

    query: int
    before: int
    after: int
    cosine_before: float
    cosine_after: float


def read_examples(scores: Path, run: str = "") -> Examples | None:
    """Read the example sentences beside scores, or None if there are none.

    Raises:
        InputError: They cannot be read.
    """
    file = (scores if scores.is_dir() else scores.parent) / EXAMPLES
    if not file.is_file():
        return None
    try:
        table = pq.read_table(file)
        vectors = np.stack(table.column("vector").to_numpy()).astype(np.float32)
        columns = [table.column(name).to_pylist() for name in ("item", "language", "text")]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{file} cannot be read: {error}; evaluate again") from error
    kept = set(list(dict.fromkeys(columns[1]))[:_MOST_LANGUAGES])
    rows = [row for row, language in enumerate(columns[1]) if language in kept]
    vectors = vectors[rows]
    items, languages, texts = ([column[row] for row in rows] for column in columns)
    return Examples(
        run=run,
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        items=items,
        languages=languages,
        texts=texts,
    )


def project(examples: Examples) -> Map:
    """Project the sentences by t-SNE; its neighbourhoods show islands that a linear map lets overlap."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    items = list(dict.fromkeys(examples.items))
    n_items = max(2, min(len(items), _MOST_POINTS // len(set(examples.languages))))
    kept = {items[place] for place in np.linspace(0, len(items) - 1, n_items).round().astype(int)}
    rows = [row for row, item in enumerate(examples.items) if item in kept]
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    with threadpool_limits(
        1
    ):  # on a busy machine threads that wait for each other are slower by far
        tsne = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=0)
        points = tsne.fit_transform(examples.vectors[rows])
    languages = np.array(examples.languages)
    shown = {
        name: [getattr(examples, name)[row] for row in rows]
        for name in ("items", "languages", "texts")
    }
    return Map(
        run=examples.run,
        points=points,
        **shown,
        same_language=float((languages[examples.nearest] == languages).mean()),
    )


def changed_neighbours(
    before: Examples, after: Examples, *, n_shown: int = 8
) -> tuple[list[Neighbour], list[Neighbour], int, int]:
    """Find sentences whose nearest neighbour became their translation, and those for which it no longer is.

    Args:
        before: The baseline's.
        after: The same sentences of another run.
        n_shown: How many of each to return, spread evenly over all of them.

    Returns:
        Some that were mended and some that were lost, and how many there are of each.
    """
    items = np.array(before.items)
    one, other = before.nearest, after.nearest
    right_before, right_after = items[one] == items, items[other] == items

    def some(chosen: npt.NDArray[np.bool_]) -> list[Neighbour]:
        rows = np.flatnonzero(chosen)
        shown = (
            rows[np.unique(np.linspace(0, len(rows) - 1, n_shown).round().astype(int))]
            if len(rows)
            else rows
        )
        return [
            Neighbour(
                query=int(row),
                before=int(one[row]),
                after=int(other[row]),
                cosine_before=float(before.vectors[row] @ before.vectors[one[row]]),
                cosine_after=float(after.vectors[row] @ after.vectors[other[row]]),
            )
            for row in shown
        ]

    mended, lost = right_after & ~right_before, right_before & ~right_after
    return some(mended), some(lost), int(mended.sum()), int(lost.sum())
