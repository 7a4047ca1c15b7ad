"""The tables of docs/scale.md: constants, prices -> lines of Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.scale_model import (
    PART_ROWS,
    ROWS_PER_STEP,
    SHARD_ROWS,
    XLMR_WEIGHTS,
    AlignConstants,
    BuildConstants,
    MineConstants,
    Prices,
    align_hours,
    encode_gpu_h,
    graph_gpu_h,
    step_time,
    translation_gpu_h,
    work_files,
)

BUILD_SIZES = (10**6, 10**7, 10**8)
ALIGN_SIZES = (76_000, 10**6, 10**7)
MINE_SIZES = (10**7, 10**8, 10**9)
GPUS = (1, 8, 64)
TOKENS_PER_CELL = 30  # of a translation, as in docs/build.md
TOKENS_PER_SENTENCE = 30  # that is encoded to be mined
GB = 1e9


def short(value: float) -> str:
    """Return a number with two digits or more that count.

    >>> short(0.123), short(4.56), short(78.9), short(12345.6)
    ('0.12', '4.6', '79', '12,346')
    """
    if value and abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:,.1f}" if abs(value) < 10 else f"{value:,.0f}"


def size_name(n: int) -> str:
    """Return a size in words.

    >>> size_name(76_000), size_name(10**7), size_name(10**9)
    ('76 thousand', '10 million', '1 billion')
    """
    for unit, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if n >= unit:
            return f"{n / unit:g} {name}"
    return str(n)


def table(
    what: str, sizes: Sequence[int], rows: Sequence[tuple[str, Callable[[int], str]]]
) -> list[str]:
    """Return a table with a column for each size."""
    head = f"| {what} | " + " | ".join(map(size_name, sizes)) + " |"
    return [
        head,
        "|---|" + "--:|" * len(sizes),
        *(f"| {name} | " + " | ".join(map(cell, sizes)) + " |" for name, cell in rows),
        "",
    ]


def build_lines(constants: BuildConstants, prices: Prices) -> list[str]:
    """Return the constants and the table of builds."""
    n_targets = constants.n_targets

    def gpu_h(n: int) -> float:
        return translation_gpu_h(n, n_targets, TOKENS_PER_CELL)

    def disk(n: int) -> float:
        return (constants.work_bytes.at(n) + constants.corpus_bytes.at(n)) / GB

    stages = ", ".join(
        f"{name} {1e6 * line.each / (n_targets if name in PER_CELL else 1):.0f}"
        f" a {'cell' if name in PER_CELL else 'row'}"
        for name, line in constants.stages.items()
    )
    return [
        f"Build, {n_targets} languages. Microseconds of CPU: {stages}; start "
        f"{constants.start_s:.1f} s.",
        f"Bytes a row: work folder {constants.work_bytes.each:.0f}, corpus "
        f"{constants.corpus_bytes.each:.0f}, memory {constants.index_bytes:.0f} (index of "
        f"near-duplicates) and {constants.seen_bytes:.0f} (hashes of rows).",
        "",
        *table(
            "rows",
            BUILD_SIZES,
            [
                (
                    "translation, hours of an A10G (dollars)",
                    lambda n: f"{short(gpu_h(n))} ({short(gpu_h(n) * prices.a10g_h)})",
                ),
                ("own work, hours of a core", lambda n: short(constants.cpu_s(n) / 3600)),
                ("of these in a single process", lambda n: short(constants.serial_s(n) / 3600)),
                (
                    "`hexapla filter`, in a single process, hours",
                    lambda n: short(constants.filter_s(n) / 3600),
                ),
                ("memory at the peak, GB", lambda n: short(constants.memory(n) / GB)),
                (
                    "disk at the peak, GB (dollars a month)",
                    lambda n: f"{short(disk(n))} ({short(disk(n) * prices.gb_month)})",
                ),
                (
                    "corpus, GB, in Parquet files",
                    lambda n: (
                        f"{short(constants.corpus_bytes.at(n) / GB)} in "
                        f"{math.ceil(n / PART_ROWS):,}"
                    ),
                ),
                (
                    f"files of the work folder, {SHARD_ROWS:,} rows a shard",
                    lambda n: f"{work_files(n, n_targets):,}",
                ),
            ],
        ),
    ]


PER_CELL = ("cells", "statistics", "judge")


def align_lines(constants: AlignConstants, prices: Prices) -> list[str]:
    """Return the constants and the tables of alignments."""
    tokens = constants.tokens_per_row

    def epoch(n: int, n_gpus: int) -> str:
        hours = align_hours(n, n_gpus, n_gpus * ROWS_PER_STEP, tokens)
        steps = math.ceil(n / n_gpus / ROWS_PER_STEP)
        duration = f"{short(hours)} h" if hours >= 1 else f"{short(60 * hours)} min"
        return f"{duration}, {short(hours * n_gpus * prices.a100_h)} $, {steps:,} steps"

    core_s = 6 * XLMR_WEIGHTS / constants.peak_flops / constants.train_share
    memory = constants.rank_memory
    lines = [
        f"Alignment. {tokens:.0f} tokens a row of {constants.n_columns} cells; a core multiplies "
        f"matrices at {constants.peak_flops / 1e9:.0f} GFLOP/s, of which training reaches "
        f"{constants.train_share:.2f} and encoding {constants.encode_share:.2f}.",
        "Tokens a second of XLM-R base for each TFLOPS of the peak at these shares: training "
        f"{constants.tokens_per_tflops(constants.train_share, 3):,.0f}, encoding "
        f"{constants.tokens_per_tflops(constants.encode_share, 1):,.0f}.",
        f"Tokenising {1e3 * constants.tokenise_s:.2f} ms of CPU a row, caches "
        f"{constants.cache_bytes:.0f} bytes a row, the sampler {constants.sampler_bytes:.0f} bytes "
        f"and {1e6 * constants.sampler_s:.1f} microseconds a cell.",
        "",
        *table(
            "rows",
            ALIGN_SIZES,
            [
                (
                    "XLM-R base, an epoch, hours of a core here",
                    lambda n: short(n * tokens * core_s / 3600),
                ),
                *((f"on {n_gpus} A100", lambda n, g=n_gpus: epoch(n, g)) for n_gpus in GPUS),
                ("caches on the disk, GB", lambda n: short(n * constants.cache_bytes / GB)),
                (
                    "tokenising in one process, minutes of CPU",
                    lambda n: short(n * constants.tokenise_s / 60),
                ),
                (
                    "start of every process, minutes of CPU",
                    lambda n: short(n * constants.n_columns * constants.sampler_s / 60),
                ),
                ("memory of every process for it, GB", lambda n: short(memory(n) / GB)),
            ],
        ),
        "| A100 | rows a step | encoder, ms | loss, ms | network, ms | table of same rows, MB |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for n_gpus, rows in ((1, 64), (8, 512), (64, 4096), (64, 16_384), (64, 65_536)):
        step = step_time(n_gpus, rows, tokens, cached=False)
        times = " | ".join(short(1000 * seconds) for seconds in step)
        lines.append(f"| {n_gpus} | {rows:,} | {times} | {short(rows**2 / 1e6)} |")
    return [*lines, ""]


def mine_lines(constants: MineConstants, prices: Prices) -> list[str]:
    """Return the constants and the table of mining."""
    n_bytes = constants.vector_bytes

    def encoding(n: int) -> str:
        hours = encode_gpu_h(2 * n, TOKENS_PER_SENTENCE)
        return f"{short(hours)} ({short(hours * prices.a100_h)})"

    def cores(kind: str) -> Callable[[int], str]:
        def cell(n: int) -> str:
            hours = getattr(constants, kind)(n).core_h
            return f"{short(hours)} ({short(hours * prices.core_h)})"

        return cell

    def driver(kind: str) -> Callable[[int], str]:
        def cell(n: int) -> str:
            search = getattr(constants, kind)(n)
            received = search.received_bytes / GB / 1000
            return f"{short(search.driver_h)} h, {short(received)} TB, {search.n_tasks:,} tasks"

        return cell

    def sent(kind: str) -> Callable[[int], str]:
        def cell(n: int) -> str:
            return short(getattr(constants, kind)(n).sent_bytes / GB / 1000)

        return cell

    return [
        f"Mining. Exact search {1e9 * constants.comparison_s:.1f} ns of CPU for two sentences of "
        f"384 dimensions, both directions; a shard's index {constants.index_s:.0f} s, a vector in "
        f"it {1e3 * constants.query_s:.2f} ms, merging its neighbours "
        f"{1e6 * constants.merge_s:.1f} microseconds.",
        f"Bytes: {n_bytes:.0f} on the disk for a vector, {constants.side_bytes:.0f} of memory for "
        f"a sentence, {constants.pair_bytes:.0f} for a pair written as TSV; "
        f"{1e6 * constants.sentence_s:.0f} microseconds a sentence without its encoder.",
        "",
        *table(
            "sentences a side",
            MINE_SIZES,
            [
                ("encoding by XLM-R base, hours of an A100 (dollars)", encoding),
                ("vectors of both sides, GB", lambda n: short(2 * n * n_bytes / GB)),
                ("texts in memory, GB", lambda n: short(2 * n * constants.side_bytes / GB)),
                ("and while TSV is written, GB", lambda n: short(constants.memory(n) / GB)),
                ("exact search, hours of a core (dollars)", cores("exact_cluster")),
                ("its driver merges, receives", driver("exact_cluster")),
                ("IVF-PQ, hours of a core (dollars)", cores("approximate_cluster")),
                ("its driver merges, receives", driver("approximate_cluster")),
                ("vectors that tasks of either read, TB", sent("approximate_cluster")),
                ("FAISS on a Titan X, as published, hours", lambda n: short(graph_gpu_h(n))),
            ],
        ),
    ]


LINES: dict[str, Callable[[Any, Prices], list[str]]] = {
    "build": build_lines,
    "align": align_lines,
    "mine": mine_lines,
}
