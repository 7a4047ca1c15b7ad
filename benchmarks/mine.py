"""What `hexapla mine` finds and what its search costs, against LASER's `mine_bitexts.py`, as that calls FAISS.

In: real rows (`HEXAPLA_DATA`, by default ../shared/data; see recipes/README.md), for `search` and
`cost` made vectors.
Out: tables and ratios of one run, for `cost` a figure too, `mining-cost.svg`.
`python -m benchmarks.mine [pairs piles search cost] [--encoder NAME=FOLDER ...] [--out FOLDER]`
"""

from __future__ import annotations

import os

os.environ.setdefault(
    "OPENBLAS_THREAD_TIMEOUT", "4"
)  # for FAISS's OpenBLAS and NumPy's alike, as the command line does

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import altair
import faiss
import numpy as np
import pyarrow.parquet as pq

from hexapla.encoder.load import encode, load_encoder
from hexapla.mine import Neighbours, Pairs, mine_pairs, nearest
from hexapla.mine.calibrate import calibrate

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
SEEN = ("deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "tur_Latn", "hin_Deva")
K, DIM, MEMORY_MIB = 4, 384, 512
PARALLEL = 0.1  # share of each pile
N_DRAWS = 1000
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
QUERIES = (
    16_384  # of the largest sizes so many are searched, and the time is that of all in proportion
)


def laser_neighbours(source: np.ndarray, target: np.ndarray) -> tuple[Neighbours, Neighbours]:
    """Search as LASER's knnCPU: a flat index of each side, searched by the other."""
    found = []
    for own, other in ((source, target), (target, source)):
        index = faiss.IndexFlatIP(other.shape[1])
        index.add(other)
        found.append(Neighbours(*index.search(own, K)))
    return found[0], found[1]


def laser_pairs(source: np.ndarray, target: np.ndarray) -> list[tuple[int, int]]:
    """Mine as LASER's mine_bitexts.py does with its defaults (ratio margin, max retrieval), pair by pair."""
    x2y, y2x = laser_neighbours(source, target)
    x2y_mean, y2x_mean = x2y.cosine.mean(axis=1), y2x.cosine.mean(axis=1)

    def score(i: int, j: int) -> float:
        return float(source[i].dot(target[j]) / ((x2y_mean[i] + y2x_mean[j]) / 2))

    forward = [[score(i, j) for j in near] for i, near in enumerate(x2y.index.tolist())]
    backward = [[score(i, j) for i in near] for j, near in enumerate(y2x.index.tolist())]
    pairs = [(max(of), i, int(x2y.index[i][int(np.argmax(of))])) for i, of in enumerate(forward)]
    pairs += [(max(of), int(y2x.index[j][int(np.argmax(of))]), j) for j, of in enumerate(backward)]
    seen_source, seen_target, found = set(), set(), []
    for _, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in seen_source and j not in seen_target:
            seen_source.add(i)
            seen_target.add(j)
            found.append((i, j))
    return found


@dataclass(frozen=True)
class Piles:
    """Two piles of sentences, the first of which are each other's translations."""

    source: list[str]
    target: list[str]
    n_parallel: int


def read_piles(path: Path, code: str, seed: int = 0) -> Piles:
    """Deal rows out so that a tenth of each pile is in both, as in BUCC, and the rest in one alone."""
    table = pq.read_table(path, columns=["eng_Latn", code])
    english, other = (table[name].to_pylist() for name in ("eng_Latn", code))
    rows, seen = [], set()
    for row in np.random.default_rng(seed).permutation(len(english)).tolist():
        if english[row] and other[row] and not {english[row], other[row]} & seen:
            rows.append(row)
            seen |= {english[row], other[row]}
    n_each = int(len(rows) / (2 - PARALLEL))
    n_parallel = int(PARALLEL * n_each)
    n_alone = n_each - n_parallel
    both, source, target = (
        rows[:n_parallel],
        rows[n_parallel : n_parallel + n_alone],
        rows[n_each : n_each + n_alone],
    )
    return Piles(
        [english[row] for row in both + source], [other[row] for row in both + target], n_parallel
    )


def pairs(encoders: Mapping[str, str], out: Path) -> None:
    """Mine Tatoeba and the piles by LASER's loop and by ours, from the same vectors: are the pairs equal?"""
    name, path = next(reversed(encoders.items()))
    model = load_encoder(path)
    texts: dict[str, tuple[list[str], list[str]]] = {}
    for code in ("deu_Latn", "rus_Cyrl", "zho_Hans", "tur_Latn"):
        table = pq.read_table(DATA / "tatoeba" / f"{code}.parquet")
        texts[f"Tatoeba {code}"] = tuple(
            list(dict.fromkeys(table[key].to_pylist())) for key in ("eng_Latn", code)
        )
        piles = read_piles(DATA / "ntrex" / "test.parquet", code)
        texts[f"pile {code}"] = (piles.source, piles.target)
    print(f"pairs by {name}: LASER's, ours, in both")
    for what, sides in texts.items():
        source, target = (encode(model, side, task="BitextMining") for side in sides)
        theirs = set(laser_pairs(source, target))
        found = mine_pairs(*nearest(source, target, K))
        ours = set(zip(found.source.tolist(), found.target.tolist(), strict=True))
        print(f"  {what:20s} {len(theirs):6d} {len(ours):6d} {len(theirs & ours):6d}")


def f1_interval(found: Pairs, n_parallel: int, n_source: int) -> tuple[float, float, float]:
    """Return F1 in percent with its 95 % interval, over resampled source sentences."""
    hit, mined, gold = np.zeros(n_source), np.zeros(n_source), np.zeros(n_source)
    mined[found.source] = 1
    hit[found.source[(found.source == found.target) & (found.source < n_parallel)]] = 1
    gold[:n_parallel] = 1
    draws = np.random.default_rng(0).integers(n_source, size=(N_DRAWS, n_source))
    values = (
        200
        * hit[draws].sum(axis=1)
        / np.maximum(mined[draws].sum(axis=1) + gold[draws].sum(axis=1), 1)
    )
    low, high = np.quantile(values, [0.025, 0.975])
    return float(200 * hit.sum() / (mined.sum() + gold.sum())), float(low), float(high)


def piles(encoders: Mapping[str, str], out: Path) -> None:
    """Mine NTREX, a tenth of it parallel; the threshold is the best one of SIB-200's train rows, dealt out likewise."""
    print(
        "BUCC-like piles of NTREX, 1,051 a side, 105 of them parallel: F1, % [95 % over source sentences]"
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
            sides = [
                encode(model, side, task="BitextMining") for side in (chosen.source, chosen.target)
            ]
            gold = {(row, row) for row in range(chosen.n_parallel)}
            threshold = calibrate(mine_pairs(*nearest(*sides, K)), gold).threshold
            sides = [
                encode(model, side, task="BitextMining") for side in (test.source, test.target)
            ]
            found = mine_pairs(*nearest(*sides, K)).above(threshold)
            table[code][name] = f1_interval(found, test.n_parallel, len(test.source))
    for code, row in table.items():
        cells = (f"{value:.1f} [{low:.1f}, {high:.1f}]" for value, low, high in row.values())
        print(f"  {code:10s}" + "".join(f"{cell:>22s}" for cell in cells))
    for group, codes in (("seen", SEEN), ("unseen", UNSEEN)):
        print(
            f"  {group:10s}"
            + "".join(
                f"{np.mean([table[code][name][0] for code in codes]):22.1f}" for name in encoders
            )
        )


def made(n_rows: int, folder: Path, dim: int = DIM) -> tuple[np.ndarray, np.ndarray]:
    """Write two sides of float16 vectors, of which each has its translation at a cosine of about 0.8 on the other side.

    They lie about as many centres as a thousandth of them, in 48 of the dimensions and some noise:
    an encoder's vectors are neither without structure nor of full rank.
    """
    generator = np.random.default_rng(0)
    spread = generator.normal(size=(48, dim)).astype(np.float32)
    centres = generator.normal(size=(max(8, n_rows // 1000), 48)).astype(np.float32)
    paths = [folder / f"{side}-{n_rows}.f16" for side in ("source", "target")]
    sides = [np.memmap(path, dtype=np.float16, mode="w+", shape=(n_rows, dim)) for path in paths]
    for start in range(0, n_rows, QUERIES):
        n = min(QUERIES, n_rows - start)
        inner = centres[generator.integers(len(centres), size=n)] + generator.normal(
            size=(n, 48)
        ).astype(np.float32)
        for side in sides:
            vectors = (inner + 0.5 * generator.normal(size=inner.shape).astype(np.float32)) @ spread
            vectors += generator.normal(size=vectors.shape).astype(np.float32)
            side[start : start + n] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return sides[0], sides[1]


def search(encoders: Mapping[str, str], out: Path, rounds: int = 3) -> None:
    """Search 100,000 by 100,000 of 384 dimensions: FAISS flat as LASER calls it, and ours, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        halves = made(100_000, Path(folder))
        source, target = (np.ascontiguousarray(side, dtype=np.float32) for side in halves)
        ratios = []
        for _ in range(rounds):
            started = time.perf_counter()
            theirs = laser_neighbours(source, target)
            middle = time.perf_counter()
            ours = nearest(halves[0], halves[1], K, memory_mib=MEMORY_MIB)
            ended = time.perf_counter()
            ratios.append((middle - started) / (ended - middle))
            print(
                f"  FAISS flat {middle - started:6.1f} s, ours {ended - middle:6.1f} s: {ratios[-1]:.2f} x",
                flush=True,
            )
        same = np.mean(
            [np.mean(one.index == other.index) for one, other in zip(theirs, ours, strict=True)]
        )
    print(
        f"  median {np.median(ratios):.2f} x; equal neighbours in equal places {100 * same:.2f} %"
    )


class Memory:
    """The most anonymous memory in MiB that this process had above what it had at first; mapped files are not in it."""

    def __enter__(self) -> Memory:
        self.most, self._done = 0.0, threading.Event()
        self._before = self._mib()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self.most = max(self.most, self._mib() - self._before)

    @staticmethod
    def _mib() -> float:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("RssAnon:")[1].split()[0]) / 1024


def recall(exact: Neighbours, found: Neighbours) -> float:
    """Return the share of the exact neighbours that are found."""
    both = (
        len(set(a) & set(b))
        for a, b in zip(exact.index.tolist(), found.index.tolist(), strict=True)
    )
    return sum(both) / exact.index.size


def cost(encoders: Mapping[str, str], out: Path, largest: int = SIZES[-1]) -> None:
    """Search 10,000 to a million a side, exactly and by IVF-PQ, and draw what it takes.

    Above 100,000 a slice of the source stands for all of it, against the whole target. Recall is on
    that slice.
    """
    from hexapla.mine import approximate

    rows = []
    for n_rows in (size for size in SIZES if size <= largest):
        with tempfile.TemporaryDirectory(dir=out) as folder:
            source, target = made(n_rows, Path(folder))
            part = source if n_rows <= 100_000 else source[:QUERIES]
            share = n_rows / len(part)
            with Memory() as memory:
                started = time.perf_counter()
                exact, _ = nearest(part, target, K, memory_mib=MEMORY_MIB)
                exact_s = share * (time.perf_counter() - started)
            # One direction; the other takes as long. The index is made once, its search is of the
            # slice.
            started = time.perf_counter()
            index = approximate.build_index(target, "target", 0)
            index_s = time.perf_counter() - started
            started = time.perf_counter()
            found = approximate.search_index(index, part, target, K, "source")
            near_s = 2 * (index_s + share * (time.perf_counter() - started))
        rows.append(
            {"n": n_rows, "exact": exact_s, "IVF-PQ": near_s, "recall": recall(exact, found)}
        )
        print(
            f"  {n_rows:9,d} a side: exact {exact_s:9.1f} s within {MEMORY_MIB} MiB ({memory.most:.0f} measured); "
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
    """Draw seconds over sentences a side, both axes logarithmic."""
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
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--encoder", action="append", default=[], metavar="NAME=FOLDER", help="besides tiny"
    )
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    encoders = {"tiny": "tiny", **dict(one.split("=", 1) for one in given.encoder)}
    for part in given.parts:
        print(part, flush=True)
        PARTS[part](encoders, given.out)


if __name__ == "__main__":
    main()
