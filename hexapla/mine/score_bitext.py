"""Pairs that are given -> each with its cosine and its margin score, in order: `hexapla score`, to filter a bitext by.

The neighbours of a margin score are those within the bitext itself, so it says how a pair fares
among the others there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa

from hexapla.corpus.tables import read_field, text_fields
from hexapla.encoder.load import encode, load_encoder
from hexapla.errors import InputError
from hexapla.errors import nearest as nearest_word
from hexapla.mine.bitext_files import check_ending, check_file, write_table
from hexapla.mine.margin import Margin, margin_scores
from hexapla.mine.search import nearest


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What to score.

    Attributes:
        bitext: A TSV, CSV, JSONL or Parquet file with a field for each side, such as `mine` writes.
        encoder: A Hub name, an encoder folder, or "tiny".
        out: The file to write, `.tsv` or `.parquet`.
        source_field: The one side.
        target_field: The other.
        k: Neighbours that a margin score takes the mean of.
        margin: "ratio", "distance" or "absolute"; see `margin_scores`.
        memory_mib: What the search may take.
        batch_size: Texts in one forward pass.
        overwrite: Replace the file that is there.
        trust_remote_code: Run the encoder's own code.
        allow_pickle: Load weights other than safetensors.
    """

    bitext: Path
    encoder: str
    out: Path
    source_field: str = "source"
    target_field: str = "target"
    k: int = 4
    margin: Margin = "ratio"
    memory_mib: int = 2048
    batch_size: int = 64
    overwrite: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        """Check every value by itself."""
        object.__setattr__(self, "out", Path(self.out))
        if self.margin not in (allowed := get_args(Margin)):
            raise InputError(
                f'margin is "{self.margin}"; it must be {", ".join(allowed)}{nearest_word(self.margin, allowed)}'
            )
        for key in ("k", "memory_mib", "batch_size"):
            if getattr(self, key) < 1:
                raise InputError(f"{key} is {getattr(self, key)}; it must be 1 or more")
        check_ending(self.out)


def score(config: ScoreConfig, *, quiet: bool = False) -> pa.Table:
    """Score every pair of a bitext, and write them in the order in which they stand there.

    Args:
        config: What to score.
        quiet: Show no progress.

    Returns:
        What was written: the two fields, `margin` and `cosine`, which are null where a side is
        empty.

    Raises:
        InputError: A file, a field, an encoder or a setting that cannot be used, or a file that is
            there already.
    """
    check_file(config.out, overwrite=config.overwrite)
    sides = [
        _cells(Path(config.bitext), field) for field in (config.source_field, config.target_field)
    ]
    whole = [row for row, cells in enumerate(zip(*sides, strict=True)) if all(cells)]
    texts = [list(dict.fromkeys(str(side[row]) for row in whole)) for side in sides]
    smaller = min(map(len, texts))
    if config.k > smaller:
        raise InputError(
            f"k is {config.k}; the smaller side has {smaller} different sentences, so lower it (--k)"
        )
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    vectors = [
        encode(
            model, side, task="BitextMining", batch_size=config.batch_size, show_progress=not quiet
        )
        for side in texts
    ]
    neighbours = nearest(vectors[0], vectors[1], config.k, memory_mib=config.memory_mib)
    means = [found.cosine.mean(axis=1) for found in neighbours]
    places = [{text: place for place, text in enumerate(side)} for side in texts]
    rows = [
        np.array([place[str(side[row])] for row in whole])
        for side, place in zip(sides, places, strict=True)
    ]
    cosine = np.einsum("nd,nd->n", vectors[0][rows[0]], vectors[1][rows[1]])
    margin = margin_scores(cosine, means[0][rows[0]], means[1][rows[1]], config.margin)
    table = pa.table(
        {
            config.source_field: sides[0],
            config.target_field: sides[1],
            "margin": _spread(margin, whole, len(sides[0])),
            "cosine": _spread(cosine, whole, len(sides[0])),
        }
    )
    write_table(table, config.out)
    return table


def _cells(path: Path, field: str) -> list[str | None]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if field not in (fields := text_fields(path)):
        raise InputError(
            f"{path} has no field {field}; it has {', '.join(fields)}{nearest_word(field, fields)}"
        )
    return [cell for _, cell in read_field(path, field)]


def _spread(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], rows: list[int], n_rows: int
) -> pa.Array:
    found: list[float | None] = [None] * n_rows
    for row, value in zip(rows, values.tolist(), strict=True):
        found[row] = value
    return pa.array(found, type=pa.float32())
