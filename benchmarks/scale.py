"""Measure what a row, a cell, a token and a comparison cost here, and tell what large sizes cost.

In: real rows from the folder `HEXAPLA_DATA` (by default ../shared/data; see recipes/README.md), or
the packaged sample where there is no such folder.
Out: the constants, and the tables of docs/scale.md. `--check` predicts a build of 20,000 rows, an
alignment of 1,000 and a mining of 40,000 sentences a side from the constants, which come from
smaller runs, then makes these runs; it ends with 1 if one is off by more than 20 %. Constants that
`--constants FILE` has are not measured again, and others are added to it.

    python -m benchmarks.scale [build align mine] [--check] [--constants FILE] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import scale_parts, scale_runs, scale_tables
from benchmarks.load import write_sides, write_static_encoder
from benchmarks.scale_model import (
    ROWS_PER_STEP,
    AlignConstants,
    BuildConstants,
    Line,
    MineConstants,
    Prices,
    work_files,
)
from benchmarks.scale_runs import Run, in_new_process
from hexapla.runs.atomic import write_json

BUILD_SIZES, BUILD_CHECK = (2_000, 8_000), 20_000
ALIGN_SIZE, ALIGN_CHECK = 200, 1_000
MINE_SIZE, MINE_CHECK = 10_000, 40_000
STAGES = ("plan", "cells", "statistics", "judge", "assemble")
MOST_OFF = 0.2
MB = 1e6
Compared = list[tuple[str, float, float, str]]
"""Name, predicted, measured, unit."""


def build(n_rows: int) -> Run:
    """Build n rows."""
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name), Path(name) / "rows.tsv"
        scale_runs.write_rows(table, n_rows)
        return in_new_process(scale_runs.run_build, str(table), name, folder=folder)


def align(n_rows: int) -> Run:
    """Align on n rows."""
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name), Path(name) / "rows.tsv"
        scale_runs.write_rows(table, n_rows)
        return in_new_process(scale_runs.run_align, str(table), name, folder=folder)


def mine(n: int) -> Run:
    """Mine n sentences a side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, target = write_sides(folder, n)
        write_static_encoder(folder / "static")
        paths = (str(source), str(target), str(folder / "static"), name)
        return in_new_process(scale_runs.run_mine, *paths, folder=folder)


def median(runs: Sequence[Run], name: str) -> float:
    """Return the median of a part over runs."""
    return statistics.median(run.parts[name] for run in runs)


def median_peak(runs: Sequence[Run]) -> float:
    """Return the median of the peak memory over runs."""
    return statistics.median(run.peak for run in runs)


def measure_build(rounds: int) -> BuildConstants:
    """Measure builds of two sizes, in turns, and the index of near-duplicates."""
    runs: dict[int, list[Run]] = {n: [] for n in BUILD_SIZES}
    for _ in range(rounds):
        for n, of_size in runs.items():
            of_size.append(build(n))
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "rows.tsv"
        scale_runs.write_rows(table, BUILD_CHECK)
        index = in_new_process(scale_parts.run_index, str(table), folder=Path(name))
    low, high = BUILD_SIZES

    def line(part: str) -> Line:
        return Line.through((low, median(runs[low], part)), (high, median(runs[high], part)))

    per_row = index["index bytes"] + index["seen bytes"]
    return BuildConstants(
        start_s=median(runs[low] + runs[high], "start"),
        stages={stage: line(stage) for stage in STAGES},
        work_bytes=line("work bytes"),
        corpus_bytes=line("corpus bytes"),
        base_bytes=median_peak(runs[high]) - high * per_row,
        index_bytes=index["index bytes"],
        seen_bytes=index["seen bytes"],
    )


def measure_align(rounds: int) -> AlignConstants:
    """Measure alignments of the tiny encoder, its encoding, and the sampler."""
    runs = [align(ALIGN_SIZE) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "rows.tsv"
        scale_runs.write_rows(table, BUILD_SIZES[0])
        arguments = (str(table), ALIGN_SIZE // 2, rounds)
        rates = in_new_process(scale_parts.run_rates, *arguments, folder=Path(name))
    n_tokens = median(runs, "tokens")
    row_s = rates["tokenise s"] + rates["dataset s"]
    token_s = median(runs, "step") * median(runs, "steps") / n_tokens
    return AlignConstants(
        start_s=median(runs, "other") - ALIGN_SIZE * row_s,
        token_s=token_s,
        tokens_per_row=n_tokens / ALIGN_SIZE,
        tokenise_s=rates["tokenise s"],
        dataset_s=rates["dataset s"],
        cache_bytes=median(runs, "cache bytes") / ALIGN_SIZE,
        encoder_bytes=median(runs, "encoder bytes"),
        memory_bytes=median_peak(runs),
        sampler_bytes=rates["sampler bytes"],
        sampler_s=rates["sampler s"],
        train_share=3 * rates["operations"] / token_s / rates["peak"],
        encode_share=rates["share"],
        peak_flops=rates["peak"],
    )


def measure_mine(rounds: int) -> MineConstants:
    """Measure minings, the memory of their texts, and the search of a shard of a cluster."""
    runs = [mine(MINE_SIZE) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, _ = write_sides(folder, MINE_SIZE)
        texts = in_new_process(scale_parts.run_texts, str(source), MINE_SIZE, name, folder=folder)
        shard = in_new_process(scale_parts.run_shard, name, folder=folder)
    per_sentence = 2 * texts["side bytes"] + texts["pair bytes"]
    others = sum(median(runs, part) for part in ("sides", "encode", "pairs", "write"))
    return MineConstants(
        start_s=median(runs, "start"),
        sentence_s=others / MINE_SIZE / 2,
        comparison_s=median(runs, "search") / MINE_SIZE**2,
        side_bytes=texts["side bytes"],
        pair_bytes=texts["pair bytes"],
        base_bytes=median_peak(runs) - MINE_SIZE * per_sentence,
        vector_bytes=median(runs, "vector bytes") / MINE_SIZE / 2,
        index_s=shard["index s"],
        query_s=shard["query s"],
        merge_s=shard["merge s"],
    )


def check_build(constants: BuildConstants) -> Compared:
    """Compare a build that is larger than those measured with its prediction."""
    n, run = BUILD_CHECK, build(BUILD_CHECK)
    return [
        ("CPU without the translator", constants.cpu_s(n), run.cpu_s, "s"),
        ("peak memory", constants.memory(n) / MB, run.peak / MB, "MB"),
        ("work folder", constants.work_bytes.at(n) / MB, run.parts["work bytes"] / MB, "MB"),
        ("corpus", constants.corpus_bytes.at(n) / MB, run.parts["corpus bytes"] / MB, "MB"),
        ("files", work_files(n, constants.n_targets), run.parts["files"], ""),
    ]


def check_align(constants: AlignConstants) -> Compared:
    """Compare an alignment that is larger than those measured with its prediction."""
    n, run = ALIGN_CHECK, align(ALIGN_CHECK)
    return [
        ("CPU", constants.cpu_s(n), run.cpu_s, "s"),
        ("peak memory", constants.memory_bytes / MB, run.peak / MB, "MB"),
        ("caches", constants.cache_bytes * n / MB, run.parts["cache bytes"] / MB, "MB"),
        ("encoder", constants.encoder_bytes / MB, run.parts["encoder bytes"] / MB, "MB"),
    ]


def check_mine(constants: MineConstants) -> Compared:
    """Compare a mining that is larger than those measured with its prediction."""
    n, run = MINE_CHECK, mine(MINE_CHECK)
    search_s = n**2 * constants.comparison_s
    return [
        ("CPU", constants.cpu_s(n), run.cpu_s, "s"),
        ("of these the search", search_s, run.parts["search"], "s"),
        ("peak memory", constants.memory(n) / MB, run.peak / MB, "MB"),
        ("vectors", 2 * n * constants.vector_bytes / MB, run.parts["vector bytes"] / MB, "MB"),
    ]


MEASURES: dict[str, Callable[[int], Any]] = {
    "build": measure_build,
    "align": measure_align,
    "mine": measure_mine,
}
CHECKS: dict[str, tuple[str, Callable[[Any], Compared]]] = {
    "build": (
        f"build of {BUILD_CHECK:,} rows from {BUILD_SIZES[0]:,} and {BUILD_SIZES[1]:,}",
        check_build,
    ),
    "align": (f"alignment on {ALIGN_CHECK:,} rows from {ALIGN_SIZE:,}", check_align),
    "mine": (
        f"mining of {MINE_CHECK:,} x {MINE_CHECK:,} from {MINE_SIZE:,} x {MINE_SIZE:,}",
        check_mine,
    ),
}


def read_constants(path: Path | None) -> dict[str, Any]:
    """Return the constants of a file by their part; none if there is no file."""
    content = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    if "build" in content:
        given = content["build"]
        lines = {name: Line(*given[name]) for name in ("work_bytes", "corpus_bytes")}
        stages = {name: Line(*values) for name, values in given["stages"].items()}
        content["build"] = BuildConstants(**{**given, **lines, "stages": stages})
    for name, kind in (("align", AlignConstants), ("mine", MineConstants)):
        if name in content:
            content[name] = kind(**content[name])
    return dict(content)


def print_check(name: str, constants: Any) -> bool:
    """Make the larger run of a part, and print it beside its prediction.

    Returns:
        Whether all predictions are near enough.
    """
    title, check = CHECKS[name]
    print(f"{title}\n| | predicted | measured | off |\n|---|--:|--:|--:|")
    near = True
    for what, predicted, measured, unit in check(constants):
        off = predicted / measured - 1
        near &= abs(off) <= MOST_OFF
        print(f"| {what} | {predicted:,.1f} {unit} | {measured:,.1f} {unit} | {off:+.1%} |")
    print(flush=True)
    return near


def main() -> None:
    """Measure, and print the tables or the checks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*MEASURES, "all"], default="all")
    parser.add_argument("--check", action="store_true", help="predict larger runs and make them")
    parser.add_argument("--constants", type=Path, help="JSON file of constants, read and completed")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which medians are taken")
    for name, value in Prices()._asdict().items():
        words = name.replace("_", " ")
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=value, help=f"US dollars: {words}"
        )
    args = parser.parse_args()
    names = list(MEASURES) if "all" in args.parts else args.parts
    constants = read_constants(args.constants)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; "
        + ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "pyarrow"))
        + f"; steps of {scale_runs.ROWS_PER_STEP} rows here, {ROWS_PER_STEP} on a GPU",
        flush=True,
    )
    for name in names:
        if name not in constants:
            constants[name] = MEASURES[name](args.rounds)
            if args.constants:
                write_json(args.constants, {k: asdict(v) for k, v in constants.items()})
    if args.check:
        near = [print_check(name, constants[name]) for name in names]
        sys.exit(0 if all(near) else 1)
    prices = Prices(*(getattr(args, name) for name in Prices._fields))
    for name in names:
        print("\n".join(scale_tables.LINES[name](constants[name], prices)), flush=True)


if __name__ == "__main__":
    main()
