"""Rows -> a linear layer at the end of an encoder that whitens its vectors, by how translations of a sentence differ.

A transformer's mean-pooled vectors lie in a narrow cone: a few directions make most of every cosine, and they tell
languages apart rather than sentences. The layer scales each direction down by the spread that the cells of a row have
in it: within-class covariance normalization (Hatch, Kajarekar & Stolcke 2006), with the row as class. What comes out is
an ordinary encoder with one `Dense` more, which training goes on to train.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from hexapla.batches import present_cells
from hexapla.errors import InputError

MOST_ROWS = 500  # 3,500 cells of seven languages, for a covariance of at most some thousand dimensions
_SHRINKAGE = 0.03  # towards a multiple of the identity; chosen, as the power is, on development data (dev/LOG.md)


def whiten(model: SentenceTransformer, rows: Dataset, languages: Sequence[str], prompt: str, *, bf16: bool) -> int:
    """Fit the layer on rows, evenly from all of them, and put it at the encoder's end.

    Args:
        model: the encoder; changed.
        rows: those of the corpus that are trained on, of which two cells or more count, under every regime.
        languages: their columns.
        prompt: what the encoder needs in front of a text.
        bf16: multiply matrices in bfloat16.

    Returns:
        How many sentences were encoded, without gradients.

    Raises:
        InputError: translations of a sentence have one vector, so that there is nothing to whiten.
    """
    present_RC = present_cells(rows, languages)
    usable = np.flatnonzero(present_RC.sum(axis=1) >= 2)
    taken = usable[np.linspace(0, len(usable) - 1, min(len(usable), MOST_ROWS)).round().astype(int)]
    cells = rows.select(taken)
    place_R, texts = [], []
    for language in languages:
        for row, text in enumerate(cells[language]):
            if text is not None:
                place_R.append(row)
                texts.append(text)
    with torch.autocast(model.device.type, torch.bfloat16) if bf16 else contextlib.nullcontext():
        vectors_ND = model.encode(texts, prompt=prompt or None, normalize_embeddings=True, show_progress_bar=False)
    weight_DD, bias_D = within_row_whitening(np.asarray(vectors_ND, dtype=np.float64), np.array(place_R))
    add_layer(model)
    with torch.no_grad():
        model[-2].linear.weight.copy_(torch.from_numpy(weight_DD))
        model[-2].linear.bias.copy_(torch.from_numpy(bias_D))
    return len(texts)


def add_layer(model: SentenceTransformer) -> None:
    """Put a linear layer at an encoder's end, between vectors of unit length and such."""
    dim = model.get_embedding_dimension()
    if not isinstance(model[-1], Normalize):
        model.append(Normalize())
    model.append(Dense(dim, dim, activation_function=None))
    model.append(Normalize())
    model.to(model.device)


def within_row_whitening(
    vectors_ND: NDArray[np.float64], rows_N: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight (D, D) and bias (D,) that make the spread within rows even in all directions.

    Args:
        vectors_ND: (N, D) the vectors of cells.
        rows_N: (N,) the row of each, from 0; every row has two cells or more.

    Returns:
        A symmetric weight, scaled so that its rows have unit length on the average, as an orthogonal matrix's have;
        and the bias that puts the mean of all vectors at zero.
    """
    dim = vectors_ND.shape[1]
    counts_R = np.bincount(rows_N)
    sums_RD = np.zeros((len(counts_R), dim))
    np.add.at(sums_RD, rows_N, vectors_ND)
    residuals_ND = vectors_ND - (sums_RD / counts_R[:, None])[rows_N]
    within_DD = residuals_ND.T @ residuals_ND / (counts_R - 1).sum()
    spread = np.trace(within_DD) / dim
    if not spread > np.finfo(np.float32).eps:
        raise InputError("whiten: the cells of every row have the same vector, so there is nothing to whiten; are they "
                         "translations, or copies?")  # fmt: skip
    values_D, axes_DD = np.linalg.eigh((1 - _SHRINKAGE) * within_DD + _SHRINKAGE * spread * np.eye(dim))
    weight_DD = (axes_DD / np.sqrt(values_D)) @ axes_DD.T
    weight_DD *= np.sqrt(dim / np.square(weight_DD).sum())
    return weight_DD, -weight_DD @ vectors_ND.mean(axis=0)
