"""Example sentences beside the scores -> a map in two dimensions, and neighbours that changed.

All score folders of one task hold the same rows, so that a page shows the same sentences before and
after alignment.

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
from hexapla.evaluation.tasks.mixed_pool import nearest_in_pool

_PERPLEXITY = 30
# On one map; readers cannot tell more colours apart.
_MAX_LANGUAGES = 40
# In one panel; t-SNE takes seconds, and the page contains the texts of all points.
_MAX_POINTS = 2000


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
        """The (N,) index of each sentence's nearest neighbour in any language with another text."""
        from scipy.sparse import csr_array

        numbers = {text: number for number, text in enumerate(dict.fromkeys(self.texts))}
        cells = np.arange(len(self.texts))
        same_text = csr_array(
            (np.ones(len(cells), np.int8), (cells, [numbers[text] for text in self.texts]))
        )
        return nearest_in_pool(self.vectors, cells, same_text)

    @cached_property
    def found(self) -> npt.NDArray[np.bool_]:
        """Of each sentence, (N,), whether its nearest neighbour is a translation of it."""
        items = np.array(self.items)
        is_found: npt.NDArray[np.bool_] = items[self.nearest] == items
        return is_found


@dataclass(frozen=True, kw_only=True)
class Map:
    """One run's sentences in two dimensions.

    Attributes:
        run: Label of the run's column.
        points: (N, 2) coordinates.
        items: Name of each sentence's row.
        languages: Language of each sentence.
        texts: The sentences.
        same_language: Fraction of sentences whose nearest neighbour is in their own language.
    """

    run: str
    points: npt.NDArray[np.float32]
    items: Sequence[str]
    languages: Sequence[str]
    texts: Sequence[str]
    same_language: float


@dataclass(frozen=True, kw_only=True)
class ChangedNeighbour:
    """A sentence and its nearest neighbours before and after: indices of sentences, and cosines."""

    query: int
    before: int
    after: int
    cosine_before: float
    cosine_after: float


def read_examples(scores: Path, run: str = "") -> Examples | None:
    """Read the example sentences beside scores; None if there are none.

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
    kept = set(list(dict.fromkeys(columns[1]))[:_MAX_LANGUAGES])
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
    """Project the sentences by t-SNE, which separates clusters that a linear map would overlay."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    items = list(dict.fromkeys(examples.items))
    n_items = max(2, min(len(items), _MAX_POINTS // len(set(examples.languages))))
    kept = {items[place] for place in np.linspace(0, len(items) - 1, n_items).round().astype(int)}
    rows = [row for row, item in enumerate(examples.items) if item in kept]
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    # On a busy machine, several threads that wait for each other are far slower than one.
    with threadpool_limits(1):
        tsne = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=0)
        points = tsne.fit_transform(examples.vectors[rows])
    languages = np.array(examples.languages)
    return Map(
        run=examples.run,
        points=points,
        items=[examples.items[row] for row in rows],
        languages=[examples.languages[row] for row in rows],
        texts=[examples.texts[row] for row in rows],
        same_language=float((languages[examples.nearest] == languages).mean()),
    )


def changed_neighbours(
    before: Examples, after: Examples, *, n_shown: int = 8
) -> tuple[list[ChangedNeighbour], list[ChangedNeighbour], int, int]:
    """Find the sentences that gained or lost their translation as the nearest neighbour.

    Args:
        before: Examples of the baseline.
        after: The same sentences of another run.
        n_shown: How many of each to return, spread evenly over all of them.

    Returns:
        Some sentences that gained their translation and some that lost it, and the number of each.
    """
    gained, lost = after.found & ~before.found, before.found & ~after.found

    def some(chosen: npt.NDArray[np.bool_]) -> list[ChangedNeighbour]:
        rows = np.flatnonzero(chosen)
        if len(rows):
            rows = rows[np.unique(np.linspace(0, len(rows) - 1, n_shown).round().astype(int))]
        return [_changed_neighbour(before, after, int(row)) for row in rows]

    return some(gained), some(lost), int(gained.sum()), int(lost.sum())


def _changed_neighbour(before: Examples, after: Examples, query: int) -> ChangedNeighbour:
    nearest_before, nearest_after = int(before.nearest[query]), int(after.nearest[query])
    return ChangedNeighbour(
        query=query,
        before=nearest_before,
        after=nearest_after,
        cosine_before=float(before.vectors[query] @ before.vectors[nearest_before]),
        cosine_after=float(after.vectors[query] @ after.vectors[nearest_after]),
    )
