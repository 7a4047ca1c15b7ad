"""Rows -> a linear layer at the end of an encoder that whitens its vectors, by how translations of a sentence differ.

A transformer's mean-pooled vectors lie in a narrow cone: a few directions make most of every
cosine, and they tell languages apart rather than sentences. The layer scales each direction down by
the spread that the cells of a row have in it: within-class covariance normalization (WCCN; Hatch,
Kajarekar & Stolcke 2006), with the row as class. What comes out is an ordinary encoder with one
`Dense` more, which training goes on to train.

Shape suffixes: N cells, R rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from hexapla.alignment.batches import present_cells
from hexapla.encoder.load import exact_dense
from hexapla.errors import TrainingError

_LEAST_ROWS = 500
_DEGREES_A_DIMENSION = (
    10  # cells less rows, for each dimension; more rows are taken until there are as many
)
# towards a multiple of the identity; chosen, as the power is, on development data (dev/LOG.md)
_SHRINKAGE = 0.03
_SHRINKAGE_OF_FEW = (
    0.2  # times dimensions over degrees: a fifth of a degree a dimension, or less, whitens none
)


def whiten(model: SentenceTransformer, rows: Dataset, languages: Sequence[str], prompt: str) -> int:
    """Fit the layer on rows, evenly from all of them, and append it.

    Args:
        model: the encoder; changed.
        rows: those that are trained on, of which those with two cells or more count, with all their
            cells, under every regime.
        languages: their columns.
        prompt: what the encoder needs in front of a text.

    Returns:
        How many sentences were encoded, without gradients.

    Raises:
        TrainingError: vectors that are not finite, or translations that have one vector, so that
            nothing is to whiten.
    """
    dim = model.get_embedding_dimension()
    present_RC = present_cells(rows, languages)
    usable_R = np.flatnonzero(present_RC.sum(axis=1) >= 2)
    degrees = present_RC[usable_R].sum() - len(usable_R)
    n_rows = max(_LEAST_ROWS, round(_DEGREES_A_DIMENSION * dim * len(usable_R) / degrees))
    cells = rows.select(
        usable_R[np.linspace(0, len(usable_R) - 1, min(len(usable_R), n_rows)).round().astype(int)]
    )
    rows_N, texts = [], []
    for language in languages:
        for row, text in enumerate(cells[language]):
            if text is not None:
                rows_N.append(row)
                texts.append(text)
    vectors_ND = model.encode(
        texts, prompt=prompt, normalize_embeddings=True, show_progress_bar=False
    )
    weight_DD, bias_D = within_row_whitening(
        np.asarray(vectors_ND, dtype=np.float64), np.array(rows_N)
    )
    dense = append_dense(model)
    dense.linear.load_state_dict(
        {"weight": torch.from_numpy(weight_DD), "bias": torch.from_numpy(bias_D)}
    )
    return len(texts)


def append_dense(model: SentenceTransformer) -> Dense:
    """Append a linear layer to an encoder, between vectors of unit length; return it."""
    dim = model.get_embedding_dimension()
    if not isinstance(model[-1], Normalize):
        model.append(Normalize())
    dense = exact_dense(Dense(dim, dim, activation_function=None))
    model.append(dense)
    model.append(Normalize())
    model.to(model.device)
    return dense


def within_row_whitening(
    vectors_ND: NDArray[np.float64], rows_N: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight (D, D) and bias (D,) that make the spread within rows even in all directions.

    Args:
        vectors_ND: (N, D) the vectors of cells.
        rows_N: (N,) the row of each, from 0; every row has two cells or more.

    Returns:
        A symmetric weight, scaled to the root mean square of an orthogonal matrix's entries; and
        the bias that puts the mean of all vectors at zero. The fewer the vectors, the nearer the
        weight is to the identity.

    Raises:
        TrainingError: see `whiten`.
    """
    dim = vectors_ND.shape[1]
    if not np.isfinite(vectors_ND).all():
        raise TrainingError("whiten: the encoder's vectors are not finite; is it whole?")
    counts_R = np.bincount(rows_N)
    sums_RD = np.zeros((len(counts_R), dim))
    np.add.at(sums_RD, rows_N, vectors_ND)
    residuals_ND = vectors_ND - (sums_RD / counts_R[:, None])[rows_N]
    degrees = (counts_R - 1).sum()
    within_DD = residuals_ND.T @ residuals_ND / degrees
    spread = np.trace(within_DD)
    if spread < np.finfo(np.float32).eps ** 2 * dim:
        raise TrainingError(
            "whiten: the cells of every row have the same vector, so there is nothing to whiten; are "
            "they translations, or copies?"
        )
    shrinkage = min(1.0, max(_SHRINKAGE, _SHRINKAGE_OF_FEW * dim / degrees))
    values_D, axes_DD = np.linalg.eigh(
        (1 - shrinkage) * within_DD + shrinkage * spread / dim * np.eye(dim)
    )
    weight_DD = (axes_DD / np.sqrt(values_D)) @ axes_DD.T
    weight_DD *= np.sqrt(dim / np.square(weight_DD).sum())
    return weight_DD, -weight_DD @ vectors_ND.mean(axis=0)
