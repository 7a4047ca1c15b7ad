"""The tables of a shard: the cells as first translated, and the same cells judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.build.cell_judge import JudgedCells
from hexapla.translate.translator import Translation

CELL_SCHEMA = pa.schema(
    [("text", pa.string()), ("log_prob", pa.float32()), ("problem", pa.string())]
)
JUDGED_SCHEMA = pa.schema(
    [
        *CELL_SCHEMA,
        # Why the first translation was rejected; null if it was accepted.
        ("reason", pa.string()),
        ("score", pa.float32()),
        # The rejected first translation; `text` is then the accepted second one, or null.
        ("first", pa.string()),
        # The second translation if it was rejected too.
        ("second", pa.string()),
    ]
)


def cell_table(cells: Sequence[Translation]) -> pa.Table:
    """Return the table of the cells of one language."""
    rows = [
        {"text": cell.text, "log_prob": cell.log_prob, "problem": cell.problem} for cell in cells
    ]
    return pa.Table.from_pylist(rows, schema=CELL_SCHEMA)


def read_cell_table(path: Path) -> list[Translation]:
    """Return the cells of a table that `cell_table` made."""
    rows = pq.read_table(path, schema=CELL_SCHEMA).to_pylist()
    return [Translation(row["text"], row["log_prob"], problem=row["problem"]) for row in rows]


def judged_table(cells: Sequence[Translation], judged: JudgedCells) -> pa.Table:
    """Return the table of the judged cells of one language.

    Args:
        cells: The first translation of each text.
        judged: What the filters say of them.
    """
    rows = []
    for place, (cell, verdict) in enumerate(zip(cells, judged.verdicts, strict=True)):
        kept = cell
        if verdict is not None:
            kept = judged.accepted.get(place, Translation(None, problem=cell.problem))
        is_rejected_again = place in judged.second and place not in judged.accepted
        rows.append(
            {
                "text": kept.text,
                "log_prob": kept.log_prob,
                "problem": kept.problem,
                "reason": verdict.reason if verdict else None,
                "score": verdict.score if verdict else None,
                "first": cell.text if verdict else None,
                "second": judged.second[place].text if is_rejected_again else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=JUDGED_SCHEMA)
