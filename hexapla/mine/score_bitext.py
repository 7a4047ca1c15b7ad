"""Pairs that are given -> each with its cosine and its margin score, in order: `hexapla score`, to filter a bitext by.

The neighbours of a margin score are those within the bitext itself, so it says how a pair fares
among the others there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from hexapla.corpus.tables import read_field, text_fields
from hexapla.encoder.load import encode, load_encoder
from hexapla.errors import InputError, did_you_mean
from hexapla.mine.bitext_files import check_file, write_table
from hexapla.mine.config import ScoreConfig
from hexapla.mine.margin import margin_scores
from hexapla.mine.search import nearest


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
            f"{path} has no field {field}; it has {', '.join(fields)}{did_you_mean(field, fields)}"
        )
    return [cell for _, cell in read_field(path, field)]


def _spread(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], rows: list[int], n_rows: int
) -> pa.Array:
    found: list[float | None] = [None] * n_rows
    for row, value in zip(rows, values.tolist(), strict=True):
        found[row] = value
    return pa.array(found, type=pa.float32())
