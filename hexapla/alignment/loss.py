"""The multi-way loss as a module for `SentenceTransformerTrainer`: tokens of a batch's cells -> the loss, of all ranks.

All present cells are encoded longest first, never pair by pair (`encoding.py`), gathered from every
process (`ranks.py`) and scored (`losses.py`). The module takes what the trainer's own collator
makes of a dataset with one text column per language, or what
`hexapla.alignment.batches.CellCollator` makes of rows with missing cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from hexapla.alignment import distributed as ranks
from hexapla.alignment.config import Negatives, Pairs, check_loss
from hexapla.alignment.functional import multiway_loss
from hexapla.alignment.gradient_cache import Cells, Passes, encode, longest_first
from hexapla.alignment.packing import Features, flatten


class NonFiniteError(ArithmeticError):
    """The loss is not a number; `rows` are the numbers of the batch's rows that caused it, all if none can be named."""

    def __init__(self, rows: list[int]) -> None:
        super().__init__(f"the loss is not finite; rows of the batch: {rows}")
        self.rows = rows


class MultiwayLoss(nn.Module):
    """Multi-way contrastive loss for any `SentenceTransformerTrainer`: every column an anchor for every other.

    Takes what the trainer's collator makes of a dataset with one text column per language, every
    cell present (`labels`, if given, is a (rows, columns) mask of those that are), or what
    `hexapla.alignment.batches.CellCollator` makes of rows with missing cells.

    Args:
        model: the encoder.
        temperature: divisor of cosines; the inverse of sentence-transformers' `scale`.
        margin: additive margin on the positive's cosine, 0 or more (LaBSE: 0.3).
        negatives: "target" or "all"; see `multiway_loss`.
        pairs: "all", or only those with the "pivot", which is the first column.
        chunk_tokens: most tokens whose activations are held at once; a step of more goes by
            gradient caching, with the same gradients and about 1.4 times the work. None holds those
            of the whole step.
        matryoshka: leading dimensions of the vectors that must do by themselves (Kusupati et al.
            2022); the loss is the mean over them. The full vector counts only if it is among them.
        preserve: weight of a term that keeps pivots near what the encoder made of them before, for
            batches that say what that was; see `moved`.

    >>> from hexapla.alignment.loss import MultiwayLoss  # doctest: +SKIP
    >>> trainer = SentenceTransformerTrainer(model, train_dataset=rows, loss=MultiwayLoss(model))  # doctest: +SKIP
    """

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = 0.05,
        margin: float = 0.0,
        negatives: Negatives = "target",
        pairs: Pairs = "all",
        *,
        chunk_tokens: int | None = None,
        matryoshka: Sequence[int] = (),
        preserve: float = 0.0,
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
        self.preserve = preserve
        tokenizer = getattr(model, "tokenizer", None)
        self.passes = Passes(
            chunk_tokens=chunk_tokens, pad_token_id=getattr(tokenizer, "pad_token_id", None) or 0
        )

    def forward(
        self, sentence_features: Iterable[Features], labels: Tensor | None = None
    ) -> Tensor:
        """Encode all cells and return the scalar loss.

        Raises:
            ValueError: features or labels of another kind.
            NonFiniteError: the loss is not a number.
        """
        columns = list(sentence_features)
        first = columns[0]
        cells, ids_N3 = (
            _ready_cells(first, labels) if "lengths" in first else sorted_cells(columns, labels)
        )
        vectors_ND = encode(self.model, cells, self.passes)
        loss = self.score(vectors_ND, ids_N3)
        if self.preserve and "reference" in first:
            loss = loss + self.preserve * self.moved(
                vectors_ND[first["pivots"]], first["reference"]
            )
        if ranks.any_rank(not bool(torch.isfinite(loss)), loss.device):
            bad_N = ~torch.isfinite(vectors_ND).all(dim=1)
            raise NonFiniteError(
                sorted({int(row) for row in ids_N3[bad_N if bad_N.any() else slice(None), 0]})
            )
        return loss

    def score(self, vectors_ND: Tensor, ids_N3: Tensor) -> Tensor:
        """Return the loss of vectors.

        Args:
            vectors_ND: (N, D) of this process, of any length.
            ids_N3: (N, 3) row, column and text id of each; rows are numbered from 0 on every
                process.

        Returns:
            A scalar whose mean over processes is the loss of all of them, as is the mean of its
            gradients.
        """
        sizes = ranks.sizes_of(len(vectors_ND), vectors_ND.device)
        n_rows = ranks.sizes_of(int(ids_N3[:, 0].max()) + 1, vectors_ND.device)
        shift = torch.tensor([sum(n_rows[: ranks.rank()]), 0, 0], device=ids_N3.device)
        rows_N, columns_N, texts_N = ranks.gather(ids_N3 + shift, sizes).unbind(dim=1)
        begin = sum(sizes[: ranks.rank()])
        own = slice(begin, begin + len(vectors_ND))
        with torch.autocast(vectors_ND.device.type, enabled=False):
            wide_ND = vectors_ND.float() if vectors_ND.dtype != torch.float64 else vectors_ND
            total = wide_ND.new_zeros(())
            for dim in self.matryoshka or (wide_ND.shape[1],):
                cells_ND = ranks.gather_cells(F.normalize(wide_ND[:, :dim], dim=1), sizes)
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

    def moved(self, vectors_PD: Tensor, reference_PD: Tensor) -> Tensor:
        """Return how far pivots have moved from a reference.

        Args:
            vectors_PD: (P, D) of this process, of any length.
            reference_PD: (P, D) of unit length.

        Returns:
            The mean of 1 - cosine, 0 to 2, which is half the squared distance of unit vectors;
            scaled as `score` is.
        """
        n_pivots = sum(ranks.sizes_of(len(vectors_PD), vectors_PD.device))
        with torch.autocast(vectors_PD.device.type, enabled=False):
            cosine_P = (F.normalize(vectors_PD.float(), dim=1) * reference_PD).sum(dim=1)
            return (1 - cosine_P).sum() / n_pivots * ranks.n_ranks()

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {
            "temperature": self.temperature,
            "margin": self.margin,
            "negatives": self.negatives,
            "pairs": self.pairs,
            "matryoshka": list(self.matryoshka),
            "preserve": self.preserve,
        }

    @property
    def citation(self) -> str:
        """Return the method's source for the model card."""
        return (
            "@misc{fazili2026multiway,\n"
            "    title={Enhancing Multilingual Embeddings via Multi-Way Parallel Text Alignment},\n"
            "    author={Fazili and Goswami},\n    year={2026},\n    eprint={2602.21543},\n    archivePrefix={arXiv}\n}"
        )


def text_ids(input_ids: Tensor, lengths: Sequence[int]) -> Tensor:
    """Hash the token ids of sentences laid end to end, (T,), to (N,) int64: equal texts have equal ids.

    Made of token ids, not of the text, so that it works under any collator; texts that differ only
    beyond the encoder's maximum length encode alike and get the same id.
    """
    sizes = torch.tensor(lengths, device=input_ids.device)
    ends = sizes.cumsum(0)
    place = torch.arange(len(input_ids), device=input_ids.device) - (
        ends - sizes
    ).repeat_interleave(sizes)
    mixed = (input_ids.long() + 0x2545F491) * 0x2127599BF4325C37 ^ (
        (place + 1) * 0x5851F42D4C957F2D
    )
    mixed = (
        mixed ^ (mixed >> 29)
    ) * 0x369DEA0F31A53F85  # int64 products wrap, which is what a hash wants
    mixed = mixed ^ (mixed >> 32)
    owner = torch.arange(len(sizes), device=input_ids.device).repeat_interleave(sizes)
    return torch.zeros(len(sizes), dtype=torch.long, device=input_ids.device).index_add_(
        0, owner, mixed
    )


def _ready_cells(features: Features, labels: Tensor | None) -> tuple[Cells, Tensor]:
    """Return what `CellCollator` made: cells that are sorted already, and their ids."""
    if labels is None or labels.shape != (len(features["lengths"]), 3):
        raise ValueError(
            f"labels of shape {None if labels is None else tuple(labels.shape)}; cells need (N, 3)"
        )
    encoded = {
        key: value
        for key, value in features.items()
        if key not in ("lengths", "rows", "pivots", "reference")
    }
    tokens = {key: value for key, value in encoded.items() if isinstance(value, Tensor)}
    constants = {key: value for key, value in encoded.items() if key not in tokens}
    return Cells(tokens=tokens, lengths=features["lengths"], constants=constants), labels


def sorted_cells(columns: list[Features], labels: Tensor | None) -> tuple[Cells, Tensor]:
    """Return the N present cells of padded columns, longest first, and (N, 3): row, column, text id.

    Raises:
        ValueError: one column, features without a mask, or labels that are no mask of the cells.
    """
    if any("attention_mask" not in column for column in columns):
        raise ValueError(
            "features without attention_mask; with FlashAttention set model[0].unpad_inputs = False, "
            "and a static embedding has no tokens to batch by"
        )
    n_rows, n_columns = len(columns[0]["input_ids"]), len(columns)
    if n_columns == 1:
        raise ValueError(f"one column of {n_rows} texts; a translation needs another")
    if labels is not None and labels.shape != (n_rows, n_columns):
        raise ValueError(
            f"labels of shape {tuple(labels.shape)}; a mask must be ({n_rows}, {n_columns})"
        )
    parts = [flatten(column) for column in columns]
    lengths = [length for _, found in parts for length in found]
    flat = {key: torch.cat([tokens[key] for tokens, _ in parts]) for key in parts[0][0]}
    present = [True] * len(lengths) if labels is None else labels.T.flatten().bool().tolist()
    order = [cell for cell in longest_first(lengths) if present[cell]]
    device = flat["input_ids"].device
    sizes = torch.tensor(lengths, device=device)
    starts = (sizes.cumsum(0) - sizes)[order].repeat_interleave(sizes[order])
    own_starts = (sizes[order].cumsum(0) - sizes[order]).repeat_interleave(sizes[order])
    taken = starts + torch.arange(len(starts), device=device) - own_starts
    tokens = {key: value[taken] for key, value in flat.items()}
    lengths = [lengths[cell] for cell in order]
    place_N2 = torch.tensor([(cell % n_rows, cell // n_rows) for cell in order], device=device)
    ids_N3 = torch.cat([place_N2, text_ids(tokens["input_ids"], lengths)[:, None]], dim=1)
    constants = {
        key: value for key, value in columns[0].items() if key not in (*flat, "attention_mask")
    }
    return Cells(tokens=tokens, lengths=lengths, constants=constants), ids_N3
