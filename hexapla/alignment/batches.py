"""Which rows and which columns make one training step: rows of a corpus -> batches of cells, by regime.

The sampler decides on rows: each once an epoch, rows that share a text in different batches, an
order that depends on the seed and the epoch alone, so that a resumed run sees what an uninterrupted
one would have seen. The collator decides on columns. What it draws depends on the seed, the epoch
and the row, so it too survives a resume, and any number of processes draws the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch.utils.data import Sampler

from hexapla.alignment.config import Regime
from hexapla.alignment.token_cache import TokenCache


def present_cells(dataset: Dataset, languages: Sequence[str]) -> NDArray[np.bool_]:
    """Return (rows, languages) which cells are there, without loading the texts."""
    present = np.zeros((len(dataset), len(languages)), dtype=bool)
    for c, language in enumerate(languages):
        start = 0
        for batch in (
            dataset.select_columns([language]).with_format("arrow").iter(batch_size=10_000)
        ):
            part = batch.column(language).is_valid().to_numpy()
            present[start : start + len(part), c] = part
            start += len(part)
    return present


def usable_rows(present_RC: NDArray[np.bool_], regime: Regime) -> NDArray[np.int64]:
    """Return the indices of the rows that have enough cells for a regime: two, or the pivot alone."""
    return np.flatnonzero(present_RC.sum(axis=1) >= (1 if regime == Regime.PIVOT_ONLY else 2))


def encodings_per_epoch(present_RC: NDArray[np.bool_], regime: Regime) -> int:
    """Return how many sentences an epoch over these rows encodes under a regime."""
    return int(present_RC.sum()) if regime.takes_all_cells else 2 * len(present_RC)


def shared_texts(texts_RC: NDArray[np.int64]) -> dict[int, frozenset[int]]:
    """Return, for the rows that share a text with another row, the ids of those texts.

    Columns are taken together: a product name left in English in two columns is one text.

    Args:
        texts_RC: (R, C) ids of the cells' texts, 0 where a cell is missing.
    """
    rows, columns = np.nonzero(texts_RC)
    found = np.unique(np.stack([texts_RC[rows, columns], rows], axis=1), axis=0)
    _, place, count = np.unique(found[:, 0], return_inverse=True, return_counts=True)
    groups: dict[int, set[int]] = {}
    for text, row in found[count[place] > 1].tolist():
        groups.setdefault(row, set()).add(text)
    return {row: frozenset(texts) for row, texts in groups.items()}


class RowBatchSampler(Sampler[list[int]]):
    """Batches of row indices: every row once an epoch, rows that share a text apart, the same order on resume.

    Batches are of nearly equal size, at most `rows_per_step`, so that no epoch ends on a batch of a
    few rows and few negatives. When rows that share a text are all that is left, they do meet; the
    loss knows them by their ids. The batches are the same however many processes share them: each
    takes every `n_ranks`-th row of every batch.

    Args:
        shared: for rows that share a text with another row, the ids of those texts.
        n_rows: rows of an epoch.
        rows_per_step: most rows in a batch.
        seed: of the order.
        rank: number of this process.
        n_ranks: processes that share the batches.
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
    ) -> None:
        n_batches = -(-n_rows // rows_per_step)
        self.sizes = [n_rows // n_batches + (k < n_rows % n_batches) for k in range(n_batches)]
        self.n_rows, self.shared, self.seed, self.epoch = n_rows, shared, seed, 0
        self.rank, self.n_ranks = rank, n_ranks

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches are next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's share of the batches of the epoch that `set_epoch` named."""
        for batch in self.batches():
            yield batch[self.rank :: self.n_ranks]

    def batches(self) -> Iterator[list[int]]:
        """Yield whole batches."""
        order = iter(
            np.random.default_rng([self.seed, self.epoch]).permutation(self.n_rows).tolist()
        )
        waiting: list[int] = []
        for size in self.sizes:
            batch: list[int] = []
            texts: set[int] = set()
            postponed: list[int] = []
            while len(batch) < size:
                row = waiting.pop(0) if waiting else next(order, None)
                if row is None:  # nothing but rows that share texts is left
                    batch.append(postponed.pop(0))
                elif self.shared.get(row, frozenset()) & texts:
                    postponed.append(row)
                else:
                    batch.append(row)
                    texts |= self.shared.get(row, frozenset())
            waiting = postponed + waiting
            yield batch


@dataclass(kw_only=True)
class CellCollator:
    """Fetch the tokens of the cells that a regime takes of each row, longest first.

    Under the regimes of two texts the "column" is the side, 0 or 1, not the language: each side's
    texts are the other side's candidates whatever their language, as in the usual symmetric InfoNCE
    over pairs of mixed languages. Counted by language, en-x would have a sixth of the negatives and
    lose for that alone.

    Attributes:
        cache: tokens of the rows; its columns are those that are trained, the pivot first.
        regime: see `Regime`.
        keys: (R,) what stands for each row in the draws of languages, whatever its place: a hash of
            its id.
        sampler: the sampler of the rows, whose seed and epoch the draws of languages have.
        reference: (R, D) the pivots' vectors by the encoder as it was, to be kept near; None
            without.
    """

    cache: TokenCache
    regime: Regime
    keys: NDArray[np.uint64]
    sampler: RowBatchSampler
    reference: NDArray[np.float32] | None = None

    def __call__(self, rows: list[int]) -> dict[str, Any]:
        """Return `cells_*` of N cells, end to end, and `label` (N, 3): row of the batch, column or side, text id."""
        row_N, column_N, side_N = self.choose(rows)
        cell_N = np.array(rows)[row_N] * self.cache.texts.shape[1] + column_N
        order = np.argsort(-self.cache.lengths(cell_N), kind="stable")
        row_N, column_N, side_N, cell_N = (
            row_N[order],
            column_N[order],
            side_N[order],
            cell_N[order],
        )
        index_N = np.array(rows)[row_N]
        tokens = self.cache.tokens(cell_N)
        batch: dict[str, Any] = {
            f"cells_{key}": value for key, value in {**self.cache.constants, **tokens}.items()
        }
        batch["cells_lengths"] = self.cache.lengths(cell_N).tolist()
        batch["cells_rows"] = rows
        if self.reference is not None:
            pivots = np.flatnonzero(column_N == 0)
            batch["cells_pivots"] = torch.from_numpy(pivots)
            batch["cells_reference"] = torch.from_numpy(self.reference[index_N[pivots]])
        batch["label"] = torch.from_numpy(
            np.stack([row_N, side_N, self.cache.texts[index_N, column_N]], axis=1)
        )
        return batch

    def choose(
        self, rows: list[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return (N,) row of the batch, corpus column, and column of the loss, for the cells that take part."""
        present_RC = self.cache.texts[rows] != 0
        if self.regime.takes_all_cells:
            row_N, column_N = np.nonzero(present_RC)
            return row_N, column_N, column_N
        row_N, side_N = np.repeat(np.arange(len(rows)), 2), np.tile([0, 1], len(rows))
        if self.regime == Regime.PIVOT_ONLY:
            return row_N, np.zeros_like(row_N), side_N
        pairs = []
        for row, present in zip(rows, present_RC, strict=True):
            draws = np.random.default_rng(
                [self.sampler.seed, self.sampler.epoch, int(self.keys[row])]
            )
            columns = np.flatnonzero(present)
            if self.regime == Regime.EN_X:
                pairs += [0, columns[1 + draws.integers(len(columns) - 1)]]
            else:
                pairs += draws.choice(columns, size=2, replace=False).tolist()
        return row_N, np.array(pairs), side_N
