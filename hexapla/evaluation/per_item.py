"""The per-item tables behind scores: one Parquet file per task, split and languages.

They keep the statistics that a score averages, item by item, so that confidence intervals and
comparisons resample items and never encode a sentence again.

A table has a string column `item`, which names the same item in every encoder's table, and float
columns. A metric that is a column of its table is that column's mean; `spearman` is the rank
correlation of the columns `cosine` and `gold`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.errors import InputError
from hexapla.evaluation.scores import Score, scores_file
from hexapla.runs.atomic import write_beside

PER_ITEM_FOLDER = "per_item"

# The columns of metrics that are not the mean of the column of their name.
RANKED_COLUMNS: Mapping[str, tuple[str, ...]] = {"spearman": ("cosine", "gold")}


def per_item_path(task: str, split: str, languages: str) -> str:
    """Return the path of a table relative to the scores file.

    >>> per_item_path("bitext/sib200", "test", "eng_Latn-deu_Latn")
    'per_item/bitext/sib200.test.eng_Latn-deu_Latn.parquet'
    """
    return f"{PER_ITEM_FOLDER}/{task}.{split}.{languages}.parquet"


def write_per_item(table: pa.Table, scores: Sequence[Score], folder: Path) -> None:
    """Write the table of scores that share one.

    Args:
        table: The table.
        scores: At least one score; they have the same `per_item`.
        folder: The score folder.

    Raises:
        ValueError: A score cannot have been computed from the table.
    """
    path = folder / str(scores[0].per_item)
    for score in scores:
        check_per_item(score, table, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_beside(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_per_item(score: Score, path: str | Path) -> pa.Table:
    """Read the table that a score was computed from.

    Args:
        score: One of `read_scores(path)`.
        path: The same path.

    Returns:
        A table of `score.n` rows: `item` and float columns.

    Raises:
        InputError: The score has no table, or the table is missing, unreadable, or does not fit.
    """
    if score.per_item is None:
        raise InputError(
            f"{score.task} {score.languages} {score.metric} has no per-item table; evaluate again"
        )
    folder = scores_file(path).parent
    file = folder / score.per_item
    if not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{score.per_item} lies outside {folder}; per-item tables lie beside their scores"
        )
    if not file.is_file():
        raise InputError(
            f"{file} is missing; it belongs to the scores in {folder}, copy the whole folder"
        )
    try:
        # Without threads: the tables are small, and there may be thousands.
        table = pq.read_table(file, use_threads=False)
        check_per_item(score, table, str(file))
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be used: {error}") from error
    return table


def check_per_item(score: Score, table: pa.Table, name: str) -> None:
    """Refuse a table that a score cannot have been computed from.

    Raises:
        ValueError: A column is missing, or the number of rows differs.
    """
    needed = ("item", *RANKED_COLUMNS.get(score.metric, (score.metric,)))
    missing = [column for column in needed if column not in table.column_names]
    if missing:
        raise ValueError(
            f"{name} has no column {', '.join(missing)}, which {score.metric} is computed from"
        )
    if table.num_rows != score.n:
        raise ValueError(f"{name} has {table.num_rows} rows; the score is over {score.n}")
