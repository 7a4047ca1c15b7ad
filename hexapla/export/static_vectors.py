"""An encoder -> a table with one vector for each piece of its tokenizer, made by model2vec.

model2vec (Tulkens & van Dongen 2024) encodes every piece as a text of its own, projects the vectors
on their principal components, and weighs them by how rare a piece is. A text's vector is the mean
of its pieces' vectors.
"""

from __future__ import annotations

import contextlib
import copy
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError
from hexapla.export.config import STATIC_DIM

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# What model2vec calls the poolings of sentence-transformers.
_POOLINGS = {"mean": "mean", "cls": "first", "lasttoken": "last"}


def distill_table(name: str, model: SentenceTransformer, dim: int | None, *, quiet: bool) -> Any:
    """Return model2vec's `StaticModel` of an encoder.

    Args:
        name: The encoder, for errors.
        model: The encoder. Its prompt is left out, since it would be the same in every text.
        dim: Dimensions to keep; None for 256, or all if there are fewer.
        quiet: Show no progress.

    Raises:
        InputError: The pooling is one that model2vec lacks, or the encoder has fewer dimensions.
    """
    from model2vec.distill import distill_from_model

    pooling = model[1].pooling_mode
    if pooling not in _POOLINGS:
        raise InputError(
            f"{name}: its pooling is {pooling}; static vectors are made of encoders with "
            f"{', '.join(_POOLINGS)}"
        )
    own = model.get_embedding_dimension()
    if dim is not None and dim > own:
        raise InputError(f"dim is {dim}; it must be at most {own}, the dimensions of {name}")
    unseen = contextlib.redirect_stderr(io.StringIO())
    with unseen if quiet or not sys.stderr.isatty() else contextlib.nullcontext():
        return distill_from_model(
            model=copy.deepcopy(model[0].model),  # its token embeddings are cut in place
            tokenizer=model.tokenizer,
            pca_dims=min(dim or STATIC_DIM, own),
            pooling=_POOLINGS[pooling],
            device=str(model.device),
        )


def save_static(static: Any, name: str, folder: Path) -> None:
    """Write a `StaticModel` as model2vec does, under the encoder's name and not its path."""
    static.config = {**static.config, "tokenizer_name": name}
    static.save_pretrained(folder)
