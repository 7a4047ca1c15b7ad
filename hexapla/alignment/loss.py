"""The multi-way loss as a module for `SentenceTransformerTrainer`.

All present cells are encoded longest first, never pair by pair (`gradient_cache.py`), gathered from
every rank (`distributed.py`) and scored (`functional.py`). The module accepts what the trainer's
own collator makes of a dataset with one text column per language, in which a missing cell is an
empty text, and what `hexapla.alignment.batches.CellCollator` makes; `CellBatch` knows both.

Shape suffixes: N cells, P cells with a reference, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from hexapla.alignment import distributed as ranks
from hexapla.alignment.cell_batch import CellBatch
from hexapla.alignment.config import TEMPERATURE, Negatives, Pairs, TeacherLoss, check_loss
from hexapla.alignment.functional import multiway_loss
from hexapla.alignment.gradient_cache import Passes, encode_cells
from hexapla.alignment.missing_cells import BlankCells
from hexapla.encoder.packing import Packing
from hexapla.encoder.token_layout import Features


class NonFiniteError(ArithmeticError):
    """The loss is not finite.

    `rows` are the rows of the batch whose vectors caused it, or all of them if no vector is at
    fault.
    """

    def __init__(self, rows: list[int]) -> None:
        super().__init__(f"the loss is not finite; rows of the batch: {rows}")
        self.rows = rows


class MultiwayLoss(nn.Module):
    """Multi-way contrastive loss: every column is an anchor for every other.

    Works in any `SentenceTransformerTrainer` whose dataset has one text column per language, the
    pivot first. A cell that is empty or white space is missing: it is neither anchor, positive nor
    negative. Pass rows with `None` through `missing_as_empty`, because the library's own code
    cannot read them. A row without a pair takes no part, which under `pairs="pivot"` is also a row
    without its pivot. A batch without a pair has a loss of 0 and gradients of 0. `labels`, if
    given, is a (rows, columns) mask of the cells that are present; empty ones are missing anyway.

    Args:
        model: The encoder.
        temperature: Divisor of cosines; the inverse of sentence-transformers' `scale`.
        margin: Additive cosine margin on the positive, 0 or more (LaBSE: 0.3).
        negatives: "target" or "all"; see `multiway_loss`.
        pairs: "all", or only pairs with the "pivot", which is the first column.
        chunk_tokens: Maximum number of tokens whose activations are held at once. A larger step
            uses gradient caching, with the same gradients and about 1.4 times the work. None holds
            the activations of the whole step.
        matryoshka: Matryoshka dimensions (Kusupati et al. 2022): leading parts of the vectors whose
            losses are averaged. The full vector counts only if its dimension is among them.
        contrastive_weight: Weight of the contrastive term; 0 leaves it out.
        reference_weight: Weight of the term that draws cells to a reference, for batches that have
            one; see `drift`.
        reference_loss: "cosine" or "mse"; see `drift`.
        packing: The entered `Packing` of the encoder, to encode sentences without padding where it
            can. None pads.

    >>> from hexapla import MultiwayLoss, missing_as_empty  # doctest: +SKIP
    >>> loss = MultiwayLoss(model)  # doctest: +SKIP
    >>> rows = missing_as_empty(rows)  # doctest: +SKIP
    >>> SentenceTransformerTrainer(model, train_dataset=rows, loss=loss).train()  # doctest: +SKIP
    """

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = TEMPERATURE,
        margin: float = 0.0,
        negatives: Negatives = "target",
        pairs: Pairs = "all",
        *,
        chunk_tokens: int | None = None,
        matryoshka: Sequence[int] = (),
        contrastive_weight: float = 1.0,
        reference_weight: float = 0.0,
        reference_loss: TeacherLoss = "cosine",
        packing: Packing | None = None,
    ) -> None:
        super().__init__()
        check_loss(temperature, margin, negatives, pairs)
        if chunk_tokens is not None and chunk_tokens < 1:
            raise ValueError(f"chunk_tokens is {chunk_tokens}; it must be 1 or more")
        self.model: Any = model  # a trainer may wrap it
        self.temperature = temperature
        self.margin = margin
        self.negatives: Negatives = negatives
        self.pairs: Pairs = pairs
        self.matryoshka = tuple(matryoshka)
        self.contrastive_weight = contrastive_weight
        self.reference_weight = reference_weight
        self.reference_loss: TeacherLoss = reference_loss
        tokenizer = getattr(model, "tokenizer", None)
        self.blank_cells = BlankCells(tokenizer)
        self.passes = Passes(
            packs=packing is not None and packing.packs,
            offset=0 if packing is None else packing.offset,
            pad_token_id=getattr(tokenizer, "pad_token_id", None) or 0,
            chunk_tokens=chunk_tokens,
        )

    def forward(
        self, sentence_features: Iterable[Features], labels: Tensor | None = None
    ) -> Tensor:
        """Encode all cells and return the scalar loss.

        Raises:
            ValueError: The features or labels are not of the two kinds that `CellBatch` reads.
            NonFiniteError: The loss is not finite.
        """
        batch = CellBatch.from_features(
            list(sentence_features), labels, self.blank_cells, self.pairs
        )
        vectors_ND = encode_cells(self.model, batch, self.passes)
        loss = self._contrast(vectors_ND, batch.ids_N3)
        if self.reference_weight and batch.reference_PD is not None:
            drift = self.drift(vectors_ND[batch.referenced_P], batch.reference_PD)
            loss = loss + self.reference_weight * drift
        if ranks.any_rank(not bool(torch.isfinite(loss)), loss.device):
            bad_N = ~torch.isfinite(vectors_ND).all(dim=1)
            at_fault = batch.ids_N3[bad_N if bad_N.any() else slice(None), 0]
            raise NonFiniteError(sorted(set(at_fault.tolist())))
        return loss

    def _contrast(self, vectors_ND: Tensor, ids_N3: Tensor) -> Tensor:
        """Return the contrastive loss of the cells that have a pair, times its weight."""
        if not self.contrastive_weight:
            return 0.0 * vectors_ND.sum()
        has_pairs_N = ids_N3[:, 0] >= 0
        loss = self.score(vectors_ND[has_pairs_N], ids_N3[has_pairs_N])
        if not has_pairs_N.all():  # one cell, encoded because others wait for this rank's gradients
            loss = loss + 0.0 * vectors_ND.sum()
        return self.contrastive_weight * loss

    def score(self, vectors_ND: Tensor, ids_N3: Tensor) -> Tensor:
        """Return the contrastive loss of vectors.

        Args:
            vectors_ND: (N, D) vectors of this rank's cells, of any norm; there may be none.
            ids_N3: (N, 3) row, column and text id of each; rows are numbered from 0 on every rank.

        Returns:
            A scalar. Its mean over ranks is the loss of the whole batch, and the mean of its
            gradients is the gradient of that loss.
        """
        sizes = ranks.gather_int(len(vectors_ND), vectors_ND.device)
        last_row = int(ids_N3[:, 0].max()) if len(ids_N3) else -1
        n_rows = ranks.gather_int(last_row + 1, vectors_ND.device)
        shift = torch.tensor([sum(n_rows[: ranks.rank()]), 0, 0], device=ids_N3.device)
        rows_N, columns_N, texts_N = ranks.gather_rows(ids_N3 + shift, sizes).unbind(dim=1)
        begin = sum(sizes[: ranks.rank()])
        own = slice(begin, begin + len(vectors_ND))
        if not sum(sizes):
            return vectors_ND.float().sum()
        with torch.autocast(vectors_ND.device.type, enabled=False):
            wide_ND = vectors_ND.float() if vectors_ND.dtype != torch.float64 else vectors_ND
            total = wide_ND.new_zeros(())
            for dim in self.matryoshka or (wide_ND.shape[1],):
                cells_ND = ranks.gather_vectors(F.normalize(wide_ND[:, :dim], dim=1), sizes)
                total = total + multiway_loss(
                    cells_ND,
                    rows_N,
                    columns_N,
                    texts_N,
                    own=own,
                    temperature=self.temperature,
                    margin=self.margin,
                    negatives=self.negatives,
                    pairs=self.pairs,
                )
            return total * len(sizes) / max(1, len(self.matryoshka))

    def drift(self, vectors_PD: Tensor, reference_PD: Tensor) -> Tensor:
        """Return how far cells are from their references.

        Args:
            vectors_PD: (P, D) vectors of this rank's cells that have a reference.
            reference_PD: (P, D) the references; for "cosine" unit vectors.

        Returns:
            The mean over cells, lower is nearer, scaled over ranks as `score` is. For "cosine", of
            1 - cosine, 0 to 2, whatever the vectors' norms: half the squared distance of unit
            vectors. For "mse", of the mean squared difference of the D components, which for unit
            vectors is 1 - cosine times 2 / D.
        """
        n_cells = sum(ranks.gather_int(len(vectors_PD), vectors_PD.device))
        with torch.autocast(vectors_PD.device.type, enabled=False):
            wide_PD = vectors_PD.float()
            if self.reference_loss == "mse":
                far_P = (wide_PD - reference_PD).square().mean(dim=1)
            else:
                far_P = 1 - (F.normalize(wide_PD, dim=1) * reference_PD).sum(dim=1)
            return far_P.sum() / n_cells * ranks.n_ranks()

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {
            "temperature": self.temperature,
            "margin": self.margin,
            "negatives": self.negatives,
            "pairs": self.pairs,
            "matryoshka": list(self.matryoshka),
            "contrastive_weight": self.contrastive_weight,
            "reference_weight": self.reference_weight,
            "reference_loss": self.reference_loss,
        }

    @property
    def citation(self) -> str:
        """The BibTeX entry of the method, for the model card."""
        title = "Enhancing Multilingual Embeddings via Multi-Way Parallel Text Alignment"
        return (
            "@misc{fazili2026multiway,\n"
            f"    title={{{title}}},\n"
            "    author={Fazili and Goswami},\n"
            "    year={2026},\n"
            "    eprint={2602.21543},\n"
            "    archivePrefix={arXiv}\n"
            "}"
        )
