"""Ids of texts, by which rows that share a text are recognised.

An id is a hash of token ids, not of the text, so it can be computed under any collator. Texts that
differ only beyond the encoder's maximum length are encoded alike and get the same id.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def text_ids(input_ids: Tensor, lengths: Sequence[int]) -> Tensor:
    """Hash the token ids of N sentences; equal sentences get equal ids.

    Args:
        input_ids: (T,) token ids, sentence after sentence.
        lengths: Tokens of each of the N sentences; they sum to T.

    Returns:
        (N,) int64.

    >>> ids = text_ids(torch.tensor([0, 5, 2, 0, 6, 2, 0, 5, 2]), [3, 3, 3])
    >>> bool(ids[0] == ids[2]), bool(ids[0] == ids[1])
    (True, False)
    """
    sizes = torch.tensor(lengths, device=input_ids.device)
    starts = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    position = torch.arange(len(input_ids), device=input_ids.device) - starts
    mixed = (input_ids.long() + 0x2545F491) * 0x2127599BF4325C37
    mixed = mixed ^ (position + 1) * 0x5851F42D4C957F2D
    # int64 products wrap around, as a hash needs.
    mixed = (mixed ^ (mixed >> 29)) * 0x369DEA0F31A53F85
    mixed = mixed ^ (mixed >> 32)
    sentence = torch.arange(len(sizes), device=input_ids.device).repeat_interleave(sizes)
    ids = torch.zeros(len(sizes), dtype=torch.long, device=input_ids.device)
    return ids.index_add_(0, sentence, mixed)
