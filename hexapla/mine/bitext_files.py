"""The files that mining writes: TSV or Parquet tables, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.errors import InputError
from hexapla.runs.atomic import write_beside, write_text


def check_file(out: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or that exists and may not be replaced.

    Raises:
        InputError: It is a folder, it exists, or its folder does not exist.
    """
    if out.is_dir():
        raise InputError(f"{out} is a folder; give a file to write")
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists already; --overwrite replaces it")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write into")


def write_table(table: pa.Table, out: Path) -> None:
    """Write a table of texts and numbers as Parquet or, unless the name ends so, as TSV.

    In TSV, numbers have five decimals and null cells are empty.
    """
    if out.suffix == ".parquet":
        with write_beside(out) as partial:
            pq.write_table(table, partial)
        return
    lines = ["\t".join(table.column_names)]
    for row in table.to_pylist():
        cells = (
            "" if cell is None else cell if isinstance(cell, str) else f"{cell:.5f}"
            for cell in row.values()
        )
        lines.append("\t".join(" ".join(cell.split()) for cell in cells))
    write_text(out, "".join(f"{line}\n" for line in lines))
