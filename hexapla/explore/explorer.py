"""The cells of a corpus and their vectors, before and after alignment: exact search and a map.

Every distinct text is encoded once by each encoder, over all starts if there is a cache
(`text_vectors.py`). A query is one product with all vectors. Nothing here needs a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hexapla.corpus.reader import Corpus
from hexapla.encoder.encode import Advance
from hexapla.encoder.vector_cache import VectorCache
from hexapla.errors import InputError
from hexapla.explore.text_vectors import TextVectors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

MAX_QUERY = 5000  # characters; encoders read some hundred tokens


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A sentence of the corpus that is near a query.

    Attributes:
        text: The sentence.
        language: Its language.
        row: Number of its row in the corpus, from 0.
        cosine: Cosine with the query.
        translation: Whether its row also holds the query.
    """

    text: str
    language: str
    row: int
    cosine: float
    translation: bool


class Explorer:
    """The cells of a corpus, and their vectors by each encoder that was added."""

    def __init__(self, corpus: Corpus, *, rows: int, languages: Sequence[str]) -> None:
        """Read the cells of the first rows; blank cells are left out."""
        self.languages = tuple(languages)
        self.n_rows = min(rows, len(corpus))
        self.is_cut = len(corpus) > rows
        self._cells: list[tuple[int, str, str]] = []
        n_read = 0
        for batch in corpus.batches(self.languages):
            columns = [batch.column(code).to_pylist() for code in self.languages]
            for cells in zip(*columns, strict=True):
                if n_read == rows:
                    break
                self._cells += [
                    (n_read, code, text)
                    for code, text in zip(self.languages, cells, strict=True)
                    if text and text.strip()
                ]
                n_read += 1
        self._codes = np.array([code for _, code, _ in self._cells])
        places = {text: place for place, text in enumerate(self.texts)}
        self._places = np.array([places[text] for *_, text in self._cells], dtype=np.intp)
        self._encoders: dict[str, TextVectors] = {}

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the encoders, in the order in which they were added."""
        return tuple(self._encoders)

    @property
    def texts(self) -> list[str]:
        """The distinct texts of all cells, in corpus order."""
        return list(dict.fromkeys(text for *_, text in self._cells))

    def examples(self, n: int = 6) -> list[str]:
        """Return up to `n` sentences of different rows and languages as example queries."""
        chosen = []
        for number, row in enumerate(np.linspace(0, self.n_rows - 1, n).astype(int)):
            code = self.languages[number % len(self.languages)]
            chosen += [text for at, language, text in self._cells if (at, language) == (row, code)]
        return list(dict.fromkeys(chosen))

    def add(
        self,
        name: str,
        load: Callable[[], SentenceTransformer],
        cache: VectorCache | None = None,
    ) -> None:
        """Add an encoder, which is loaded when it is first needed, or by `prepare`.

        Args:
            name: What the encoder is called from now on, "before" or "after" on the page.
            load: Returns the encoder.
            cache: Vectors of this encoder on disk; those that it lacks are added to it.
        """
        self._encoders[name] = TextVectors(self.texts, load, cache)

    def drop(self, name: str) -> None:
        """Remove an encoder."""
        del self._encoders[name]

    def n_missing(self, name: str) -> int:
        """Return how many texts of the corpus an encoder has yet to encode."""
        return self._encoders[name].n_missing

    def prepare(self, name: str, advance: Advance = lambda _: None) -> None:
        """Load an encoder, and encode every distinct text of the corpus that has no vector.

        Args:
            name: One of `encoders`.
            advance: Called with the number of texts after each forward pass.

        Raises:
            InputError: The encoder does not load, or a vector is not finite.
        """
        self._encoders[name].prepare(advance)

    def is_ready(self, query: str) -> bool:
        """Return whether a query is answered at once: nothing is loaded or encoded first."""
        return all(each.has(query.strip()) for each in list(self._encoders.values()))

    def nearest(
        self,
        encoder: str,
        query: str,
        *,
        k: int = 10,
        languages: Sequence[str] = (),
        own_language: bool = True,
    ) -> list[Neighbour]:
        """Return the cells nearest to a query by cosine, without those that equal the query.

        Args:
            encoder: One of `encoders`.
            query: A sentence in any language.
            k: Number of cells to return; fewer if fewer are allowed.
            languages: Search these only; all if empty.
            own_language: Also search the languages in which the query is a cell of the corpus. The
                language of any other query is not known.

        Raises:
            InputError: The query is blank or too long, its vector is not finite, or the encoder
                does not load.
        """
        query = query.strip()
        if not query:
            raise InputError("the query is empty; type a sentence")
        if len(query) > MAX_QUERY:
            raise InputError(
                f"the query has {len(query):,} characters; it must have at most {MAX_QUERY:,}"
            )
        vectors = self._encoders[encoder]
        cosine = (vectors.all() @ vectors.of(query))[self._places]
        equal = [(row, code) for row, code, text in self._cells if text == query]
        rows, own = {row for row, _ in equal}, {code for _, code in equal}
        allowed = np.ones(len(cosine), dtype=bool)
        if languages:
            allowed &= np.isin(self._codes, list(languages))
        if not own_language:
            allowed &= ~np.isin(self._codes, list(own))
        found: list[Neighbour] = []
        for place in np.argsort(-np.where(allowed, cosine, -np.inf), kind="stable"):
            row, code, text = self._cells[place]
            if len(found) == k or not allowed[place]:
                break
            if text != query:
                found.append(
                    Neighbour(
                        text=text,
                        language=code,
                        row=row,
                        cosine=float(cosine[place]),
                        translation=row in rows,
                    )
                )
        return found

    def points(
        self, encoder: str, query: str, n_rows: int = 60
    ) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        """Project cells and the query onto the first two principal components of these cells.

        Args:
            encoder: One of `encoders`.
            query: A sentence in any language.
            n_rows: Project the cells of the first rows, so many.

        Returns:
            (n + 1, 2) points, the query's last, and the (n,) languages of the cells.
        """
        chosen = [place for place, (row, *_) in enumerate(self._cells) if row < n_rows]
        vectors = self._encoders[encoder].all()[self._places[chosen]]
        mean = vectors.mean(axis=0)
        _, _, axes = np.linalg.svd(vectors - mean, full_matrices=False)
        vector = self._encoders[encoder].of(query)
        points: NDArray[np.float32] = (np.vstack([vectors, vector]) - mean) @ axes[:2].T
        return points, self._codes[chosen]
