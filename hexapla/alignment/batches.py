"""Which rows and which columns make one training step, by regime.

The sampler chooses rows: each once an epoch, rows that share a text in different batches. The order
depends on the seed, the epoch and the hard negatives alone, so a resumed run sees what an
uninterrupted run would have seen. The collator chooses columns. What it draws depends on the seed,
the epoch and the row, so it survives a resume too, and is the same for any number of processes.

Shape suffixes: R rows, C columns, N cells, P cells with a reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from hexapla.alignment.cell_batch import CellBatch
from hexapla.alignment.config import Regime
from hexapla.alignment.hard_negatives import HardNegatives
from hexapla.alignment.reference import Reference
from hexapla.alignment.token_cache import TokenCache


def encodings_per_epoch(
    present_RC: NDArray[np.bool_], regime: Regime, cells_per_row: int = 0
) -> int:
    """Return how many sentences an epoch over these rows encodes under a regime.

    Args:
        present_RC: (R, C) which cells the rows have.
        regime: See `Regime`.
        cells_per_row: The most that a step takes of a row; 0 takes all.
    """
    if not regime.takes_all_cells:
        return 2 * len(present_RC)
    return int(present_RC.sum(axis=1).clip(max=cells_per_row or None).sum())


def shared_texts(texts_RC: NDArray[np.int64]) -> dict[int, frozenset[int]]:
    """Return the rows that share a text with another row, with the ids of those texts.

    Columns are compared with each other: a product name left in English in two columns is one text.

    Args:
        texts_RC: (R, C) ids of the cells' texts, 0 where a cell is missing.
    """
    rows, columns = np.nonzero(texts_RC)
    occurrences = np.unique(np.stack([texts_RC[rows, columns], rows], axis=1), axis=0)
    _, place, count = np.unique(occurrences[:, 0], return_inverse=True, return_counts=True)
    groups: dict[int, set[int]] = {}
    for text, row in occurrences[count[place] > 1].tolist():
        groups.setdefault(row, set()).add(text)
    return {row: frozenset(texts) for row, texts in groups.items()}


class RowBatchSampler(Sampler[list[int]]):
    """Batches of row indices: every row once an epoch, rows that share a text apart.

    Batches differ in size by at most one row and have at most `rows_per_step`, so no epoch ends on
    a batch of a few rows and few negatives. When only rows that share a text are left, they do
    meet; the loss then recognises them by their ids. The batches are the same for any number of
    ranks: each takes every `n_ranks`-th row of every batch.

    Args:
        shared: The rows that share a text with another row, with the ids of those texts.
        n_rows: Number of rows in an epoch.
        rows_per_step: Maximum number of rows in a batch.
        seed: Seed of the order.
        rank: Number of this process.
        n_ranks: Number of processes that share the batches.
        hard_negatives: What finds the order of the rows, or None for one at random.
    """

    def __init__(
        self,
        shared: dict[int, frozenset[int]],
        n_rows: int,
        rows_per_step: int,
        *,
        seed: int = 0,
        rank: int = 0,
        n_ranks: int = 1,
        hard_negatives: HardNegatives | None = None,
    ) -> None:
        n_batches = -(-n_rows // rows_per_step)
        self.sizes = [n_rows // n_batches + (k < n_rows % n_batches) for k in range(n_batches)]
        self.n_rows, self.shared, self.seed, self.epoch = n_rows, shared, seed, 0
        self.rank, self.n_ranks = rank, n_ranks
        self.hard_negatives = hard_negatives

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose batches come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this rank's part of every batch of the epoch."""
        for batch in self.batches():
            yield batch[self.rank :: self.n_ranks]

    def batches(self) -> Iterator[list[int]]:
        """Yield the whole batches of the epoch."""
        order = iter(self._order())
        waiting: list[int] = []
        for size in self.sizes:
            batch: list[int] = []
            texts: set[int] = set()
            postponed: list[int] = []
            while len(batch) < size:
                row = waiting.pop(0) if waiting else next(order, None)
                if row is None:  # only rows that share a text with the batch are left
                    batch.append(postponed.pop(0))
                elif self.shared.get(row, frozenset()) & texts:
                    postponed.append(row)
                else:
                    batch.append(row)
                    texts |= self.shared.get(row, frozenset())
            waiting = postponed + waiting
            yield batch

    def _order(self) -> list[int]:
        """Return the rows in the order of the epoch: at random, or similar ones together."""
        drawn_R = np.random.default_rng([self.seed, self.epoch]).permutation(self.n_rows)
        if self.hard_negatives is None:
            order: list[int] = drawn_R.tolist()
            return order
        return self.hard_negatives.order(self.epoch, drawn_R)


@dataclass(kw_only=True)
class CellCollator:
    """Collects the tokens of the cells that a regime uses of each row, longest first.

    Where languages are drawn, the column of the loss is the side, the place in the draw, and not
    the language: each side's texts are another side's candidates whatever their language, as in the
    usual symmetric InfoNCE over pairs of mixed languages. By language, en-x would have a sixth of
    the negatives, and lose for that reason alone.

    Attributes:
        cache: Tokens of the rows; its columns are those that are trained, the pivot first.
        regime: See `Regime`.
        cells_per_row: How many cells of each row to take under the regimes that take all of them,
            the pivot and others that are drawn; 0 takes all.
        keys: (R,) a hash of each row's id, so that draws of languages do not depend on the row's
            position.
        sampler: The sampler of the rows, whose seed and epoch also decide the draws.
        reference: What cells are drawn to besides each other; None if to nothing.
    """

    cache: TokenCache
    regime: Regime
    keys: NDArray[np.uint64]
    sampler: RowBatchSampler
    cells_per_row: int = 0
    reference: Reference | None = None

    def __call__(self, rows: list[int]) -> dict[str, Any]:
        """Return the batch of some rows, as the inputs of sentence-transformers' trainer."""
        return self.collect(rows).to_inputs()

    def collect(self, rows: list[int]) -> CellBatch:
        """Return the batch of some rows of the corpus."""
        row_N, column_N, side_N = self.choose(rows)
        cell_N = np.array(rows)[row_N] * self.cache.texts.shape[1] + column_N
        order = np.argsort(-self.cache.lengths(cell_N), kind="stable")
        row_N, column_N, side_N, cell_N = (
            each[order] for each in (row_N, column_N, side_N, cell_N)
        )
        index_N = np.array(rows)[row_N]
        ids_N3 = np.stack([row_N, side_N, self.cache.texts[index_N, column_N]], axis=1)
        referenced_P = reference_PD = None
        if self.reference is not None:
            places = self.reference.places(column_N)
            referenced_P = torch.from_numpy(places)
            reference_PD = torch.from_numpy(self.reference.vectors_of(index_N[places]))
        return CellBatch(
            tokens=self.cache.tokens(cell_N),
            lengths=self.cache.lengths(cell_N).tolist(),
            ids_N3=torch.from_numpy(ids_N3),
            constants=self.cache.constants,
            corpus_rows=rows,
            referenced_P=referenced_P,
            reference_PD=reference_PD,
        )

    def choose(
        self, rows: list[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Choose the cells of a batch.

        Returns:
            (N,) row of the batch, (N,) column of the corpus and (N,) column of the loss of each.
        """
        present_RC = self.cache.texts[rows] != 0
        if self.regime.takes_all_cells and not self.cells_per_row:
            row_N, column_N = np.nonzero(present_RC)
            return row_N, column_N, column_N
        if self.regime == Regime.PIVOT_ONLY:
            row_N, side_N = np.repeat(np.arange(len(rows)), 2), np.tile([0, 1], len(rows))
            return row_N, np.zeros_like(row_N), side_N
        draws = [
            self._draw(row, np.flatnonzero(present))
            for row, present in zip(rows, present_RC, strict=True)
        ]
        row_N = np.repeat(np.arange(len(rows)), [len(drawn) for drawn in draws])
        side_N = np.concatenate([np.arange(len(drawn)) for drawn in draws])
        return row_N, np.concatenate(draws), side_N

    def _draw(self, row: int, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the columns drawn for a row of the corpus, out of those that it has."""
        draws = np.random.default_rng([self.sampler.seed, self.sampler.epoch, int(self.keys[row])])
        if self.regime == Regime.SAMPLED_PAIR:
            return draws.choice(columns, size=2, replace=False)
        if self.regime == Regime.EN_X:
            return np.array([0, columns[1 + draws.integers(len(columns) - 1)]])
        n_others = min(len(columns), self.cells_per_row or len(columns)) - 1
        return np.append(0, draws.choice(columns[1:], size=n_others, replace=False))


class CellLoader(DataLoader[int]):
    """The batches of a sampler's rows.

    Attributes:
        collator: Collects the cells of rows.
        hard_negatives: The sampler's, or None.
    """

    def __init__(
        self, sampler: RowBatchSampler, rows: Sequence[int], collator: CellCollator
    ) -> None:
        self.collator, self.hard_negatives = collator, sampler.hard_negatives
        super().__init__(rows, batch_sampler=sampler, collate_fn=collator)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose batches come next."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
