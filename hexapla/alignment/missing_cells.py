"""Missing cells in a plain `SentenceTransformerTrainer`: told from texts by their tokens.

The library knows no missing cell. Its collator tokenises an empty text like any other, and its
model card cannot count the tokens of `None`. `missing_as_empty` makes one of the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from datasets import Dataset

# Columns that the library's collator does not tokenise.
_LABELS = frozenset({"label", "labels", "score", "scores"})
_INCOMPLETE = "\ufffd"  # what bytes that are no whole character are decoded to


def missing_as_empty(rows: Dataset) -> Dataset:
    """Return rows in which a missing cell is an empty text, which sentence-transformers can carry.

    `MultiwayLoss` takes empty texts for missing cells. Nothing is copied: `None` becomes `""` when
    a row is read. Columns that hold no text are left as they are.

    >>> from datasets import Dataset
    >>> missing_as_empty(Dataset.from_list([{"en": "Yes.", "de": None, "label": None}]))[0]
    {'en': 'Yes.', 'de': '', 'label': None}
    """
    names = [
        name
        for name, feature in rows.features.items()
        if getattr(feature, "dtype", None) in ("string", "large_string", "null")
        and name not in _LABELS
    ]

    def filled(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        texts = {
            name: ["" if text is None else text for text in batch[name]]
            for name in names
            if name in batch
        }
        return {**batch, **texts}

    return rows.with_transform(filled)


class BlankCells:
    """Finds the cells without a text: those of special tokens, white space and a prompt alone.

    A text that the tokenizer makes no token of, such as a lone control character, is one of them. A
    text of unknown tokens is none.

    Args:
        tokenizer: The encoder's tokenizer. Without one that decodes, only a cell of no tokens is
            found.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        special = set(getattr(tokenizer, "all_special_ids", ()))
        special -= {getattr(tokenizer, "unk_token_id", None)}
        special -= {getattr(tokenizer, "mask_token_id", None)}
        self._special = special
        self._shown = cache(self._decode)

    def find(self, ids_T: Tensor, lengths: Sequence[int], prompt_length: int = 0) -> list[bool]:
        """Return whether each cell of a column is blank.

        A text may merge with the last token of the prompt. So a cell that ends with the prompt is
        blank only if that token is white space, or if all cells of the column begin with it.

        Args:
            ids_T: (T,) token ids of the column, cell after cell.
            lengths: Tokens of each cell; they sum to T.
            prompt_length: Tokens of the prompt, with special tokens before it.
        """
        ids, ends = ids_T.tolist(), list(itertools.accumulate(lengths))
        cells = [ids[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        is_shared = len({tuple(cell[:prompt_length]) for cell in cells}) == 1
        return [
            self._is_blank(cell[prompt_length:])
            and (is_shared or not prompt_length or self._is_blank([cell[prompt_length - 1]]))
            for cell in cells
        ]

    def _is_blank(self, tokens: list[int]) -> bool:
        tokens = [token for token in tokens if token not in self._special]
        # The first token of a text usually decides. A character may be several tokens of bytes.
        if any(self._shown(token).strip(_INCOMPLETE) for token in tokens):
            return False
        return not tokens or not self._tokenizer.decode(tokens).strip()

    def _decode(self, token: int) -> str:
        decode = getattr(self._tokenizer, "decode", None)
        return "a text" if decode is None else str(decode([token])).strip()
