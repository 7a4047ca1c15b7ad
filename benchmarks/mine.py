"""Compare `hexapla mine` with LASER's `mine_bitexts.py`: mined pairs and cost of the search.

In: real rows from the folder `HEXAPLA_DATA` (by default ../shared/data; see recipes/README.md);
synthetic vectors for `search` and `cost`.
Out: tables and ratios of one run, and the figure `mining-cost.svg` of `cost`.

    python -m benchmarks.mine [pairs piles search cost] [--encoder NAME=FOLDER ...] [--out FOLDER]
"""

from __future__ import annotations

import os

# For the OpenBLAS of FAISS and of NumPy; the command line sets the same.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

import numpy as np
from threadpoolctl import threadpool_info

# The OpenBLAS in FAISS's wheel is of 2021. On a CPU that it does not know it takes kernels for one
# of 2004, a fifth as fast, so it is told which kernels the newer one of NumPy takes.
os.environ.setdefault(
    "OPENBLAS_CORETYPE",
    next(one["architecture"] for one in threadpool_info() if one["user_api"] == "blas"),
)

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import altair
import faiss
import pyarrow.parquet as pq

from benchmarks.kept import keep
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.mine import Neighbours, Pairs, mine_pairs, nearest
from hexapla.mine.approximate import build_index, search_index
from hexapla.mine.calibrate import calibrate

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
SEEN = ("deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "tur_Latn", "hin_Deva")
K, DIM, MEMORY_MIB = 4, 384, 512
PARALLEL = 0.1
"""Share of each pile that has a translation in the other."""
N_DRAWS = 1000
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
QUERIES = 16_384
"""Queries of the largest sizes, from whose seconds those of all queries are extrapolated."""


def laser_neighbours(source: np.ndarray, target: np.ndarray) -> tuple[Neighbours, Neighbours]:
    """Search as LASER's knnCPU does: each side has a flat index that the other searches."""
    directions = []
    for queries, base in ((source, target), (target, source)):
        index = faiss.IndexFlatIP(base.shape[1])
        index.add(base)
        directions.append(Neighbours(*index.search(queries, K)))
    return directions[0], directions[1]


def laser_pairs(source: np.ndarray, target: np.ndarray) -> list[tuple[int, int]]:
    """Mine as LASER's mine_bitexts.py does by default: ratio margin, max retrieval, greedily."""
    x2y, y2x = laser_neighbours(source, target)
    x2y_mean, y2x_mean = x2y.cosine.mean(axis=1), y2x.cosine.mean(axis=1)

    def score(i: int, j: int) -> float:
        return float(source[i].dot(target[j]) / ((x2y_mean[i] + y2x_mean[j]) / 2))

    forward = [[score(i, j) for j in near] for i, near in enumerate(x2y.index.tolist())]
    backward = [[score(i, j) for i in near] for j, near in enumerate(y2x.index.tolist())]
    pairs = [(max(of), i, int(x2y.index[i][int(np.argmax(of))])) for i, of in enumerate(forward)]
    pairs += [(max(of), int(y2x.index[j][int(np.argmax(of))]), j) for j, of in enumerate(backward)]
    seen_source: set[int] = set()
    seen_target: set[int] = set()
    mined = []
    for _, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in seen_source and j not in seen_target:
            seen_source.add(i)
            seen_target.add(j)
            mined.append((i, j))
    return mined


@dataclass(frozen=True)
class Piles:
    """Two piles of sentences, of which the first `n_parallel` are translations of each other."""

    source: list[str]
    target: list[str]
    n_parallel: int


def read_piles(path: Path, code: str, seed: int = 0) -> Piles:
    """Deal rows to two piles as in BUCC, where a tenth of each pile is parallel."""
    table = pq.read_table(path, columns=["eng_Latn", code])
    english, other = (table[name].to_pylist() for name in ("eng_Latn", code))
    rows: list[int] = []
    seen: set[str] = set()
    for row in np.random.default_rng(seed).permutation(len(english)).tolist():
        if english[row] and other[row] and not {english[row], other[row]} & seen:
            rows.append(row)
            seen |= {english[row], other[row]}
    n_each = int(len(rows) / (2 - PARALLEL))
    n_parallel = int(PARALLEL * n_each)
    n_alone = n_each - n_parallel
    both = rows[:n_parallel]
    source = rows[n_parallel : n_parallel + n_alone]
    target = rows[n_each : n_each + n_alone]
    return Piles(
        [english[row] for row in both + source], [other[row] for row in both + target], n_parallel
    )


def pairs(encoders: Mapping[str, str], out: Path) -> None:
    """Mine Tatoeba and the piles with LASER's loop and with ours, from the same vectors.

    The vectors are those of the last encoder. The table counts the pairs that each mines, and
    those that both mine.
    """
    encoder_name, path = list(encoders.items())[-1]
    model = load_encoder(path)
    texts: dict[str, tuple[list[str], list[str]]] = {}
    for code in ("deu_Latn", "rus_Cyrl", "zho_Hans", "tur_Latn"):
        table = pq.read_table(DATA / "tatoeba" / f"{code}.parquet")
        english, other = (
            list(dict.fromkeys(table[name].to_pylist())) for name in ("eng_Latn", code)
        )
        texts[f"Tatoeba {code}"] = (english, other)
        piles = read_piles(DATA / "ntrex" / "test.parquet", code)
        texts[f"pile {code}"] = (piles.source, piles.target)
    print(f"pairs of {encoder_name}: LASER's, ours, both")
    for what, sides in texts.items():
        source, target = (encode(model, side, task="BitextMining") for side in sides)
        theirs = set(laser_pairs(source, target))
        mined = mine_pairs(*nearest(source, target, K))
        ours = set(zip(mined.source.tolist(), mined.target.tolist(), strict=True))
        print(f"  {what:20s} {len(theirs):6d} {len(ours):6d} {len(theirs & ours):6d}")


def f1_interval(pairs: Pairs, n_parallel: int, n_source: int) -> tuple[float, float, float]:
    """Return F1 in percent with the ends of its 95 % interval, over resampled source sentences."""
    hit, mined, gold = np.zeros(n_source), np.zeros(n_source), np.zeros(n_source)
    mined[pairs.source] = 1
    hit[pairs.source[(pairs.source == pairs.target) & (pairs.source < n_parallel)]] = 1
    gold[:n_parallel] = 1
    draws = np.random.default_rng(0).integers(n_source, size=(N_DRAWS, n_source))
    n_positive = mined[draws].sum(axis=1) + gold[draws].sum(axis=1)
    values = 200 * hit[draws].sum(axis=1) / np.maximum(n_positive, 1)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(200 * hit.sum() / (mined.sum() + gold.sum())), float(low), float(high)


def piles(encoders: Mapping[str, str], out: Path) -> None:
    """Mine piles of NTREX, a tenth of them parallel.

    The threshold is the one with the best F1 on piles dealt in the same way from SIB-200's train
    rows.
    """
    print(
        "BUCC-like piles of NTREX, 1,051 a side, 105 of them parallel: "
        "F1, % [95 % over source sentences]"
    )
    print(f"  {'':10s}" + "".join(f"{name:>22s}" for name in encoders))
    table: dict[str, dict[str, tuple[float, float, float]]] = {
        code: {} for code in (*SEEN, *UNSEEN)
    }
    for name, path in encoders.items():
        model = load_encoder(path)
        for code in table:
            chosen = read_piles(DATA / "sib200" / "train.parquet", code)
            test = read_piles(DATA / "ntrex" / "test.parquet", code)
            source, target = (
                encode(model, side, task="BitextMining") for side in (chosen.source, chosen.target)
            )
            gold = {(row, row) for row in range(chosen.n_parallel)}
            threshold = calibrate(mine_pairs(*nearest(source, target, K)), gold).threshold
            source, target = (
                encode(model, side, task="BitextMining") for side in (test.source, test.target)
            )
            mined = mine_pairs(*nearest(source, target, K)).above(threshold)
            table[code][name] = f1_interval(mined, test.n_parallel, len(test.source))
    for code, row in table.items():
        cells = (f"{value:.1f} [{low:.1f}, {high:.1f}]" for value, low, high in row.values())
        print(f"  {code:10s}" + "".join(f"{cell:>22s}" for cell in cells))
    for group, codes in (("seen", SEEN), ("unseen", UNSEEN)):
        means = [np.mean([table[code][name][0] for code in codes]) for name in encoders]
        print(f"  {group:10s}" + "".join(f"{mean:22.1f}" for mean in means))


def write_vectors(n_rows: int, folder: Path, dim: int = DIM) -> tuple[np.ndarray, np.ndarray]:
    """Write two sides of float16 vectors, and return them as memory maps.

    Vectors in the same place are translations, with a cosine of about 0.8. As an encoder's vectors,
    they have structure and are not of full rank: they lie around one centre per thousand vectors,
    in 48 dimensions, with a little noise in all others.

    Returns:
        (n_rows, dim) source and target.
    """
    generator = np.random.default_rng(0)
    spread = generator.normal(size=(48, dim)).astype(np.float32)
    centres = generator.normal(size=(max(8, n_rows // 1000), 48)).astype(np.float32)
    paths = [folder / f"{side}-{n_rows}.f16" for side in ("source", "target")]
    sides = [np.memmap(path, dtype=np.float16, mode="w+", shape=(n_rows, dim)) for path in paths]
    for start in range(0, n_rows, QUERIES):
        n = min(QUERIES, n_rows - start)
        meaning = centres[generator.integers(len(centres), size=n)]
        meaning = meaning + generator.normal(size=(n, 48)).astype(np.float32)
        for side in sides:
            noise = generator.normal(size=meaning.shape).astype(np.float32)
            vectors = (meaning + 0.5 * noise) @ spread
            vectors += generator.normal(size=vectors.shape).astype(np.float32)
            side[start : start + n] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return sides[0], sides[1]


def search(encoders: Mapping[str, str], out: Path, rounds: int = 3) -> None:
    """Search 100,000 by 100,000 vectors with FAISS flat, as LASER calls it, and with ours."""
    with tempfile.TemporaryDirectory() as folder:
        halves = write_vectors(100_000, Path(folder))
        source, target = (np.ascontiguousarray(side, dtype=np.float32) for side in halves)
        ratios = []
        for _ in range(rounds):
            started = np.array([time.perf_counter(), time.process_time()])
            theirs = laser_neighbours(source, target)
            middle = np.array([time.perf_counter(), time.process_time()])
            ours = nearest(halves[0], halves[1], K, memory_mib=MEMORY_MIB)
            ended = np.array([time.perf_counter(), time.process_time()])
            theirs_s, ours_s = middle - started, ended - middle
            ratios.append(theirs_s / ours_s)
            print(
                f"  FAISS flat {theirs_s[0]:6.1f} s, ours {ours_s[0]:6.1f} s: "
                f"{ratios[-1][0]:.2f} x, in CPU time {ratios[-1][1]:.2f} x",
                flush=True,
            )
        same = np.mean(
            [np.mean(one.index == other.index) for one, other in zip(theirs, ours, strict=True)]
        )
    elapsed, cpu = np.median(ratios, axis=0)
    keep("exact search, 100,000 a side, over FAISS flat", [each[0] for each in ratios], "x")
    keep("the same in CPU time", [each[1] for each in ratios], "x")
    print(
        f"  median {elapsed:.2f} x, in CPU time {cpu:.2f} x; "
        f"same neighbour at the same rank {100 * same:.4f} %"
    )


class Memory:
    """Measures the peak growth of this process's anonymous memory, without mapped files."""

    def __enter__(self) -> Memory:
        self.peak_mib, self._done = 0.0, threading.Event()
        self._before = self._mib()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self.peak_mib = max(self.peak_mib, self._mib() - self._before)

    @staticmethod
    def _mib() -> float:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("RssAnon:")[1].split()[0]) / 1024


def recall(exact: Neighbours, found: Neighbours) -> float:
    """Return the fraction of the exact neighbours that the approximate search found."""
    both = (
        len(set(a) & set(b))
        for a, b in zip(exact.index.tolist(), found.index.tolist(), strict=True)
    )
    return sum(both) / exact.index.size


def cost(encoders: Mapping[str, str], out: Path, largest: int = SIZES[-1]) -> None:
    """Search 10,000 to a million vectors a side, exactly and by IVF-PQ, and plot the seconds.

    Above 100,000, only a slice of the source is searched for, in the whole target; the seconds are
    extrapolated, and recall is that of the slice.
    """
    rows = []
    for n_rows in (size for size in SIZES if size <= largest):
        with tempfile.TemporaryDirectory(dir=out) as folder:
            source, target = write_vectors(n_rows, Path(folder))
            part = source if n_rows <= 100_000 else source[:QUERIES]
            share = n_rows / len(part)
            with Memory() as memory:
                started = time.perf_counter()
                exact, _ = nearest(part, target, K, memory_mib=MEMORY_MIB)
                exact_s = share * (time.perf_counter() - started)
            # One direction is timed, and the other takes as long. Only the search is extrapolated
            # from the slice; the index is built once.
            started = time.perf_counter()
            index = build_index(target, "target", 0)
            index_s = time.perf_counter() - started
            started = time.perf_counter()
            found = search_index(index, part, target, K, "source")
            near_s = 2 * (index_s + share * (time.perf_counter() - started))
        rows.append(
            {"n": n_rows, "exact": exact_s, "IVF-PQ": near_s, "recall": recall(exact, found)}
        )
        print(
            f"  {n_rows:9,d} a side: exact {exact_s:9.1f} s within {MEMORY_MIB} MiB "
            f"({memory.peak_mib:.0f} measured); "
            f"IVF-PQ {near_s:8.1f} s, recall {rows[-1]['recall']:.3f}",
            flush=True,
        )
    for name in ("exact", "IVF-PQ"):
        slope, _ = np.polyfit(
            np.log([row["n"] for row in rows]), np.log([row[name] for row in rows]), 1
        )
        print(f"  {name}: seconds grow as n^{slope:.2f}")
    draw(rows, out / "mining-cost.svg")


def draw(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Plot seconds over sentences a side, on logarithmic axes."""
    values = [
        {"sentences a side": row["n"], "seconds": row[name], "search": name}
        for row in rows
        for name in ("exact", "IVF-PQ")
    ]
    axes = {axis: altair.Scale(type="log") for axis in ("x", "y")}
    chart = (
        altair.Chart(altair.Data(values=values))
        .mark_line(point=True)
        .encode(
            x=altair.X("sentences a side:Q", scale=axes["x"], axis=altair.Axis(format="~s")),
            y=altair.Y("seconds:Q", scale=axes["y"]),
            color=altair.Color("search:N"),
        )
    )
    chart.properties(width=420, height=280).save(path)


PARTS: Mapping[str, Callable[[Mapping[str, str], Path], None]] = {
    "pairs": pairs,
    "piles": piles,
    "search": search,
    "cost": cost,
}


def main() -> None:
    """Measure the parts that are named, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, "all"], default="all", help="parts to measure"
    )
    parser.add_argument(
        "--encoder",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="an encoder to mine with besides tiny; may be repeated",
    )
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the figure")
    given = parser.parse_args()
    encoders = {"tiny": "tiny", **dict(one.split("=", 1) for one in given.encoder)}
    for part in PARTS if "all" in given.parts else given.parts:
        print(part, flush=True)
        PARTS[part](encoders, given.out)


if __name__ == "__main__":
    main()
