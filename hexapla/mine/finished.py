"""The output of a finished run -> its pairs again, if it was mined from the same sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.errors import InputError
from hexapla.mine.margin import Pairs
from hexapla.mine.sides import Side
from hexapla.text.lines import read_lines

COLUMNS = ("margin", "cosine", "source_line", "target_line", "source", "target")
"""The columns of a mined bitext."""


def read_finished(out: Path, source: Side, target: Side) -> Pairs:
    """Read what a finished run has written.

    The file names the place and the text of both sentences of each pair, so it shows whether it was
    mined from these sides. It does not show with which encoder and settings.

    Raises:
        InputError: It is no bitext that `mine` wrote, or it is of other sentences.
    """
    columns = _read_columns(out)
    rows = [
        _rows(out, side, columns[f"{name}_line"], columns[name])
        for name, side in (("source", source), ("target", target))
    ]
    return Pairs(
        np.array(rows[0], dtype=np.int64),
        np.array(rows[1], dtype=np.int64),
        np.array(columns["margin"], dtype=np.float32),
        np.array(columns["cosine"], dtype=np.float32),
    )


def _read_columns(out: Path) -> dict[str, list[Any]]:
    try:
        if out.suffix == ".parquet":
            return dict(pq.read_table(out, columns=list(COLUMNS)).to_pydict())
        header, *rows = [line.rstrip("\r\n").split("\t") for _, line in read_lines(out)]
        if tuple(header) != COLUMNS:
            raise ValueError(f"its first line is not {', '.join(COLUMNS)}")
        values = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
        columns: dict[str, list[Any]] = dict(zip(COLUMNS, map(list, values), strict=True))
        for name in ("margin", "cosine"):
            columns[name] = [float(cell) for cell in columns[name]]
        return columns
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise InputError(
            f"{out}: exists already, with no unfinished run beside it, and hexapla mine did not "
            f"write it ({error}); give another output, or --overwrite"
        ) from error


def _rows(out: Path, side: Side, places: list[str], texts: list[str]) -> list[int]:
    """Return the rows of the sentences at some places, which must be these texts."""
    rows = []
    for place, text in zip(places, texts, strict=True):
        row = side.row_of.get(place)
        if row is None or side.sentences[row] != text:
            raise InputError(
                f"{out}: exists already and was mined from other text: {side.name} has another "
                f'sentence at "{place}", or none; --overwrite replaces the file'
            )
        rows.append(row)
    return rows
