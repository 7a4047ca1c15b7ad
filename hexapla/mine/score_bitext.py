"""Given pairs -> each with its cosine and its margin score, in order: `hexapla score`.

The scores serve to filter a bitext. The neighbours of a margin score are those within the bitext
itself, so it shows how a pair compares with the others there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hexapla.corpus.tables import read_field, text_fields
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError, did_you_mean
from hexapla.mine.bitext_files import check_file, write_table
from hexapla.mine.check_search import check_k
from hexapla.mine.config import ScoreConfig
from hexapla.mine.margin import margin_scores
from hexapla.runs.progress import Progress
from hexapla.runs.record import check_apart
from hexapla.runs.run_folder import hold_file
from hexapla.text.limits import with_text_limit
from hexapla.text.special_files import refuse_special


@with_text_limit
def score(config: ScoreConfig, *, quiet: bool = False) -> pa.Table:
    """Score every pair of a bitext, and write the pairs in their order.

    Args:
        config: What to score.
        quiet: Show no progress.

    Returns:
        The written table: the two fields, and `margin` and `cosine`, which are null where a side is
        empty.

    Raises:
        InputError: A file, a field, the encoder or a setting cannot be used, or the output exists
            already.
    """
    check_apart(config.out, {"bitext": config.bitext, "encoder": config.encoder})
    check_file(config.out, overwrite=config.overwrite)
    with hold_file(config.out):
        check_file(config.out, overwrite=config.overwrite)  # again, now that it is locked
        return _score(config, quiet)


def _score(config: ScoreConfig, quiet: bool) -> pa.Table:
    """Score into a file that is locked and checked."""
    check_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
    )
    sides = [
        _read_cells(config.bitext, name) for name in (config.source_field, config.target_field)
    ]
    complete = [row for row, cells in enumerate(zip(*sides, strict=True)) if all(cells)]
    texts = [[str(side[row]) for row in complete] for side in sides]
    check_k(config.k, min(len(set(side)) for side in texts))
    margin, cosine = _score_texts(texts[0], texts[1], config, quiet)
    table = pa.table(
        {
            config.source_field: sides[0],
            config.target_field: sides[1],
            "margin": _with_nulls(margin, complete, len(sides[0])),
            "cosine": _with_nulls(cosine, complete, len(sides[0])),
        }
    )
    write_table(table, config.out)
    return table


def _score_texts(
    source: list[str], target: list[str], config: ScoreConfig, quiet: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (P,) margin scores and (P,) cosines of the pairs."""
    from hexapla.mine.search import nearest

    distinct = [list(dict.fromkeys(side)) for side in (source, target)]
    model = load_encoder(config.encoder, **config.loading)
    with Progress(quiet=quiet) as progress:
        source_SD, target_TD = (
            encode(
                model,
                texts,
                task="BitextMining",
                batch_size=config.batch_size,
                advance=progress.add(f"encoding {name}", len(texts), unit="sentences").advance,
            )
            for name, texts in zip(
                (config.source_field, config.target_field), distinct, strict=True
            )
        )
    of_source, of_target = nearest(source_SD, target_TD, config.k, memory_mib=config.memory_mib)
    source_row_P, target_row_P = (
        _rows(texts, side) for texts, side in zip(distinct, (source, target), strict=True)
    )
    cosine_P = np.einsum("pd,pd->p", source_SD[source_row_P], target_TD[target_row_P])
    source_mean_P = of_source.cosine.mean(axis=1)[source_row_P]
    target_mean_P = of_target.cosine.mean(axis=1)[target_row_P]
    return margin_scores(cosine_P, source_mean_P, target_mean_P, config.margin), cosine_P


def _rows(distinct: list[str], texts: list[str]) -> NDArray[np.int64]:
    """Return the row of each text among the distinct ones."""
    row_of = {text: row for row, text in enumerate(distinct)}
    return np.array([row_of[text] for text in texts])


def _read_cells(path: Path, field: str) -> list[str | None]:
    refuse_special(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if field not in (fields := text_fields(path)):
        raise InputError(
            f"{path} has no field {field}; it has {', '.join(fields)}{did_you_mean(field, fields)}"
        )
    return [cell for _, cell in read_field(path, field)]


def _with_nulls(values: NDArray[np.float32], rows: list[int], n_rows: int) -> pa.Array:
    """Return a column of so many rows with values in some rows and null in the others."""
    column: list[float | None] = [None] * n_rows
    for row, value in zip(rows, values.tolist(), strict=True):
        column[row] = value
    return pa.array(column, type=pa.float32())
