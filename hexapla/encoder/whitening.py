"""Rows -> a linear layer that whitens an encoder's vectors by how translations differ.

A transformer's mean-pooled vectors lie in a narrow cone: a few directions make up most of every
cosine, and they distinguish languages rather than sentences. The layer divides each direction by
the spread that the cells of a row have in it. This is within-class covariance normalization (WCCN;
Hatch, Kajarekar & Stolcke 2006) with the row as class. The result is an ordinary encoder with one
more `Dense` module, which can be trained further.

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

from hexapla.corpus.presence import present_cells, usable_rows
from hexapla.encoder.encode import encode
from hexapla.encoder.load import exact_dense
from hexapla.errors import TrainingError

_MIN_ROWS = 500
# So many rows are used that cells minus rows, the degrees of freedom, are this many per dimension.
_DEGREES_PER_DIMENSION = 10
# Shrinkage towards a multiple of the identity; chosen, as the power is, on development data
# (dev/LOG.md).
_SHRINKAGE = 0.03
# Shrinkage with few rows: this times dimensions over degrees of freedom. At a fifth of a degree per
# dimension, or less, nothing is whitened.
_SHRINKAGE_OF_FEW = 0.2


def whiten(model: SentenceTransformer, rows: Dataset, languages: Sequence[str], prompt: str) -> int:
    """Fit the layer on rows spread evenly over the corpus, and append it to the encoder.

    Args:
        model: The encoder; changed in place.
        rows: The training rows. Those with two cells or more are used, with all their cells,
            whatever the regime.
        languages: Their columns.
        prompt: Text that the encoder needs before every text.

    Returns:
        The number of sentences encoded, without gradients.

    Raises:
        TrainingError: Vectors are not finite, or all cells of every row have the same vector.
    """
    dim = model.get_embedding_dimension()
    present_RC = present_cells(rows, languages)
    usable_R = usable_rows(present_RC, 2)
    degrees = present_RC[usable_R].sum() - len(usable_R)
    n_rows = max(_MIN_ROWS, round(_DEGREES_PER_DIMENSION * dim * len(usable_R) / degrees))
    places = np.linspace(0, len(usable_R) - 1, min(len(usable_R), n_rows)).round().astype(int)
    cells = rows.select(usable_R[places])
    rows_N, texts = [], []
    for language in languages:
        for row, text in enumerate(cells[language]):
            if text is not None:
                rows_N.append(row)
                texts.append(text)
    vectors_ND = encode(model, texts, task="STS", prompt=prompt)
    weight_DD, bias_D = within_row_whitening(vectors_ND.astype(np.float64), np.array(rows_N))
    dense = append_dense(model)
    dense.linear.load_state_dict(
        {"weight": torch.from_numpy(weight_DD), "bias": torch.from_numpy(bias_D)}
    )
    return len(texts)


def append_dense(model: SentenceTransformer) -> Dense:
    """Append a linear layer to an encoder, with unit vectors before and after it; return it."""
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
    """Return weight and bias of the layer that evens the spread within rows in all directions.

    Args:
        vectors_ND: (N, D) vectors of cells.
        rows_N: (N,) row of each cell, from 0; every row has two cells or more.

    Returns:
        (D, D) symmetric weight, scaled to the root mean square of an orthogonal matrix's entries,
        and (D,) bias that moves the mean of all vectors to zero. With fewer vectors the weight is
        closer to the identity.

    Raises:
        TrainingError: See `whiten`.
    """
    dim = vectors_ND.shape[1]
    if not np.isfinite(vectors_ND).all():
        raise TrainingError("whiten: the encoder's vectors are not finite; is it damaged?")
    counts_R = np.bincount(rows_N)
    sums_RD = np.zeros((len(counts_R), dim))
    np.add.at(sums_RD, rows_N, vectors_ND)
    residuals_ND = vectors_ND - (sums_RD / counts_R[:, None])[rows_N]
    degrees = (counts_R - 1).sum()
    within_DD = residuals_ND.T @ residuals_ND / degrees
    spread = np.trace(within_DD)
    if spread < np.finfo(np.float32).eps ** 2 * dim:
        raise TrainingError(
            "whiten: the cells of every row have the same vector, so there is nothing to whiten; "
            "are they translations, or copies?"
        )
    shrinkage = min(1.0, max(_SHRINKAGE, _SHRINKAGE_OF_FEW * dim / degrees))
    values_D, axes_DD = np.linalg.eigh(
        (1 - shrinkage) * within_DD + shrinkage * spread / dim * np.eye(dim)
    )
    weight_DD = (axes_DD / np.sqrt(values_D)) @ axes_DD.T
    weight_DD *= np.sqrt(dim / np.square(weight_DD).sum())
    return weight_DD, -weight_DD @ vectors_ND.mean(axis=0)
