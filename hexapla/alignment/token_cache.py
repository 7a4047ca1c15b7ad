"""The cells of a run's rows -> their token ids, once, in memory-mapped files that every epoch, run and process shares.

Tokenising inside a step would have the device wait for it, again in every epoch. The files lie in
the cache of `datasets` under a name made of the rows, the tokenizer and what is put in front of a
text, so they are never stale.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, config
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from hexapla.alignment.loss import text_ids
from hexapla.errors import InputError

_FORMAT = 1
_N_ROWS = 1000  # tokenised at once


@dataclass(frozen=True, kw_only=True)
class TokenCache:
    """The token ids of R rows of C columns, cell after cell, row after row.

    Attributes:
        ids: (T,) int32.
        starts: (R * C + 1,) int64, where each cell begins; a missing cell has no tokens.
        texts: (R, C) int64, a hash of each cell's ids, 0 where it is missing.
        constants: what the encoder takes of every text besides, such as `prompt_length`.
        has_types: whether the encoder takes `token_type_ids`, which are 0 for single sentences.
        n_truncated: texts that were longer than the encoder takes.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    texts: NDArray[np.int64]
    constants: dict[str, Any]
    has_types: bool
    n_truncated: int

    def lengths(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (N,) the number of tokens of cells, numbered row by row."""
        return np.asarray(self.starts[cells + 1] - self.starts[cells])

    def tokens(self, cells: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Return the features of cells, numbered row by row, laid end to end."""
        found = [self.ids[self.starts[cell] : self.starts[cell + 1]] for cell in cells.tolist()]
        ids = torch.from_numpy(np.concatenate(found).astype(np.int64))
        return (
            {"input_ids": ids, "token_type_ids": torch.zeros_like(ids)}
            if self.has_types
            else {"input_ids": ids}
        )


def open_token_cache(
    rows: Dataset,
    languages: Sequence[str],
    model: SentenceTransformer,
    prompt: str,
    identity: Sequence[str],
) -> TokenCache:
    """Tokenise rows, or find it done.

    Args:
        rows: with one text column per language.
        languages: the columns, in order.
        model: whose tokens they are.
        prompt: what is put in front of each text.
        identity: what makes these rows and this tokenizer themselves: their hashes.

    Raises:
        InputError: a text of which the tokenizer makes nothing.
    """
    told = [_FORMAT, *identity, len(rows), list(languages), prompt, model.max_seq_length]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    folder = Path(config.HF_DATASETS_CACHE) / "hexapla" / f"tokens-{key}"
    if not folder.exists():
        _write(folder, rows, languages, model, prompt)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "starts", "texts")
    }
    return TokenCache(**arrays, **facts)


def _write(
    folder: Path, rows: Dataset, languages: Sequence[str], model: SentenceTransformer, prompt: str
) -> None:
    """Write the files beside and rename their folder, so that it is whole or not there."""
    partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir(parents=True)
    lengths: list[NDArray[np.int64]] = []
    texts: list[NDArray[np.int64]] = []
    facts: dict[str, Any] = {"constants": {}, "has_types": False, "n_truncated": 0}
    try:
        with (partial / "ids.raw").open("wb") as file:
            for batch in rows.select_columns(list(languages)).iter(batch_size=_N_ROWS):
                cells = [
                    text
                    for row in zip(*(batch[column] for column in languages), strict=True)
                    for text in row
                ]
                ids, sizes = _tokenise(model, cells, prompt, facts)
                file.write(ids.astype(np.int32).tobytes())
                hashes = np.zeros(len(cells), dtype=np.int64)
                hashes[sizes > 0] = text_ids(
                    torch.from_numpy(ids), sizes[sizes > 0].tolist()
                ).numpy()
                lengths.append(sizes)
                texts.append(hashes)
        starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
        np.save(partial / "ids.npy", np.memmap(partial / "ids.raw", dtype=np.int32, mode="r"))
        (partial / "ids.raw").unlink()
        np.save(partial / "starts.npy", starts)
        np.save(partial / "texts.npy", np.concatenate(texts).reshape(-1, len(languages)))
        (partial / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        try:
            os.replace(partial, folder)
        except OSError:
            if not folder.exists():  # another process was first, and its files are the same
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _tokenise(
    model: SentenceTransformer, cells: Sequence[str | None], prompt: str, facts: dict[str, Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (T,) ids and (N,) tokens of each cell; note what else the encoder takes."""
    sizes = np.zeros(len(cells), dtype=np.int64)
    present = np.flatnonzero([text is not None for text in cells])
    if not len(present):
        return np.zeros(0, dtype=np.int64), sizes
    texts = [str(cells[place]) for place in present.tolist()]
    features = model.preprocess(texts, prompt=prompt or None)
    mask = features["attention_mask"].bool()
    sizes[present] = mask.sum(dim=1).numpy()
    if (empty := np.flatnonzero(sizes[present] == 0)).size:
        raise InputError(
            f'the encoder\'s tokenizer makes no token of "{texts[empty[0]][:60]}"; leave such cells out'
        )
    facts["constants"] = {
        key: value for key, value in features.items() if not isinstance(value, torch.Tensor)
    }
    facts["has_types"] = "token_type_ids" in features
    limit = model.max_seq_length
    if limit is not None:  # only a text that fills the limit can have been longer
        full = [
            prompt + text for text, size in zip(texts, sizes[present], strict=True) if size >= limit
        ]
        if full:
            whole = model.tokenizer(full, truncation=False, verbose=False)["input_ids"]
            facts["n_truncated"] += sum(len(line) > limit for line in whole)
    return features["input_ids"][mask].numpy(), sizes
