"""The multi-way contrastive loss, plain and cached: cells of many rows in many languages -> one number.

In: the token features of a batch's cells, and which row and column each cell is of. All present cells are encoded in
one pass, sorted by length and cut into chunks of little padding, never pair by pair: n encodings of a row serve its
n(n-1) terms. The arithmetic (`multiway_loss`) is a function of embeddings alone.

The one decision worth knowing: cells of the same row are never negatives, and rows that share a text count as the same
row. Both are known from ids (row numbers, hashes of token ids), never from similarity: dropout makes two encodings of
one text differ.

Shape suffixes: N cells, R rows, C columns, D dimensions, A anchors (a slice of N), K sets of negatives (C or 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses import CachedLossMixin
from torch import Tensor, nn

Negatives = Literal["target", "all"]
Pairs = Literal["all", "pivot"]
Features = dict[str, Any]

MAX_PADDING = 0.1  # share of a chunk's token slots that may be padding
ANCHORS_A_SLICE = 2048  # rows of the similarity matrix alive at once: 2048 x 14336 floats are 117 MB
_MASKED = -1e30  # not -inf: a logsumexp over nothing but -inf has NaN gradients


def same_rows(rows_N: Tensor, texts_N: Tensor, n_rows: int) -> Tensor:
    """Mark the rows that count as one: a row and itself, and two rows that share a text in any column.

    Args:
        rows_N: (N,) row number of each cell, 0 to `n_rows` - 1.
        texts_N: (N,) id of each cell's text; equal ids mean equal texts.
        n_rows: rows in the batch.

    Returns:
        (n_rows, n_rows) boolean, symmetric, true on the diagonal. Sharing is not followed further: that a shares a
        text with b, and b with c, does not make a and c one row.

    >>> same_rows(torch.tensor([0, 0, 1, 1, 2]), torch.tensor([7, 8, 9, 8, 5]), 3).int().tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    same_RR = torch.eye(n_rows, dtype=torch.bool, device=rows_N.device)
    order_N = torch.argsort(texts_N, stable=True)
    sorted_texts_N, sorted_rows_N = texts_N[order_N], rows_N[order_N]
    for gap in range(1, len(texts_N)):
        equal = sorted_texts_N[gap:] == sorted_texts_N[:-gap]
        if not equal.any():
            break  # no text occurs gap + 1 times, so none occurs more often
        left, right = sorted_rows_N[:-gap][equal], sorted_rows_N[gap:][equal]
        same_RR[left, right] = same_RR[right, left] = True
    return same_RR


def multiway_loss(
    cells_ND: Tensor,
    rows_N: Tensor,
    columns_N: Tensor,
    texts_N: Tensor,
    *,
    temperature: float = 0.05,
    margin: float = 0.0,
    negatives: Negatives = "target",
    pairs: Pairs = "all",
    with_backward: bool = False,
) -> Tensor:
    """Compute the multi-way contrastive loss of a batch of cells.

    For an ordered pair of columns (a, b) and a row i that has both cells, the term is
    `-log(exp(E_ia·E_ib/t) / (exp(E_ia·E_ib/t) + sum over negatives n of exp(E_ia·n/t)))`: InfoNCE (van den Oord et al.
    2018) with every column as anchor. Terms are averaged per anchor column first, then over columns, so that a column
    with many missing cells counts as much as a full one.

    Args:
        cells_ND: (N, D) embeddings of unit length, in any order, float32 or wider.
        rows_N: (N,) row number of each cell, from 0.
        columns_N: (N,) column number of each cell, from 0; the pivot is column 0. No two cells share row and column.
        texts_N: (N,) id of each cell's text; rows that share one count as the same row.
        temperature: divisor of cosines, above 0.
        margin: cosine that is taken off the positive's (LaBSE's additive margin, Yang et al. 2019), 0 or more.
        negatives: "target" takes other rows' cells of column b; "all" takes other rows' cells of every column, the
            anchor's own included, which punishes clustering by language.
        pairs: "all" ordered pairs of columns, or only those with the "pivot".
        with_backward: back-propagate slice by slice and return the detached sum: memory for one slice of the
            similarity matrix instead of all of it.

    Returns:
        A scalar, 0 or more, lower is better; 0 (with gradients of 0) if no row has two cells.

    Two rows, two columns, each cell orthogonal to the other row's: every term is log(1 + e^-1).

    >>> cells = torch.eye(2)[[0, 0, 1, 1]]
    >>> rows, columns, texts = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 3]])
    >>> round(multiway_loss(cells, rows, columns, texts, temperature=1.0).item(), 4)
    0.3133
    """
    given_ND = cells_ND
    if with_backward:  # a leaf: the graph above it is gone through once, at the end, not once per slice
        cells_ND = cells_ND.detach().requires_grad_()
    n_rows, n_columns = int(rows_N.max()) + 1, int(columns_N.max()) + 1
    cell_RC = torch.full((n_rows, n_columns), -1, dtype=torch.long, device=rows_N.device)
    cell_RC[rows_N, columns_N] = torch.arange(len(rows_N), device=rows_N.device)
    same_RR = same_rows(rows_N, texts_N, n_rows)

    term_NC = (cell_RC[rows_N] >= 0) & (torch.arange(n_columns, device=rows_N.device) != columns_N[:, None])
    if pairs == "pivot":
        term_NC[:, 1:] &= (columns_N == 0)[:, None]
    n_terms_C = torch.zeros(n_columns, dtype=cells_ND.dtype, device=cells_ND.device)
    n_terms_C.index_add_(0, columns_N, term_NC.sum(dim=1).to(cells_ND.dtype))
    weight_N = (1 / n_terms_C.clamp(min=1) / (n_terms_C > 0).sum().clamp(min=1))[columns_N]

    total: Tensor = cells_ND.new_zeros(())
    step = ANCHORS_A_SLICE if with_backward else len(cells_ND)
    for start in range(0, len(cells_ND), step):
        anchors = slice(start, start + step)
        logits_AN = cells_ND[anchors] @ cells_ND.T / temperature
        masked_AN = logits_AN.masked_fill(same_RR[rows_N[anchors]][:, rows_N], _MASKED)
        if negatives == "all":
            negative_AK = masked_AN.logsumexp(dim=1, keepdim=True)
        else:
            negative_AK = torch.stack([_logsumexp(masked_AN[:, columns_N == c]) for c in range(n_columns)], dim=1)
        positive_AC = logits_AN.gather(1, cell_RC[rows_N[anchors]].clamp(min=0)) - margin / temperature
        terms_AC = F.softplus(negative_AK - positive_AC).masked_fill(~term_NC[anchors], 0.0)
        part = (terms_AC.sum(dim=1) * weight_N[anchors]).sum()
        if with_backward:
            part.backward()  # type: ignore[no-untyped-call]
            part = part.detach()
        total = total + part
    if with_backward:
        given_ND.backward(cells_ND.grad)  # type: ignore[no-untyped-call]
    return total


def _logsumexp(logits_AN: Tensor) -> Tensor:
    """Reduce (A, N) to (A,); a column without cells has no negatives."""
    return logits_AN.logsumexp(dim=1) if logits_AN.shape[1] else logits_AN.new_full((len(logits_AN),), _MASKED)


def text_ids(features: Features) -> Tensor:
    """Hash each cell's token ids to (N,) int64, so that equal texts have equal ids and padding does not matter.

    Made of token ids, not of the text, so that it works under any collator; texts that differ only beyond the
    encoder's maximum length encode alike and get the same id.
    """
    ids = features["input_ids"].long()
    mask = features["attention_mask"].bool()
    position = (mask.long().cumsum(dim=1) * 0x5851F42D4C957F2D).masked_fill(~mask, 0)
    mixed = (ids + 0x2545F491) * 0x2127599BF4325C37 ^ position
    mixed = (mixed ^ (mixed >> 29)) * 0x369DEA0F31A53F85  # int64 products wrap, which is what a hash wants
    hashed: Tensor = ((mixed ^ (mixed >> 32)) * mask).sum(dim=1)
    return hashed


def merge_columns(columns: list[Features], pad_token_id: int) -> Features:
    """Concatenate the features of equally many cells per column into one, padded on the right to a common width.

    Args:
        columns: token features; each tensor (R, width of the column).
        pad_token_id: what to pad `input_ids` with; everything else is padded with 0.

    Returns:
        Features of R times n columns cells, column after column.
    """
    if len(columns) == 1:
        return columns[0]
    merged: Features = {}
    width = max(column["input_ids"].shape[1] for column in columns)
    for key, first in columns[0].items():
        if isinstance(first, Tensor):
            fill = pad_token_id if key == "input_ids" else 0
            merged[key] = torch.cat([F.pad(column[key], (0, width - column[key].shape[1]), value=fill)
                                     for column in columns])  # fmt: skip
        else:
            merged[key] = first
    return merged


def length_chunks(lengths: list[int], max_padding: float = MAX_PADDING) -> Iterator[tuple[int, int]]:
    """Cut sorted lengths into (begin, end) ranges, each padded by at most `max_padding` of its token slots.

    >>> list(length_chunks([10, 10, 9, 5, 5, 1]))
    [(0, 3), (3, 5), (5, 6)]
    """
    begin = tokens = 0
    for end, length in enumerate(lengths):
        widest = max(lengths[begin], length)
        if tokens + length < (1 - max_padding) * widest * (end + 1 - begin):
            yield begin, end
            begin, tokens = end, 0
        tokens += length
    yield begin, len(lengths)


class MultiwayLoss(nn.Module):
    """Multi-way contrastive loss for any `SentenceTransformerTrainer`: every column an anchor for every other.

    Takes what the trainer's collator makes of a dataset with one text column per language, every cell present
    (`labels`, if given, is a (rows, columns) mask of those that are), or what `hexapla.batches.MultiwayCollator` makes
    of rows with missing cells: one column of cells and labels of (N, 2), the row and the column of each.

    Args:
        model: the encoder.
        temperature: divisor of cosines; the inverse of sentence-transformers' `scale`.
        margin: additive margin on the positive's cosine, 0 or more (LaBSE: 0.3).
        negatives: "target" or "all"; see `multiway_loss`.
        pairs: "all", or only those with the "pivot", which is the first column.

    >>> from hexapla.losses import MultiwayLoss  # doctest: +SKIP
    >>> trainer = SentenceTransformerTrainer(model, train_dataset=rows, loss=MultiwayLoss(model))  # doctest: +SKIP
    """

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = 0.05,
        margin: float = 0.0,
        negatives: Negatives = "target",
        pairs: Pairs = "all",
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}; it must be above 0")
        if margin < 0:
            raise ValueError(f"margin is {margin}; it must be 0 or more")
        if negatives not in ("target", "all"):
            raise ValueError(f'negatives is "{negatives}"; it must be "target" or "all"')
        if pairs not in ("all", "pivot"):
            raise ValueError(f'pairs is "{pairs}"; it must be "all" or "pivot"')
        self.model: Any = model  # a trainer may wrap it
        self.temperature = temperature
        self.margin = margin
        self.negatives: Negatives = negatives
        self.pairs: Pairs = pairs

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """Encode all cells in one length-sorted pass and return the scalar loss."""
        features, ids_N3 = self._sorted_cells(list(sentence_features), labels)
        lengths = features["attention_mask"].sum(dim=1).tolist()
        chunks = [
            self.model(_trim(features, begin, end))["sentence_embedding"] for begin, end in length_chunks(lengths)
        ]
        return self._loss(torch.cat(chunks), ids_N3)

    def _sorted_cells(self, columns: list[Features], labels: Tensor | None) -> tuple[Features, Tensor]:
        """Return the features of the N present cells, longest first, and (N, 3): row, column, text id."""
        if any("attention_mask" not in column for column in columns):
            raise ValueError("features without attention_mask; with FlashAttention set model[0].unpad_inputs = False, "
                             "and a static embedding has no tokens to batch by")  # fmt: skip
        tokenizer = getattr(self._encoder(), "tokenizer", None)
        features = merge_columns(columns, getattr(tokenizer, "pad_token_id", None) or 0)
        texts_N = text_ids(features)
        n_rows, n_columns = len(texts_N) // len(columns), len(columns)
        if n_columns == 1:
            if labels is None or labels.shape != (n_rows, 2):
                got = "none" if labels is None else tuple(labels.shape)
                raise ValueError(
                    f"labels of shape {got}; one column of {n_rows} cells needs ({n_rows}, 2): row, column"
                )
            place_N2, present_N = labels.to(texts_N.device), torch.ones_like(texts_N, dtype=torch.bool)
        else:
            rows, numbers = torch.meshgrid(torch.arange(n_rows), torch.arange(n_columns), indexing="ij")
            place_N2 = torch.stack([rows.T.flatten(), numbers.T.flatten()], dim=1).to(texts_N.device)
            if labels is not None and labels.shape != (n_rows, n_columns):
                raise ValueError(f"labels of shape {tuple(labels.shape)}; a mask must be ({n_rows}, {n_columns})")
            present_N = torch.ones_like(texts_N, dtype=torch.bool) if labels is None else labels.T.flatten().bool()
        kept_N = present_N.to(texts_N.device).nonzero().flatten()
        lengths_N = features["attention_mask"][kept_N].sum(dim=1)
        order_N = kept_N[torch.argsort(lengths_N, descending=True, stable=True)]
        ids_N3 = torch.cat([place_N2, texts_N[:, None]], dim=1)[order_N]
        return {key: v[order_N] if isinstance(v, Tensor) else v for key, v in features.items()}, ids_N3

    def _encoder(self) -> Any:
        """Return the encoder beneath whatever a trainer wrapped it in (DDP, torch.compile)."""
        inner: Any = getattr(self.model, "module", self.model)
        return getattr(inner, "_orig_mod", inner)

    def _loss(self, embeddings_ND: Tensor, ids_N3: Tensor, with_backward: bool = False) -> Tensor:
        rows_N, columns_N, texts_N = ids_N3.unbind(dim=1)
        with torch.autocast(embeddings_ND.device.type, enabled=False):
            wide = embeddings_ND.float() if embeddings_ND.dtype != torch.float64 else embeddings_ND
            return multiway_loss(
                F.normalize(wide, dim=1), rows_N, columns_N, texts_N,
                temperature=self.temperature, margin=self.margin, negatives=self.negatives, pairs=self.pairs,
                with_backward=with_backward,
            )  # fmt: skip

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {
            "temperature": self.temperature, "margin": self.margin, "negatives": self.negatives, "pairs": self.pairs,
        }  # fmt: skip

    @property
    def citation(self) -> str:
        """Return the method's source for the model card."""
        return (
            "@misc{fazili2026multiway,\n"
            "    title={Enhancing Multilingual Embeddings via Multi-Way Parallel Text Alignment},\n"
            "    author={Fazili and Goswami},\n    year={2026},\n    eprint={2602.21543},\n    archivePrefix={arXiv}\n}"
        )


class CachedMultiwayLoss(CachedLossMixin, MultiwayLoss):  # type: ignore[misc]
    """`MultiwayLoss` with gradient caching (GradCache, Gao et al. 2021): batches larger than memory, same gradients.

    Columns are flattened before mini-batching, so that a mini-batch holds cells of one length and of any language.
    It encodes twice, so it costs about 1.4 times the plain loss; use it only when the batch does not fit.

    Args:
        model: the encoder; as the rest, see `MultiwayLoss`.
        temperature: divisor of cosines.
        margin: additive margin.
        negatives: "target" or "all".
        pairs: "all" or "pivot".
        mini_batch_size: cells encoded at once, above 0.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = 0.05,
        margin: float = 0.0,
        negatives: Negatives = "target",
        pairs: Pairs = "all",
        mini_batch_size: int = 64,
    ) -> None:
        super().__init__(model, temperature, margin, negatives, pairs)
        if mini_batch_size < 1:
            raise ValueError(f"mini_batch_size is {mini_batch_size}; it must be 1 or more")
        self.mini_batch_size = mini_batch_size

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """Encode all cells without gradients, cache the loss's gradients, re-encode on backward."""
        features, ids_N3 = self._sorted_cells(list(sentence_features), labels)
        cached: Any = self.forward_cached
        loss: Tensor = cached([features], ids_N3)
        return loss

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Return the loss over all mini-batches' embeddings; `labels` are the (N, 3) ids."""
        if labels is None:
            raise ValueError("no ids; call the loss, not calculate_loss")
        return self._loss(torch.cat(reps[0]), labels, with_backward)


def _trim(features: Features, begin: int, end: int) -> Features:
    """Slice cells `begin` to `end` and drop the token slots that are padding in all of them."""
    used = features["attention_mask"][begin:end].any(dim=0).nonzero()
    width, full = int(used.max()) + 1, features["input_ids"].shape[1]
    cut: Features = {}
    for key, value in features.items():
        if not isinstance(value, Tensor):
            cut[key] = value
        else:
            cut[key] = value[begin:end, :width] if value.ndim > 1 and value.shape[1] == full else value[begin:end]
    return cut
