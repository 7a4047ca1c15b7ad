"""Training the embeddings of those tokens alone that the rows have.

Most weights of a multilingual encoder are token embeddings, and a corpus has few of its tokens. The
others have no gradient, but AdamW would read and write their weights and both of its averages in
every step, and each checkpoint would hold them. Left out, they stay exactly as they are; with all
of them, weight decay alone would change them.

Shape suffixes: V tokens of the vocabulary, U tokens in use, D dimensions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.integrations import is_fsdp_enabled

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

_TOKENS_AT_ONCE = 1 << 22
# With more of the vocabulary in use, less is gained than a second look-up costs.
_LARGEST_SHARE = 0.5
_log = logging.getLogger(__name__)


class UsedEmbeddings:
    """Within this context an encoder trains the embeddings of the tokens in use, and no others.

    An encoder is left as it is if more than half of its vocabulary is in use, its embeddings are
    frozen, shared with other weights or of a kind of their own, or its weights are sharded.

    Args:
        model: The encoder.
        ids: (T,) the tokens that training will meet.
    """

    def __init__(self, model: SentenceTransformer, ids: NDArray[np.int32]) -> None:
        self._transformer = getattr(model[0], "auto_model", None)
        self._ids = ids
        self._table: nn.Embedding | None = None
        self._part: _PartOfTable | None = None

    def __enter__(self) -> Self:
        """Put the embeddings of the tokens in use in the place of all."""
        table = _plain_table(self._transformer)
        if table is None:
            return self
        used_U = _used_tokens(self._ids, table)
        if len(used_U) > _LARGEST_SHARE * table.num_embeddings:
            return self
        self._table, self._part = table, _PartOfTable(table, used_U)
        _replace(self._transformer, table, self._part)
        _log.info(
            "of the embeddings, only those of the %s tokens in the rows are trained, out of %s",
            f"{len(used_U):,}",
            f"{table.num_embeddings:,}",
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Put the whole table back, with what was trained in it."""
        if self._table is not None and self._part is not None:
            self._table.weight.data = self._part.merged()
            _replace(self._transformer, self._part, self._table)


class _PartOfTable(nn.Module):
    """Embeddings of which those in use are trained.

    Attributes:
        weight: (U, D) the embeddings in use.
        used_U: Their tokens.
        place_V: Where each token is in `weight`, -1 if it is not in use.
        whole_VD: All embeddings as they were.
    """

    used_U: Tensor
    place_V: Tensor
    whole_VD: Tensor

    def __init__(self, table: nn.Embedding, used_U: Tensor) -> None:
        super().__init__()
        whole_VD = table.weight.detach()
        place_V = torch.full((len(whole_VD),), -1, dtype=torch.long, device=whole_VD.device)
        place_V[used_U] = torch.arange(len(used_U), device=whole_VD.device)
        self.weight = nn.Parameter(whole_VD[used_U].clone())
        for name, buffer in (("used_U", used_U), ("place_V", place_V), ("whole_VD", whole_VD)):
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of tokens; held-out rows may have some that are not in use."""
        place = self.place_V[ids]
        trained = F.embedding(place.clamp(min=0), self.weight)
        return torch.where((place >= 0)[..., None], trained, F.embedding(ids, self.whole_VD))

    def merged(self) -> Tensor:
        """Return (V, D) all embeddings, those in use as trained."""
        return self.whole_VD.index_copy(0, self.used_U, self.weight.detach())


def _plain_table(transformer: Any) -> nn.Embedding | None:
    """Return the token embeddings of a transformer if a part of them can be trained alone."""
    if transformer is None or is_fsdp_enabled():
        return None
    table = transformer.get_input_embeddings()
    if type(table) is not nn.Embedding:
        return None
    owners = [
        name
        for name, weight in transformer.named_parameters(remove_duplicate=False)
        if weight is table.weight
    ]
    is_plain = not (table.sparse or table.scale_grad_by_freq or table.max_norm is not None)
    return table if table.weight.requires_grad and is_plain and len(owners) == 1 else None


def _used_tokens(ids: NDArray[np.int32], table: nn.Embedding) -> Tensor:
    """Return (U,) the tokens in use, but for padding, whose embedding no training changes."""
    is_used = np.zeros(table.num_embeddings, dtype=bool)
    for start in range(0, len(ids), _TOKENS_AT_ONCE):
        is_used[ids[start : start + _TOKENS_AT_ONCE]] = True
    if table.padding_idx is not None:
        is_used[table.padding_idx] = False
    return torch.from_numpy(np.flatnonzero(is_used)).to(table.weight.device)


def _replace(transformer: Any, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another."""
    for parent in transformer.modules():
        for name, child in cast("nn.Module", parent).named_children():
            if child is old:
                setattr(parent, name, new)
