"""One pool of mixed languages: does a sentence find its translation before it finds its own language?

Every cell of a multi-way task is a query in the pool of all the others. An encoder that sorts by language finds other
sentences of the query's language first, which retrieval between two columns cannot show. The idea is LAReQA's (Roy et
al. 2020, arXiv 2004.05484); there, questions search answers and the average precision is reported, here sentences
search translations and the nearest one decides.

Shapes: N cells of the pool, B queries of one block, D dimensions.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hexapla.evaluate.inputs import Key, Measurement, Prompted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluate.inputs import Embed

_BLOCK_ENTRIES = 2**24  # cosines held at once: 64 MiB


def nearest_in_pool(vectors_ND: NDArray[np.float32], texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n,) the nearest other cell of each, cells with the query's own text left out.

    Args:
        vectors_ND: (n, dim) unit vectors.
        texts: (n,) a number for each text, equal for equal texts.

    >>> nearest_in_pool(np.float32([[1, 0], [1, 0], [0.8, 0.6]]), np.array([0, 0, 1])).tolist()
    [2, 2, 0]
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    order = np.argsort(texts, kind="stable")
    starts = np.searchsorted(texts[order], texts, side="left")
    ends = np.searchsorted(texts[order], texts, side="right")
    step, found = max(1, _BLOCK_ENTRIES // len(texts)), []
    with torch.inference_mode():
        vectors = torch.from_numpy(vectors_ND).to(device)
        for start in range(0, len(texts), step):
            cosine_BN = vectors[start : start + step] @ vectors.T
            queries = range(start, start + len(cosine_BN))
            sizes = ends[start : start + step] - starts[start : start + step]
            equal = np.concatenate([order[starts[query] : ends[query]] for query in queries])
            cosine_BN[np.repeat(np.arange(len(cosine_BN)), sizes), equal] = -2.0
            found.append(cosine_BN.argmax(dim=1).cpu().numpy())
    return np.concatenate(found)


@dataclass(frozen=True, kw_only=True)
class PoolTask:
    """The cells of a multi-way task in one pool.

    Attributes:
        name: `sib200` in the task name `pool/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the data.
        items: Name of each row.
        cells: Column by language; two or more.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages of the pool."""
        return tuple(self.cells)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured: each language as that of the query."""
        return [(f"pool/{self.name}", code) for code in self.cells]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for texts in self.cells.values():
            yield Prompted(kind="BitextMining", texts=[text for text in texts if text is not None])

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Search the pool with every cell whose row has another; the pool is searched whole or not at all.

        Two metrics, each the mean over the queries of a language: `accuracy`, the nearest text is of the same row, and
        `same_language`, it is of the query's own language, which is lower where languages do not lie apart.
        """
        if all(key in done for key in self.keys):
            return
        place = [
            (row, code, text)
            for code, column in self.cells.items()
            for row, text in enumerate(column)
            if text is not None
        ]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(text for *_, text in place))}
        nearest = nearest_in_pool(embed([text for *_, text in place]), np.array([numbers[text] for *_, text in place]))
        row_N = np.array([row for row, *_ in place])
        code_N = np.array([code for _, code, _ in place])
        cells_of_row = np.bincount(row_N, minlength=len(self.items))
        for code in self.cells:
            queries = np.flatnonzero((code_N == code) & (cells_of_row[row_N] > 1))
            columns = {
                "accuracy": (row_N[nearest[queries]] == row_N[queries]).astype(np.float64),
                "same_language": (code_N[nearest[queries]] == code).astype(np.float64),
            }
            yield Measurement(
                task=f"pool/{self.name}",
                split=self.split,
                languages=code,
                data_sha=self.data_sha,
                items=[self.items[row] for row in row_N[queries]],
                columns=columns,
                metrics={metric: float(values.mean()) for metric, values in columns.items()},
                settings={"pool": ",".join(self.cells)},
            )
