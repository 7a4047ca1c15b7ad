"""The multi-way contrastive loss: vectors of many rows in many languages -> one number.

The input is the vectors of a batch's cells, with the row and column of each. How the vectors are
made is in `gradient_cache.py`; this file is arithmetic alone. n encodings of a row serve its n(n-1)
terms. The similarity matrix is computed in blocks of anchors, loss and gradient together, so memory
grows with the number of cells and not with its square.

The one decision worth knowing: cells of the same row are never negatives, and rows that share a
text count as the same row. Both are decided by ids (row numbers, hashes of token ids), never by
similarity, because dropout makes two encodings of one text differ.

Shape suffixes: N cells, R rows, C columns, D dimensions, A anchors (a block of N), K sets of
negatives (C or 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hexapla.alignment.config import TEMPERATURE, Negatives, Pairs

# Entries of the similarity matrix that are held at once: 64 MiB, and a few times that for what is
# computed from them.
FLOATS_PER_BLOCK = 2**24
# Not -inf: a logsumexp over nothing but -inf has NaN gradients.
_MASKED = -1e30


def same_rows(rows_N: Tensor, texts_N: Tensor, n_rows: int) -> Tensor:
    """Mark the pairs of rows that count as one row: those that share a text in any column.

    Args:
        rows_N: (N,) row number of each cell, 0 to `n_rows` - 1.
        texts_N: (N,) id of each cell's text; equal ids mean equal texts.
        n_rows: Number of rows in the batch.

    Returns:
        (R, R) boolean, symmetric, true on the diagonal. Sharing is not transitive: if a shares a
        text with b, and b another with c, then a and c still are two rows.

    >>> same_rows(torch.tensor([0, 0, 1, 1, 2]), torch.tensor([7, 8, 9, 8, 5]), 3).int().tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    same_RR = torch.eye(n_rows, dtype=torch.bool, device=rows_N.device)
    order_N = torch.argsort(texts_N, stable=True)
    sorted_texts_N, sorted_rows_N = texts_N[order_N], rows_N[order_N]
    for gap in range(1, len(texts_N)):
        equal = sorted_texts_N[gap:] == sorted_texts_N[:-gap]
        if not equal.any():
            break  # no text occurs gap + 1 times, so none occurs more often either
        left, right = sorted_rows_N[:-gap][equal], sorted_rows_N[gap:][equal]
        same_RR[left, right] = same_RR[right, left] = True
    return same_RR


def multiway_loss(
    cells_ND: Tensor,
    rows_N: Tensor,
    columns_N: Tensor,
    texts_N: Tensor,
    *,
    temperature: float = TEMPERATURE,
    margin: float = 0.0,
    negatives: Negatives = "target",
    pairs: Pairs = "all",
    own: slice = slice(None),
) -> Tensor:
    """Compute the multi-way contrastive loss of a batch of cells.

    For an ordered pair of columns (a, b) and a row i that has both cells, with temperature t, the
    term is `-log(exp(E_ia·E_ib/t) / (exp(E_ia·E_ib/t) + sum over negatives n of exp(E_ia·n/t)))`.
    This is InfoNCE (van den Oord et al. 2018) with every column as anchor. Terms are averaged per
    anchor column first, then over columns, so that a column with many missing cells counts as much
    as a full one.

    Args:
        cells_ND: (N, D) unit vectors in any order, float32 or wider.
        rows_N: (N,) row number of each cell, from 0.
        columns_N: (N,) column number of each cell, from 0; the pivot is column 0. No two cells
            share row and column.
        texts_N: (N,) id of each cell's text; rows that share one count as the same row.
        temperature: Divisor of cosines, above 0.
        margin: Additive cosine margin on the positive (LaBSE, Yang et al. 2019), 0 or more.
        negatives: "target": cells of column b in other rows. "all": cells of every column in other
            rows, the anchor's column included, which penalises clustering by language.
        pairs: "all" ordered pairs of columns, or only those with the "pivot".
        own: The cells whose terms are summed; by default all. The weights are those of the whole
            batch, so the losses of ranks that each own a part add up to the loss of the batch.

    Returns:
        A scalar, 0 or more, lower is better; 0 (with gradients of 0) if no row has two cells. It
        can be differentiated once.

    With two rows and two columns, each cell orthogonal to those of the other row, every term is
    log(1 + e^-1):

    >>> cells = torch.eye(2)[[0, 0, 1, 1]]
    >>> rows, columns, texts = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 3]])
    >>> round(multiway_loss(cells, rows, columns, texts, temperature=1.0).item(), 4)
    0.3133
    """
    n_rows, n_columns = int(rows_N.max()) + 1, int(columns_N.max()) + 1
    # Candidates are sorted by column, so that each column is a range.
    order_N = torch.argsort(columns_N, stable=True)
    sizes = torch.bincount(columns_N, minlength=n_columns).tolist()
    cell_RC = torch.full((n_rows, n_columns), -1, dtype=torch.long, device=rows_N.device)
    cell_RC[rows_N[order_N], columns_N[order_N]] = torch.arange(len(rows_N), device=rows_N.device)
    same_RR = same_rows(rows_N, texts_N, n_rows)

    term_NC = (cell_RC[rows_N] >= 0) & (
        torch.arange(n_columns, device=rows_N.device) != columns_N[:, None]
    )
    if pairs == "pivot":
        term_NC[:, 1:] &= (columns_N == 0)[:, None]
    n_terms_C = torch.zeros(n_columns, dtype=cells_ND.dtype, device=cells_ND.device)
    n_terms_C.index_add_(0, columns_N, term_NC.sum(dim=1).to(cells_ND.dtype))
    weight_N = (1 / n_terms_C.clamp(min=1) / (n_terms_C > 0).sum().clamp(min=1))[columns_N]

    def part(cells_ND: Tensor, anchors: slice) -> Tensor:
        logits_AN = cells_ND[anchors] @ cells_ND[order_N].T / temperature
        masked_AN = logits_AN.masked_fill(same_RR[rows_N[anchors]][:, rows_N[order_N]], _MASKED)
        if negatives == "all":
            negative_AK = masked_AN.logsumexp(dim=1, keepdim=True)
        else:
            negative_AK = torch.stack(
                [_logsumexp(column_AN) for column_AN in torch.split(masked_AN, sizes, dim=1)], dim=1
            )
        positive_AC = (
            logits_AN.gather(1, cell_RC[rows_N[anchors]].clamp(min=0)) - margin / temperature
        )
        terms_AC = F.softplus(negative_AK - positive_AC).masked_fill(~term_NC[anchors], 0.0)
        return (terms_AC.sum(dim=1) * weight_N[anchors]).sum()

    return _in_blocks(cells_ND, part, own)


def _logsumexp(logits_AN: Tensor) -> Tensor:
    """Reduce (A, N) to (A,); a column without cells has no negatives."""
    if not logits_AN.shape[1]:
        return logits_AN.new_full((len(logits_AN),), _MASKED)
    return logits_AN.logsumexp(dim=1)


Part = Callable[[Tensor, slice], Tensor]


class _Blocks(torch.autograd.Function):
    """A sum over blocks of anchors; the gradient is computed with it, block by block."""

    @staticmethod
    def forward(ctx: Any, cells_ND: Tensor, part: Part, blocks: list[slice]) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        total = cells_ND.new_zeros(())
        with torch.set_grad_enabled(wanted):
            leaf_ND = cells_ND.detach().requires_grad_(wanted)
            for block in blocks:
                value = part(leaf_ND, block)
                if wanted:
                    value.backward()  # type: ignore[no-untyped-call]
                total += value.detach()
        if wanted and leaf_ND.grad is None:  # no blocks: this rank owns no cell
            leaf_ND.grad = torch.zeros_like(leaf_ND)
        ctx.save_for_backward(leaf_ND.grad if wanted else None)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (gradient_ND,) = ctx.saved_tensors
        return gradient * gradient_ND, None, None


def _in_blocks(cells_ND: Tensor, part: Part, own: slice) -> Tensor:
    """Sum `part` over blocks of the anchors in `own`, in the memory of a single block."""
    begin, end, _ = own.indices(len(cells_ND))
    size = max(1, FLOATS_PER_BLOCK // len(cells_ND))
    blocks = [slice(start, min(start + size, end)) for start in range(begin, end, size)]
    return _Blocks.apply(cells_ND, part, blocks)  # type: ignore[no-any-return, no-untyped-call]
