"""Which rows and which columns make one training step: rows of a corpus -> batches of cells, by regime.

The sampler decides on rows: each once an epoch, rows that share a text in different batches, an order that depends on
the seed and the epoch alone, so that a resumed run sees what an uninterrupted one would have seen. The collator decides
on columns. What it draws depends on the seed and on the batch's rows, and not on any state, so it too survives a
resume, and workers agree with the main process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from torch.utils.data import RandomSampler

from hexapla.languages import is_language


class Regime(StrEnum):
    """The method and its controls: which cells of a row take part in a step, and which terms the loss has."""

    MULTIWAY = "multiway"  # all present cells, all ordered pairs of columns: the method
    EN_X = "en-x"  # the pivot and one language drawn per row: the paper's baseline
    STAR = "star"  # all present cells, but only pairs with the pivot
    SAMPLED_PAIR = "sampled-pair"  # two languages drawn per row
    PIVOT_ONLY = "pivot-only"  # the pivot twice, told apart by dropout: SimCSE

    @property
    def takes_all_cells(self) -> bool:
        """Whether a step encodes every present cell of a row, or just two texts."""
        return self in (Regime.MULTIWAY, Regime.STAR)


def cells_per_row(dataset: Dataset, languages: Sequence[str]) -> np.ndarray:
    """Return (rows,) the number of present cells of each row, without loading the texts."""
    counts = np.zeros(len(dataset), dtype=np.int64)
    for language in languages:
        start = 0
        for batch in dataset.select_columns([language]).with_format("arrow").iter(batch_size=10_000):
            present = batch.column(language).is_valid().to_numpy()
            counts[start : start + len(present)] += present
            start += len(present)
    return counts


def usable_rows(counts: np.ndarray, regime: Regime) -> np.ndarray:
    """Return the indices of the rows that have enough cells for a regime: two, or the pivot alone."""
    return np.flatnonzero(counts >= (1 if regime == Regime.PIVOT_ONLY else 2))


def encodings_per_epoch(counts: np.ndarray, regime: Regime) -> int:
    """Return how many sentences an epoch over these rows encodes under a regime."""
    return int(counts.sum()) if regime.takes_all_cells else 2 * len(counts)


def shared_texts(dataset: Dataset, languages: Sequence[str]) -> dict[int, frozenset[int]]:
    """Return, for the rows that share a text with another row, the hashes of those texts.

    Columns are taken together: a product name left in English in two columns is one text.
    """
    hashes, owners = [], []
    for language in languages:
        start = 0
        for batch in dataset.select_columns([language]).with_format("arrow").iter(batch_size=10_000):
            column = batch.column(language)
            present = np.flatnonzero(column.is_valid().to_numpy())
            texts = column.drop_null().to_numpy(zero_copy_only=False).astype(object)
            hashes.append(pd.util.hash_array(texts))
            owners.append(start + present)
            start += len(column)
    found = pd.DataFrame({"hash": np.concatenate(hashes), "row": np.concatenate(owners)}).drop_duplicates()
    repeated = found[found.duplicated("hash", keep=False)]
    groups: dict[int, set[int]] = {}
    for row, text in zip(repeated["row"].tolist(), repeated["hash"].tolist(), strict=True):
        groups.setdefault(row, set()).add(text)
    return {row: frozenset(texts) for row, texts in groups.items()}


class RowBatchSampler(DefaultBatchSampler):  # type: ignore[misc]
    """Batches of row indices: every row once an epoch, rows that share a text apart, the same order on resume.

    Batches are of nearly equal size, at most `rows_per_step`, so that no epoch ends on a batch of a few rows and few
    negatives; with `drop_last` they are of exactly that size and the rest waits for another epoch's order. When rows
    that share a text are all that is left, they do meet; the loss knows them by their ids.

    Args:
        dataset: rows with one text column per language.
        languages: the columns whose texts are kept apart.
        rows_per_step: most rows in a batch.
        seed: of the order.
        drop_last: see above; needed when several processes share the batches.
    """

    def __init__(
        self, dataset: Dataset, languages: Sequence[str], rows_per_step: int, seed: int = 0, drop_last: bool = False
    ) -> None:
        super().__init__(RandomSampler(range(len(dataset))), batch_size=rows_per_step, drop_last=drop_last, seed=seed)
        n_batches = len(dataset) // rows_per_step if drop_last else -(-len(dataset) // rows_per_step)
        if drop_last:
            self.sizes = [rows_per_step] * n_batches
        else:
            self.batch_size = None  # accelerate's word for batches of changing size
            self.sizes = [len(part) for part in np.array_split(np.empty(len(dataset)), n_batches)]
        self.n_rows = len(dataset)
        self.shared = shared_texts(dataset, languages)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the epoch that `set_epoch` named."""
        order = iter(np.random.default_rng([self.seed or 0, self.epoch]).permutation(self.n_rows).tolist())
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


def make_batch_sampler(dataset: Dataset, batch_size: int, drop_last: bool, seed: int, **_: Any) -> RowBatchSampler:
    """Make the sampler from what the trainer passes to its `batch_sampler`; the language columns are known by name."""
    languages = [name for name in dataset.column_names if is_language(name)]
    return RowBatchSampler(dataset, languages, batch_size, seed=seed, drop_last=drop_last)


@dataclass
class MultiwayCollator(SentenceTransformerDataCollator):  # type: ignore[misc]
    """Tokenise the cells that a regime takes of each row: one column of cells, labels of (N, 2), row and column.

    Under the regimes of two texts the "column" is the side, 0 or 1, not the language: each side's texts are the other
    side's candidates whatever their language, as in the usual symmetric InfoNCE over pairs of mixed languages. Counted
    by language, en-x would have a sixth of the negatives and lose for that alone.

    Args:
        preprocess_fn: the encoder's `preprocess`.
        languages: the corpus columns that are trained, the pivot first.
        regime: see `Regime`.
        seed: of the draws of languages.
    """

    languages: tuple[str, ...] = field(kw_only=True)
    regime: Regime = field(kw_only=True)
    seed: int = field(kw_only=True, default=0)

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Return `cells_*` tensors of (N, width) and `label` (N, 2) for a list of rows."""
        chosen = self.choose(features)
        tokens = self.preprocess_fn([text for _, _, text in chosen], prompt=self.prompts or None)
        batch: dict[str, Any] = {f"cells_{key}": value for key, value in tokens.items()}
        batch["label"] = torch.tensor([(row, column) for row, column, _ in chosen])
        return batch

    def choose(self, rows: Sequence[dict[str, Any]]) -> list[tuple[int, int, str]]:
        """Return (row, column, text) of each cell that takes part in the step."""
        pivot = self.languages[0]
        if self.regime == Regime.PIVOT_ONLY:
            return [(i, side, row[pivot]) for i, row in enumerate(rows) for side in (0, 1)]
        if self.regime.takes_all_cells:
            cells = ((i, c, row[language]) for i, row in enumerate(rows) for c, language in enumerate(self.languages))
            return [cell for cell in cells if cell[2] is not None]
        key = pd.util.hash_array(np.array([row["row_id"] for row in rows], dtype=object))
        draw = np.random.default_rng([self.seed, *key.tolist()])
        chosen = []
        for i, row in enumerate(rows):
            present = [language for language in self.languages if row[language] is not None]
            if self.regime == Regime.EN_X:
                pair = [pivot, present[1 + draw.integers(len(present) - 1)]]
            else:
                pair = [present[k] for k in draw.choice(len(present), size=2, replace=False)]
            chosen += [(i, side, row[language]) for side, language in enumerate(pair)]
        return chosen
