"""Hard negatives: rows that resemble each other meet in one step, as the encoder itself sees them.

Before every pass over the rows the encoder encodes each row's pivot and one of its translations,
drawn anew. The hard negatives of a row are the rows whose pivots are nearest to its own. Those that
are nearly as near as its own translation may mean the same, and are not chosen: "positive-aware"
mining with a share of the positive's cosine, as in NV-Retriever (arXiv 2407.15831). Rows are
searched in blocks drawn at random, so the time grows with their number and not with its square. The
processes share out what is encoded, and rank 0 decides. A checkpoint holds the order that was
found, so a resumed run has the batches of an uninterrupted one.

Shape suffixes: R rows, C columns, B rows of a block, K neighbours, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from hexapla.alignment import distributed as ranks
from hexapla.encoder.encode import encode
from hexapla.runs.progress import Bar

MOST_ALIKE = 0.95
"""Share of a row's cosine with its own translation at which another row may mean the same."""
_BLOCK = 8192  # rows that are searched among each other: 256 MB of cosines
_SPARE = 4  # neighbours that are kept for each that is wanted, since many are taken already
_FILE = "hard_negatives.npz"
_log = logging.getLogger(__name__)


class HardNegatives:
    """An order of the rows, found anew before each pass, in which similar rows follow each other.

    Args:
        model: The encoder that is trained.
        rows: The R rows.
        languages: Their C columns, the pivot first.
        present_RC: (R, C) which cells they have.
        prompt: Text that is put before every text.
        n: Rows that follow a row.
        seed: Seed of blocks and translations.
        bf16: Multiply matrices in bfloat16.
        bar: Where the sentences that are encoded for this are counted, or None.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        rows: Dataset,
        languages: Sequence[str],
        present_RC: NDArray[np.bool_],
        prompt: str,
        *,
        n: int,
        seed: int,
        bf16: bool = False,
        bar: Bar | None = None,
    ) -> None:
        self._model, self._rows, self._languages = model, rows, languages
        self._present_RC, self._prompt = present_RC, prompt
        self._n, self._seed, self._bf16, self._bar = n, seed, bf16, bar
        self._epoch = -1
        self._order_R = np.empty(0, dtype=np.int32)

    @property
    def n_encodings(self) -> int:
        """Sentences that are encoded before a pass."""
        return 2 * len(self._rows)

    def order(self, epoch: int, drawn_R: NDArray[np.int64]) -> list[int]:
        """Return the rows in the order of an epoch, which is found at the first call in it.

        Args:
            epoch: Number of the pass.
            drawn_R: (R,) the rows in the order in which they are drawn.

        Returns:
            The rows as they were drawn, each followed by its nearest hard negatives that are left.
        """
        if self._epoch != epoch:
            order_R = np.array(list(follow(drawn_R, self._find(epoch), self._n)), dtype=np.int32)
            self._order_R, self._epoch = ranks.broadcast(order_R, self._model.device), epoch
        return self._order_R.tolist()

    def save(self, folder: Path) -> None:
        """Write the order that was found last into a checkpoint."""
        np.savez(folder / _FILE, order_R=self._order_R, epoch=self._epoch)

    def load(self, folder: Path) -> None:
        """Read what a checkpoint holds, so that the rest of its epoch has the same batches."""
        with np.load(folder / _FILE) as saved:
            self._order_R, self._epoch = saved["order_R"], int(saved["epoch"])
        if self._bar is not None:
            self._bar.skip((self._epoch + 1) * self.n_encodings)

    def _find(self, epoch: int) -> NDArray[np.int32]:
        """Return (R, K) the hard negatives of each row, nearest first, -1 where there are fewer.

        On other ranks than 0 there are none.
        """
        n_rows = len(self._rows)
        draws = np.random.default_rng([self._seed, epoch, n_rows])
        # The pivot is no translation, nor is a cell that is missing.
        order_RC = draws.random(self._present_RC.shape, dtype=np.float32)
        order_RC[~self._present_RC] = -1
        order_RC[:, 0] = -1
        column_R = order_RC.argmax(axis=1)
        near_RK = np.full((n_rows, self._n * _SPARE), -1, dtype=np.int32)
        was_training = self._model.training
        try:
            for row_B in np.array_split(draws.permutation(n_rows), -(-n_rows // _BLOCK)):
                vectors = self._encode(row_B, column_R)
                if ranks.rank() == 0:
                    near_BK = similar_rows(vectors, near_RK.shape[1])
                    near_RK[row_B, : near_BK.shape[1]] = np.where(near_BK < 0, -1, row_B[near_BK])
        finally:
            self._model.train(was_training)
        n_found = (near_RK[:, : self._n] >= 0).sum(axis=1).mean()
        if ranks.rank() == 0 and n_found < self._n / 2:
            _log.warning(
                "epoch %d: only %.1f of %d hard negatives a row were found: the others are as near "
                "as translations are, so this encoder may do better without (--hard-negatives 0)",
                epoch + 1,
                n_found,
                self._n,
            )
        return near_RK

    def _encode(self, row_B: NDArray[np.int64], column_R: NDArray[np.int64]) -> torch.Tensor:
        """Return (2 B, D) the vectors of a block's pivots and then of its translations."""
        texts = self._rows[row_B]
        translations = (
            texts[self._languages[column]][place] for place, column in enumerate(column_R[row_B])
        )
        both = [*texts[self._languages[0]], *translations]
        shares = np.array_split(np.arange(len(both)), ranks.n_ranks())
        own = [both[place] for place in shares[ranks.rank()]]
        vectors = encode(
            self._model,
            own,
            task="BitextMining",
            prompt=self._prompt,
            bf16=self._bf16,
            advance=self._count,
        )
        # Equal texts are encoded once; and those of the other processes.
        self._count(len(both) - len(set(own)))
        on_device = torch.from_numpy(vectors).to(self._model.device)
        return ranks.gather_rows(on_device, list(map(len, shares)))

    def _count(self, n_encodings: int) -> None:
        if self._bar is not None:
            self._bar.advance(n_encodings)


def similar_rows(vectors: torch.Tensor, k: int) -> NDArray[np.int64]:
    """Return (B, K) the hard negatives of each row among B rows, nearest first, -1 for none.

    Args:
        vectors: (2 B, D) unit vectors of the pivots and then of a translation of each.
        k: At most so many of each row.
    """
    pivots_BD, translations_BD = vectors.chunk(2)
    cosine_BB = pivots_BD @ pivots_BD.T
    limit_B = MOST_ALIKE * (pivots_BD * translations_BD).sum(dim=1)
    cosine_BB[cosine_BB >= limit_B[:, None]] = -torch.inf
    cosine_BB.fill_diagonal_(-torch.inf)
    found = cosine_BB.topk(min(k, len(cosine_BB)), dim=1)
    return found.indices.masked_fill(found.values.isinf(), -1).cpu().numpy()


def follow(drawn_R: NDArray[np.int64], near_RK: NDArray[np.int32], n: int) -> Iterator[int]:
    """Yield the rows as they were drawn, each followed by the nearest that are left.

    Args:
        drawn_R: (R,) the rows in the order in which they are drawn.
        near_RK: (R, K) the rows near to each, nearest first, -1 where there are fewer.
        n: At most so many follow a row.
    """
    is_left_R = np.ones(len(near_RK), dtype=bool)
    for row in drawn_R.tolist():
        if is_left_R[row]:
            near_K = near_RK[row][near_RK[row] >= 0]
            chosen = [row, *near_K[is_left_R[near_K]][:n].tolist()]
            is_left_R[chosen] = False
            yield from chosen
