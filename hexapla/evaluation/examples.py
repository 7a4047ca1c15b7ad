"""Example rows of a bitext task with their vectors, saved with the scores for the maps of a report.

The rows are the same for every encoder measured on the same data, so that a page can show them
before and after alignment.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.evaluation.tasks.bitext import BitextTask
from hexapla.evaluation.vectors import Vectors
from hexapla.runs.atomic import write_beside

EXAMPLES = "examples.parquet"
MAX_ROWS = 100


def write_examples(tasks: Iterable[object], vectors: Vectors, out: Path) -> None:
    """Write `examples.parquet`, or nothing if there is no bitext task.

    Its columns are `item`, `language`, `text` and `vector`, in half precision. The rows, up to 100,
    are spread evenly over the bitext task with the most languages.
    """
    bitexts = [task for task in tasks if isinstance(task, BitextTask)]
    if not bitexts:
        return
    task = max(bitexts, key=lambda one: len(one.cells))
    rows = np.unique(np.linspace(0, len(task.items) - 1, MAX_ROWS).round().astype(int)).tolist()
    cells = [
        (task.items[row], code, text)
        for code, column in task.cells.items()
        for row in rows
        if (text := column[row])
    ]
    embedded = vectors.of("BitextMining", [text for *_, text in cells]).astype(np.float16)
    items, languages, texts = zip(*cells, strict=True)
    table = pa.table(
        {
            "item": pa.array(items),
            "language": pa.array(languages),
            "text": pa.array(texts),
            "vector": pa.array(list(embedded), type=pa.list_(pa.float16())),
        }
    )
    with write_beside(out / EXAMPLES) as partial:
        pq.write_table(table, partial, compression="zstd")
