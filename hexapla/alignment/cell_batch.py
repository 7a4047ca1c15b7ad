"""The cells of one training step, in the one form that collator, trainer and loss share.

The collator makes a `CellBatch`. sentence-transformers' trainer hands on nothing but a dictionary
of tensors, whose features have a common prefix, and `label`. `to_inputs` writes that dictionary;
`from_inputs` and `from_features` read it. Its keys are named in this file alone.

A plain `SentenceTransformerTrainer` knows no cells: its collator makes one set of padded features
for each column of a dataset. `from_features` accepts those as well, and leaves out the cells that
are missing (`missing_cells.py`).

Shape suffixes: N cells, T tokens, P cells with a reference, D dimensions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hexapla.alignment.config import Pairs
from hexapla.alignment.missing_cells import BlankCells
from hexapla.alignment.text_ids import text_ids
from hexapla.encoder.token_layout import Features, remove_padding

_PREFIX = "cells_"
_LABEL = "label"
# Features that are none of a token. All others are, `input_ids` among them, by which
# sentence-transformers recognises a set of features.
_LENGTHS, _CONSTANTS, _CORPUS_ROWS = "lengths", "constants", "corpus_rows"
_REFERENCED, _REFERENCE = "referenced", "reference"
_NOT_TOKENS = frozenset({_LENGTHS, _CONSTANTS, _CORPUS_ROWS, _REFERENCED, _REFERENCE})


@dataclass(frozen=True, kw_only=True, eq=False)
class CellBatch:
    """The N cells of a step, longest first.

    Attributes:
        tokens: `input_ids` and whatever else the encoder expects for each token; each (T,), cell
            after cell.
        lengths: Tokens of each of the N cells, falling; they sum to T.
        ids_N3: (N, 3) int64: row of the batch, from 0; column of the loss; text id. Of a batch
            without a pair, one cell is kept, with row -1.
        constants: What the encoder expects besides tokens, the same for all cells, such as
            `prompt_length`.
        corpus_rows: Number in the corpus of each row of the batch, to name it in an error; empty if
            not known.
        referenced_P: (P,) positions of the cells that have a reference; None if none has.
        reference_PD: (P, D) the vectors that these cells are drawn to (`reference.py`), or None.
    """

    tokens: dict[str, Tensor]
    lengths: list[int]
    ids_N3: Tensor
    constants: dict[str, Any] = field(default_factory=dict)
    corpus_rows: list[int] = field(default_factory=list)
    referenced_P: Tensor | None = None
    reference_PD: Tensor | None = None

    @cached_property
    def starts(self) -> list[int]:
        """Where the tokens of each cell begin, and at the end T."""
        return [0, *itertools.accumulate(self.lengths)]

    @property
    def n_tokens(self) -> int:
        """The number of tokens of all cells, T."""
        return self.starts[-1]

    @property
    def device(self) -> torch.device:
        """The device that the tokens are on."""
        return self.tokens["input_ids"].device

    def to_inputs(self) -> dict[str, Any]:
        """Return the dictionary that sentence-transformers' trainer takes from a collator."""
        features: dict[str, Any] = {
            **self.tokens,
            _LENGTHS: self.lengths,
            _CONSTANTS: self.constants,
            _CORPUS_ROWS: self.corpus_rows,
        }
        if self.reference_PD is not None:
            features |= {_REFERENCED: self.referenced_P, _REFERENCE: self.reference_PD}
        return {**{_PREFIX + key: value for key, value in features.items()}, _LABEL: self.ids_N3}

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> CellBatch:
        """Return the batch that `to_inputs` wrote."""
        features = {
            key.removeprefix(_PREFIX): value
            for key, value in inputs.items()
            if key.startswith(_PREFIX)
        }
        return cls.from_features([features], inputs[_LABEL])

    @classmethod
    def from_features(
        cls,
        features: Sequence[Features],
        labels: Tensor | None,
        blank_cells: BlankCells | None = None,
        pairs: Pairs = "all",
    ) -> CellBatch:
        """Return the batch that a trainer hands to its loss.

        Args:
            features: The features of `to_inputs` without their prefix, as the only item; or those
                of a plain trainer, see `from_columns`.
            labels: The (N, 3) ids of `to_inputs`; or a mask, see `from_columns`.
            blank_cells: See `from_columns`.
            pairs: See `from_columns`.

        Raises:
            ValueError: The labels do not fit the features, or the features the loss.
        """
        first = features[0]
        if _LENGTHS not in first:
            return cls.from_columns(features, labels, blank_cells, pairs)
        if labels is None or labels.shape != (len(first[_LENGTHS]), 3):
            shape = None if labels is None else tuple(labels.shape)
            raise ValueError(f"labels of shape {shape}; cells need (N, 3)")
        return cls(
            tokens={key: value for key, value in first.items() if key not in _NOT_TOKENS},
            lengths=first[_LENGTHS],
            ids_N3=labels,
            constants=first[_CONSTANTS],
            corpus_rows=first[_CORPUS_ROWS],
            referenced_P=first.get(_REFERENCED),
            reference_PD=first.get(_REFERENCE),
        )

    @classmethod
    def from_columns(
        cls,
        columns: Sequence[Features],
        mask: Tensor | None,
        blank_cells: BlankCells | None = None,
        pairs: Pairs = "all",
    ) -> CellBatch:
        """Return the batch of the cells that are present in padded columns.

        Rows that are left without a pair are left out, so that their cells are no negatives either.

        Args:
            columns: For each column, `input_ids` and `attention_mask` of (rows, width), and others.
            mask: (rows, columns) whether a cell is present; None if all are.
            blank_cells: Finds the cells without a text, which are missing whatever the mask says.
                None takes every cell for a text.
            pairs: "pivot" if only pairs with column 0 are scored.

        Raises:
            ValueError: There is one column only, an attention mask is missing, or the mask has
                another shape.
        """
        n_rows, n_columns = _check_columns(columns, mask)
        parts = [remove_padding(column) for column in columns]
        flat = {key: torch.cat([tokens[key] for tokens, _ in parts]) for key in parts[0][0]}
        lengths = [length for _, of_column in parts for length in of_column]
        present_CR = torch.ones(n_columns, n_rows, dtype=torch.bool)
        if mask is not None:
            present_CR &= mask.T.bool().cpu()
        if blank_cells is not None:
            for present_R, column, (tokens, of_column) in zip(
                present_CR, columns, parts, strict=True
            ):
                n_prompt = int(torch.as_tensor(column.get("prompt_length", 0)).flatten()[0])
                blank = blank_cells.find(tokens["input_ids"], of_column, n_prompt)
                present_R &= ~torch.tensor(blank)
        present_CR &= _has_a_pair(present_CR, pairs)
        # Cells are numbered column after column.
        present = present_CR.flatten().nonzero().flatten().tolist()
        order = sorted(present, key=lambda cell: -lengths[cell]) or [_longest(lengths)]
        tokens = _select_cells(flat, lengths, order)
        lengths = [lengths[cell] for cell in order]
        places_N2 = torch.tensor(
            [(cell % n_rows if present else -1, cell // n_rows) for cell in order],
            device=flat["input_ids"].device,
        )
        texts_N = text_ids(tokens["input_ids"], lengths)
        return cls(
            tokens=tokens,
            lengths=lengths,
            ids_N3=torch.cat([places_N2, texts_N[:, None]], dim=1),
            constants={
                key: value
                for key, value in columns[0].items()
                if key not in flat and key != "attention_mask"
            },
        )


def _check_columns(columns: Sequence[Features], mask: Tensor | None) -> tuple[int, int]:
    """Return the numbers of rows and columns; see `CellBatch.from_columns` for what is refused."""
    if any("attention_mask" not in column for column in columns):
        raise ValueError(
            "features without attention_mask; with FlashAttention set "
            "model[0].unpad_inputs = False, and a static embedding has no tokens to batch by"
        )
    n_rows, n_columns = len(columns[0]["input_ids"]), len(columns)
    if n_columns == 1:
        raise ValueError(f"one column of {n_rows} texts; a translation needs another")
    if mask is not None and mask.shape != (n_rows, n_columns):
        raise ValueError(
            f"labels of shape {tuple(mask.shape)}; a mask must be ({n_rows}, {n_columns})"
        )
    return n_rows, n_columns


def _has_a_pair(present_CR: Tensor, pairs: Pairs) -> Tensor:
    """Return (R,) whether the loss has a term for a row.

    Args:
        present_CR: (C, R) whether each cell is present.
        pairs: "pivot" if only pairs with column 0 are scored.
    """
    two_R = present_CR.sum(dim=0) > 1
    return two_R & present_CR[0] if pairs == "pivot" else two_R


def _longest(lengths: Sequence[int]) -> int:
    """Return the number of the longest cell."""
    return max(range(len(lengths)), key=lambda cell: lengths[cell])


def _select_cells(
    flat: dict[str, Tensor], lengths: Sequence[int], order: Sequence[int]
) -> dict[str, Tensor]:
    """Return the tokens of the cells in `order`, from all cells laid end to end."""
    device = flat["input_ids"].device
    sizes = torch.tensor(lengths, device=device)
    chosen = sizes[list(order)]
    starts = (sizes.cumsum(0) - sizes)[list(order)].repeat_interleave(chosen)
    new_starts = (chosen.cumsum(0) - chosen).repeat_interleave(chosen)
    places_T = starts + torch.arange(len(starts), device=device) - new_starts
    return {key: value[places_T] for key, value in flat.items()}
