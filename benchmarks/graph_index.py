"""Compare the IVF-PQ of `hexapla mine` with usearch's graph index: recall and seconds.

The target is indexed once. A slice of the source is searched for in it, and the seconds of the
whole source are extrapolated. The exact search, whose product serves both directions, is timed on
the same slice. Needs `pip install usearch`.

In: synthetic vectors.
Out: a line for each index and setting.

    python -m benchmarks.graph_index [--rows 400000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.mine import DIM, MEMORY_MIB, QUERIES, K, recall, write_vectors
from hexapla.mine import Neighbours, nearest
from hexapla.mine.approximate import build_index, search_index

EXPANSIONS = (32, 64, 128, 256, 512)


def main() -> None:
    """Measure at one size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=400_000, help="vectors a side")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target = write_vectors(given.rows, Path(folder))
        part = source[:QUERIES]
        share = given.rows / len(part)
        started = time.perf_counter()
        exact, _ = nearest(part, target, K, memory_mib=MEMORY_MIB)
        seconds = share * (time.perf_counter() - started)
        print(f"{given.rows:,} a side, one direction, seconds of build + search, recall of {K}")
        print(f"  exact, both directions     {seconds:7.1f}", flush=True)

        started = time.perf_counter()
        quantised = build_index(target, "target", 0)
        built = time.perf_counter() - started
        started = time.perf_counter()
        found = search_index(quantised, part, target, K, "source")
        _print_line("IVF-PQ", built, share * (time.perf_counter() - started), exact, found)

        # FAISS's index_factory crashes in a process that has imported usearch before (2.26.6).
        from usearch.index import Index

        started = time.perf_counter()
        graph = Index(ndim=DIM, metric="ip", dtype="bf16", connectivity=16, expansion_add=100)
        graph.add(np.arange(given.rows), np.asarray(target, dtype=np.float32))
        built = time.perf_counter() - started
        for expansion in EXPANSIONS:
            graph.expansion_search = expansion
            started = time.perf_counter()
            matches = graph.search(np.asarray(part, dtype=np.float32), K)
            seconds = share * (time.perf_counter() - started)
            near = Neighbours(1 - matches.distances, matches.keys.astype(np.int64))
            _print_line(f"usearch, expansion {expansion}", built, seconds, exact, near)


def _print_line(
    name: str, built: float, searched: float, exact: Neighbours, found: Neighbours
) -> None:
    print(f"  {name:26s} {built:7.1f} + {searched:7.1f}   {recall(exact, found):.3f}", flush=True)


if __name__ == "__main__":
    main()
