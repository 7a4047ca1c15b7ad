"""Compare `encode`, by which every command encodes, with `SentenceTransformer.encode`.

In: FLORES sentences (of SIB-200) and Tatoeba's in 12 languages, from the folder `HEXAPLA_DATA` (by
default ../shared/data; see recipes/README.md); encoders, `small` and `small@4` of which
`hexapla fetch-encoder` makes.
Out: for each encoder and each set of texts, sentences a second, the share of the machine's matrix
peak, and how many times as fast as sentence-transformers. It is measured once at every batch size;
then its two fastest sizes and ours take turns.

    python -m benchmarks.encode [--encoder small small@4 tiny] [--threads 2] [--profile]
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.kept import keep
from hexapla.encoder.encode import encode, saved_prompt
from hexapla.encoder.load import load_encoder

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
LANGUAGES = (
    *("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans"),
    *("jpn_Jpan", "arb_Arab", "hin_Deva", "swh_Latn", "tur_Latn", "tha_Thai"),
)
BATCH_SIZES = (16, 32, 64, 128, 256)
PEAK_SIZE = 2048  # rows and columns of the matrices whose product is the machine's peak
OURS = "hexapla"


def read_texts(name: str, n_texts: int) -> list[str]:
    """Return sentences of 12 languages, as many of each, in an order drawn by a seed."""
    columns = []
    for code in LANGUAGES:
        # Every language of Tatoeba has a file, and English is in each of them.
        of_pair = f"tatoeba/{'deu_Latn' if code == 'eng_Latn' else code}.parquet"
        file = DATA / ("sib200/train.parquet" if name == "FLORES" else of_pair)
        columns.append(pq.read_table(file, columns=[code]).column(0).to_pylist())
    rows = zip(*columns, strict=False)
    distinct = dict.fromkeys(itertools.chain.from_iterable(rows))
    texts = list(itertools.islice(distinct, n_texts))
    random.Random(0).shuffle(texts)
    return texts


def matrix_peak(clock: Callable[[], float]) -> float:
    """Return the operations a second of a product of large matrices in float32, the best of 5."""
    one, other = torch.randn(2, PEAK_SIZE, PEAK_SIZE)
    seconds = []
    for _ in range(6):
        started = clock()
        torch.mm(one, other)
        seconds.append(clock() - started)
    return 2 * PEAK_SIZE**3 / min(seconds[1:])


def count_operations(model: SentenceTransformer, lengths: Sequence[int]) -> int:
    """Return the operations that texts of so many tokens need without padding."""
    config = model[0].auto_model.config
    linear = sum(
        module.weight.numel()
        for name, module in model[0].auto_model.named_modules()
        if isinstance(module, nn.Linear) and "pooler" not in name
    )
    attention = 2 * config.num_hidden_layers * config.hidden_size
    return sum(2 * length * (linear + attention * length) for length in lengths)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An encoder and the texts that it encodes."""

    name: str
    model: SentenceTransformer
    texts: list[str]
    clock: Callable[[], float]

    def ours(self) -> float:
        """Return the seconds that we take."""
        started = self.clock()
        encode(self.model, self.texts, task="BitextMining")
        return self.clock() - started

    def theirs(self, batch_size: int) -> float:
        """Return the seconds that sentence-transformers takes."""
        started = self.clock()
        self.model.encode(
            self.texts,
            prompt=saved_prompt(self.model, "BitextMining"),
            batch_size=batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return self.clock() - started

    def largest_difference(self) -> float:
        """Return the largest difference of a component of a vector."""
        few = self.texts[:64]
        expected = self.model.encode(
            few, prompt=saved_prompt(self.model, "BitextMining"), normalize_embeddings=True
        )
        return float(np.abs(encode(self.model, few, task="BitextMining") - expected).max())

    def run(self, rounds: int) -> None:
        """Measure and print."""
        prompt = saved_prompt(self.model, "BitextMining")
        ids = self.model.tokenizer(
            [prompt + text for text in self.texts],
            truncation=True,
            max_length=self.model.max_seq_length,
        )["input_ids"]
        lengths = [len(one) for one in ids]
        operations = count_operations(self.model, lengths)
        self.ours()
        tried = {size: self.theirs(size) for size in BATCH_SIZES}
        print(
            f"  {len(lengths)} sentences of {statistics.mean(lengths):.1f} tokens; largest "
            f"difference {self.largest_difference():.0e}; theirs once at every size: "
            + ", ".join(f"{n}: {len(lengths) / taken:.0f}/s" for n, taken in tried.items()),
            flush=True,
        )
        sizes = sorted(tried, key=tried.__getitem__)[:2]
        cases = {OURS: self.ours, **{f"theirs, {n}": partial(self.theirs, n) for n in sizes}}
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        peaks = []
        for _ in range(rounds):
            peaks.append(matrix_peak(self.clock))
            for name, case in cases.items():
                seconds[name].append(case())
        for name, taken in seconds.items():
            share = operations / statistics.median(taken) / statistics.median(peaks)
            line = f"{len(lengths) / statistics.median(taken):8.1f}/s   {share:.2f} of the peak"
            if name != OURS:
                ratios = sorted(a / b for a, b in zip(taken, seconds[OURS], strict=True))
                spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
                keep(f"{self.name}, over SentenceTransformer.encode at {name[8:]}", ratios, "x")
                line += f"   ours is {statistics.median(ratios):.2f} {spread} times as fast"
            print(f"    {name:14}{line}", flush=True)

    def show_profile(self) -> None:
        """Print what share of the time each operation takes in our passes."""
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            self.ours()
        rows = sorted(recorded.key_averages(), key=lambda row: -row.self_cpu_time_total)
        total = sum(row.self_cpu_time_total for row in rows)
        shares = [f"{row.key} {100 * row.self_cpu_time_total / total:.1f} %" for row in rows[:9]]
        print(f"    profile: {', '.join(shares)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--encoder", nargs="*", default=["small", "small@4", "tiny"])
    parser.add_argument("--texts", nargs="*", default=["FLORES", "Tatoeba"])
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each comparison")
    parser.add_argument("--sentences", type=int, default=512, help="sentences in each set of texts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--cpu-time", action="store_true", help="time of the CPU, for a machine with other load"
    )
    parser.add_argument("--profile", action="store_true", help="also show where the time goes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.cpu_time else time.perf_counter
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}, peak {matrix_peak(clock) / 1e9:.0f} GFLOP/s; "
        + ", ".join(
            f"{name} {version(name)}" for name in ("torch", "transformers", "sentence-transformers")
        )
    )
    for encoder in args.encoder:
        model = load_encoder(encoder)
        for name in args.texts:
            factor = 2 if name == "Tatoeba" else 1  # they are short
            print(f"{encoder}, {name}")
            comparison = Comparison(
                name=f"{encoder}, {name}",
                model=model,
                texts=read_texts(name, factor * args.sentences),
                clock=clock,
            )
            comparison.run(args.rounds)
            if args.profile:
                comparison.show_profile()


if __name__ == "__main__":
    main()
