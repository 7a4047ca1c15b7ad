"""Make two steps of an alignment, and print the peak memory of this process in MiB.

`python -m benchmarks.align memory` runs it for steps of 64 rows and of 512 in chunks.

    python -m benchmarks.step_memory N_ROWS ENCODER
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.align import SEVEN, Ours, real_rows
from benchmarks.kept import peak_bytes


def main(n_rows: int, encoder: str) -> None:
    """Make the steps, in chunks of 64 rows' tokens if they are larger."""
    with tempfile.TemporaryDirectory() as folder:
        rows = real_rows(2 * n_rows, "stsb-mt", SEVEN)
        ours = Ours(rows, encoder, Path(folder), rows_per_step=n_rows)
        if n_rows > 64:
            per_row = int(ours.cells.starts[-1]) / len(rows)
            ours.config = replace(ours.config, chunk_tokens=int(64 * per_row))
        ours.seconds()
    print(int(peak_bytes()) // 2**20)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
