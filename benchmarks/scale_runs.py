"""The runs of `benchmarks.scale`, each in a new process: a build, an alignment and a mining.

In: real rows of seven languages from the folder `HEXAPLA_DATA` (by default ../shared/data; see
recipes/README.md), without near-duplicates; the joined sentences of `benchmarks.load` where there
is no such folder. Sides to mine are those of `benchmarks.load`.
Out: what each run took in seconds of CPU, stage by stage, in bytes and in files. CPU seconds are
those of all threads of the process, so other load on the machine hardly counts.
"""

from __future__ import annotations

import importlib
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

import numpy as np

from benchmarks.kept import peak_bytes

LANGUAGES = (
    *("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans"),
    "jpn_Jpan",
)
DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
FILES = ("stsb-mt/train.parquet", "courses/train.parquet", "ntrex/test.parquet")
ROWS_PER_STEP = 32  # of an alignment
Result = TypeVar("Result")


class Run(NamedTuple):
    """What one run took.

    Attributes:
        cpu_s: Seconds of CPU of the whole process.
        peak: Bytes of resident memory at their peak.
        parts: Seconds of CPU, bytes and counts of its parts, by name.
    """

    cpu_s: float
    peak: float
    parts: dict[str, float]


def in_new_process(function: Callable[..., Result], *arguments: object, folder: Path) -> Result:
    """Call a function in a new process, whose cache of datasets lies in a folder."""
    with (
        patch.dict(os.environ, {"HF_DATASETS_CACHE": str(folder / "cache")}),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(function, *arguments).result()


class Stopwatch:
    """Adds up the seconds of CPU that functions of Hexapla take, while they are watched.

    Attributes:
        seconds: By the name under which a function is watched.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def watch(
        self, places: dict[str, str], before: dict[str, Callable[[], None]] | None = None
    ) -> Iterator[None]:
        """Watch functions and methods.

        Args:
            places: Name -> "module:function" or "module:Class.method".
            before: Name -> what to call first, uncounted.
        """
        with ExitStack() as stack:
            for name, place in places.items():
                module, path = place.split(":")
                owner: Any = importlib.import_module(module)
                *classes, attribute = path.split(".")
                for each in classes:
                    owner = getattr(owner, each)
                watched = self._watched(name, getattr(owner, attribute), (before or {}).get(name))
                stack.enter_context(patch.object(owner, attribute, watched))
            yield

    def _watched(
        self, name: str, function: Callable[..., Any], first: Callable[[], None] | None
    ) -> Callable[..., Any]:
        def watched(*arguments: Any, **settings: Any) -> Any:
            if first is not None:
                first()
            started = time.process_time()
            try:
                return function(*arguments, **settings)
            finally:
                self.seconds[name] += time.process_time() - started

        return watched


def folder_size(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of the files in a folder, also in folders within it."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


@cache
def read_rows() -> tuple[tuple[str, ...], ...]:
    """Return all complete rows of the data in an order drawn by a seed, none nearly repeated."""
    import random

    import pyarrow.parquet as pq

    from hexapla.corpus.near_duplicates import NearDuplicates

    files = [DATA / name for name in FILES if (DATA / name).is_file()]
    if not files:
        from benchmarks.load import rows

        return tuple(rows(30_000, languages=LANGUAGES))
    found: list[tuple[str, ...]] = []
    for file in files:
        columns = [pq.read_table(file, columns=[code]).column(0).to_pylist() for code in LANGUAGES]
        found += [row for row in zip(*columns, strict=True) if all(row)]
    random.Random(0).shuffle(found)
    seen = NearDuplicates()
    return tuple(row for row in found if seen.add(row[0]) is None)


def write_rows(path: Path, n_rows: int) -> int:
    """Write rows as a TSV file with a header; return the bytes of the cells.

    Raises:
        ValueError: There are fewer rows.
    """
    rows = read_rows()[:n_rows]
    if len(rows) < n_rows:
        raise ValueError(f"{n_rows} rows are asked for, and there are {len(rows)} different ones")
    lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
    path.write_text("\n".join(["\t".join(LANGUAGES), *lines, ""]), encoding="utf-8")
    return sum(len(line.encode()) for line in lines)


class Known:
    """A translator that looks translations up on the disk, and so takes no memory for them."""

    multilingual = True

    def __init__(self, table: Path) -> None:
        self._base = sqlite3.connect(table.with_name("known.sqlite"))
        self._base.execute("CREATE TABLE known (pivot PRIMARY KEY, " + ", ".join(LANGUAGES) + ")")
        with table.open(encoding="utf-8") as lines, self._base:
            next(lines)
            cells = (line.rstrip("\n").split("\t") for line in lines)
            marks = ", ".join("?" * (len(LANGUAGES) + 1))
            rows = ((row[0], *row) for row in cells)
            self._base.executemany(f"INSERT INTO known VALUES ({marks})", rows)

    def check(self, targets: Sequence[str]) -> None:
        """Know all languages."""

    def facts(self) -> dict[str, object]:
        """Return the name."""
        return {"translator": "known"}

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Any]:
        """Return the translations, with a log-probability that varies as that of a model does."""
        from hexapla.translate.translator import Translation

        translations = []
        for text, code in zip(texts, targets, strict=True):
            found = self._base.execute(f"SELECT {code} FROM known WHERE pivot = ?", (text,))
            (written,) = found.fetchone() or (None,)
            translations.append(Translation(written, log_prob=-0.2 - len(text) % 10 / 50))
        return translations

    def close(self) -> None:
        """Keep the table."""


def run_build(table: str, folder: str) -> Run:
    """Build the rows of a table with translations that are known."""
    started = time.process_time()
    logging.disable()
    from hexapla.build import BuildConfig, build
    from hexapla.sources import SourceConfig

    place, out = Path(folder), Path(folder) / "corpus"
    text = place / "text.txt"
    with Path(table).open(encoding="utf-8") as lines, text.open("w", encoding="utf-8") as file:
        next(lines)
        file.writelines(line.split("\t")[0] + "\n" for line in lines)
    translator = Known(Path(table))
    config = BuildConfig(
        source=SourceConfig(texts=(str(text),), split_sentences=False, min_characters=1),
        to=LANGUAGES[1:],
        translator=translator,  # type: ignore[arg-type]
        out=out,
        max_loss=1.0,
    )
    sizes: dict[str, float] = {}

    def measure_work() -> None:
        sizes["work bytes"], sizes["files"] = folder_size(config.work)

    stopwatch = Stopwatch()
    places = {
        "known": "benchmarks.scale_runs:Known.translate",
        "plan": "hexapla.build.stage:plan_shards",
        "cells": "hexapla.build.shard_worker:ShardWorker._translate",
        "statistics": "hexapla.build.stage:_Run._measure",
        "judge": "hexapla.build.shard_worker:ShardWorker._judge",
        "assemble": "hexapla.build.assemble:Assembly.write",
    }
    with stopwatch.watch(places, {"assemble": measure_work}):
        build(config, quiet=True)
    ended = time.process_time()
    parts = {**stopwatch.seconds, **sizes, "corpus bytes": float(folder_size(out)[0])}
    # Cells that the filters reject, which are few, are looked up again as they are judged.
    known_s = parts.pop("known")
    parts["cells"] -= known_s
    cpu_s = ended - started - known_s
    parts["start"] = cpu_s - sum(parts[name] for name in places if name != "known")
    return Run(cpu_s, peak_bytes(), parts)


def run_align(table: str, folder: str) -> Run:
    """Align the tiny encoder on the rows of a table for one epoch."""
    started = time.process_time()
    logging.disable()
    from transformers import TrainerCallback
    from transformers.utils.logging import disable_progress_bar

    from hexapla.alignment import align
    from hexapla.alignment.config import AlignConfig
    from hexapla.alignment.trainer_setup import _callbacks

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            ends.append(time.process_time())

    disable_progress_bar()
    cache_folder = Path(os.environ["HF_DATASETS_CACHE"])
    config = AlignConfig(
        corpus=table,
        encoder="tiny",
        out=Path(folder) / "encoder",
        rows_per_step=ROWS_PER_STEP,
        temperature=0.05,
        margin=0.0,
        whiten="none",
        preserve=0.0,
        alpha=1.0,
        cells_per_row=0,
        report_to="none",
        precision="fp32",
    )
    clock = patch(
        "hexapla.alignment.trainer_setup._callbacks",
        lambda *given: [*_callbacks(*given), Clock()],
    )
    with clock:
        align(config, quiet=True)
    n_tokens = _count_tokens(cache_folder)
    ended = time.process_time()
    # The first step also warms up, so its seconds count as those of the start.
    step_s = (ends[-1] - ends[0]) / (len(ends) - 1)
    parts = {
        "step": step_s,
        "steps": len(ends),
        "tokens": n_tokens,
        "other": ended - started - step_s * len(ends),
        "cache bytes": folder_size(cache_folder)[0],
        "encoder bytes": folder_size(config.out)[0],
    }
    return Run(ended - started, peak_bytes(), parts)


def _count_tokens(cache_folder: Path) -> int:
    (ids,) = cache_folder.rglob("ids.npy")
    return len(np.load(ids, mmap_mode="r"))


def run_mine(source: str, target: str, encoder: str, folder: str) -> Run:
    """Mine two sides exactly, on one thread, with an encoder that costs next to nothing."""
    started = time.process_time()
    logging.disable()
    import torch

    from hexapla.mine import mine
    from hexapla.mine.config import MineConfig

    torch.set_num_threads(1)
    out = Path(folder) / "bitext.tsv"
    config = MineConfig(source=source, target=target, encoder=encoder, out=out, search="exact")
    sizes: dict[str, float] = {}

    def measure_work() -> None:
        sizes["vector bytes"] = folder_size(config.work)[0]

    stopwatch = Stopwatch()
    places = {
        "load": "hexapla.mine.stage:load_encoder",
        "search": "hexapla.mine.search:nearest",
        "pairs": "hexapla.mine.stage:mine_pairs",
        "write": "hexapla.mine.stage:write_table",
        "sides": "hexapla.mine.stage:read_side",
        "encode": "hexapla.mine.stage:encode_side",
    }
    with stopwatch.watch(places, {"pairs": measure_work}):
        mine(config, quiet=True)
    ended = time.process_time()
    parts = {**stopwatch.seconds, **sizes, "bitext bytes": out.stat().st_size}
    parts["start"] = ended - started - sum(stopwatch.seconds.values()) + parts.pop("load")
    return Run(ended - started, peak_bytes(), parts)
