"""The token ids of a run's cells, made once and shared by every epoch, run and process.

Tokenising inside a step would keep the device waiting, again in every epoch. The files are
memory-mapped. They lie in the cache of `datasets` under a name made of the rows, the tokenizer and
the prompt, so they are never stale.

Shape suffixes: R rows, C columns, N cells, T tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, config
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from hexapla.alignment.text_ids import text_ids
from hexapla.encoder.sentence_tokens import character_parts, tokenise
from hexapla.errors import InputError
from hexapla.runs.atomic import make_beside, write_json
from hexapla.runs.progress import Progress

_FORMAT = 1
_ROWS_PER_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class TokenCache:
    """The token ids of R rows of C columns, cell after cell, row after row.

    Attributes:
        ids: (T,) int32.
        starts: (R * C + 1,) int64, where each cell begins; a missing cell has no tokens.
        texts: (R, C) int64, a hash of each cell's ids, 0 where the cell is missing.
        constants: What the encoder expects besides tokens, the same for every text, such as
            `prompt_length`.
        has_types: Whether the encoder expects `token_type_ids`, which are 0 for single sentences.
        n_truncated: Number of texts that are longer than the encoder's limit.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    texts: NDArray[np.int64]
    constants: dict[str, Any]
    has_types: bool
    n_truncated: int

    def lengths(self, cells_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (N,) the number of tokens of cells, which are numbered row by row."""
        return np.asarray(self.starts[cells_N + 1] - self.starts[cells_N])

    def tokens(self, cells_N: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Return the features of cells laid end to end; each (T,)."""
        parts = [self.ids[self.starts[cell] : self.starts[cell + 1]] for cell in cells_N.tolist()]
        ids = torch.from_numpy(np.concatenate(parts).astype(np.int64))
        types = {"token_type_ids": torch.zeros_like(ids)} if self.has_types else {}
        return {"input_ids": ids, **types}


def open_token_cache(
    rows: Dataset,
    languages: Sequence[str],
    model: SentenceTransformer,
    prompt: str,
    identity: Sequence[str],
    *,
    quiet: bool = True,
) -> TokenCache:
    """Return the tokens of rows from the cache; tokenise them first if they are not in it.

    Args:
        rows: A dataset with one text column per language.
        languages: The columns, in order.
        model: The encoder whose tokenizer is used.
        prompt: Text that is put before every text.
        identity: Hashes of the rows and of the tokenizer.
        quiet: Show no progress.

    Raises:
        InputError: The tokenizer makes no token of a text.
    """
    key = [_FORMAT, *identity, len(rows), list(languages), prompt, model.max_seq_length]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    folder = Path(config.HF_DATASETS_CACHE) / "hexapla" / f"tokens-{name}"
    if not folder.exists():
        with make_beside(folder) as partial, Progress(quiet=quiet) as progress:
            _write_cache(partial, rows, languages, model, prompt, progress)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "starts", "texts")
    }
    return TokenCache(**arrays, **facts)


def _write_cache(
    folder: Path,
    rows: Dataset,
    languages: Sequence[str],
    model: SentenceTransformer,
    prompt: str,
    progress: Progress,
) -> None:
    """Tokenise rows into the files of a cache."""
    lengths: list[NDArray[np.int64]] = []
    texts: list[NDArray[np.int64]] = []
    facts: dict[str, Any] = {"constants": {}, "has_types": False, "n_truncated": 0}
    bar = progress.add("tokenising", len(rows), unit="rows")
    raw = folder / "ids.raw"
    with raw.open("wb") as file:
        for batch in rows.select_columns(list(languages)).iter(batch_size=_ROWS_PER_BATCH):
            columns = [batch[language] for language in languages]
            cells = [text for row in zip(*columns, strict=True) for text in row]
            ids, sizes = _tokenise(model, cells, prompt, facts)
            file.write(ids.astype(np.int32).tobytes())
            hashes = np.zeros(len(cells), dtype=np.int64)
            present = sizes > 0
            hashes[present] = text_ids(torch.from_numpy(ids), sizes[present].tolist()).numpy()
            lengths.append(sizes)
            texts.append(hashes)
            bar.advance(len(columns[0]))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    np.save(folder / "ids.npy", np.memmap(raw, dtype=np.int32, mode="r"))
    raw.unlink()
    np.save(folder / "starts.npy", starts)
    np.save(folder / "texts.npy", np.concatenate(texts).reshape(-1, len(languages)))
    write_json(folder / "facts.json", facts)


def _tokenise(
    model: SentenceTransformer, cells: Sequence[str | None], prompt: str, facts: dict[str, Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (T,) ids and (N,) tokens of each cell; add to `facts` what the cache must know."""
    sizes = np.zeros(len(cells), dtype=np.int64)
    present = np.flatnonzero([text is not None for text in cells])
    if not len(present):
        return np.zeros(0, dtype=np.int64), sizes
    texts = [str(cells[place]) for place in present.tolist()]
    tokens = tokenise(model, texts, prompt)
    sizes[present] = tokens.lengths
    if (empty := np.flatnonzero(tokens.lengths == 0)).size:
        raise InputError(
            f'the encoder\'s tokenizer makes no token of "{texts[empty[0]][:60]}"; '
            "leave such cells out"
        )
    facts["constants"] = tokens.constants
    facts["has_types"] = "token_type_ids" in tokens.tokens
    limit = model.max_seq_length
    if limit is not None:  # only a text that fills the limit can have been longer
        full = [
            prompt + text for text, size in zip(texts, tokens.lengths, strict=True) if size >= limit
        ]
        for part in character_parts(full, 0):
            whole = model.tokenizer(list(part), truncation=True, max_length=limit + 1)["input_ids"]
            facts["n_truncated"] += sum(len(ids) > limit for ids in whole)
    return tokens.tokens["input_ids"].numpy(), sizes
