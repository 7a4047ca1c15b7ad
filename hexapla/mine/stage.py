"""Two piles of text and an encoder -> bitext: `hexapla mine`.

Both sides are read and encoded once, into files beside the output that an interrupted run goes on
from; neighbours are found within the memory that was given; what is mined is written last, whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from hexapla.encoder.load import encode, load_encoder
from hexapla.encoder.locate import describe
from hexapla.errors import InputError
from hexapla.mine.approximate import check_size, nearest_approximately
from hexapla.mine.bitext_files import check_file, write_table
from hexapla.mine.calibrate import Calibration, calibrate, read_gold
from hexapla.mine.config import MineConfig
from hexapla.mine.margin import Pairs, mine_pairs
from hexapla.mine.search import block_rows, nearest
from hexapla.mine.sides import Side, encode_side, read_side
from hexapla.runs.record import check_out, clear, write_run

Steps = Callable[[Iterable[list[str]]], Iterable[NDArray[np.floating]]]
_MOST_COMPARISONS = 10**12


def mine(config: MineConfig, *, quiet: bool = False) -> tuple[Pairs, Calibration | None]:
    """Find the sentences of two piles that translate one another, and write them, the best first.

    Args:
        config: What to mine.
        quiet: Show no progress; there is none either when stderr is no terminal.

    Returns:
        The pairs that were written, by the rows of the distinct sentences, and what the known pairs
        said.

    Raises:
        InputError: Files, an encoder or settings that cannot be used, too little memory, known
            pairs that name no sentence, or a file or another run that is there already. Nothing is
            written then.
    """
    check_file(config.out, overwrite=config.overwrite)
    source, target = (
        read_side(config.source, config.source_field),
        read_side(config.target, config.target_field),
    )
    smaller = min(len(source.sentences), len(target.sentences))
    if config.k > smaller:
        raise InputError(
            f"k is {config.k}; the smaller side has {smaller} different sentences, so lower it (--k)"
        )
    if config.search == "ivf-pq":
        check_size(smaller, "smaller side")
    gold = None if config.calibrate is None else read_gold(Path(config.calibrate), source, target)
    facts = describe(config.encoder)
    identity = {
        "source_sha256": source.sha256,
        "target_sha256": target.sha256,
        "encoder_sha256": facts.sha256,
    }
    check_out(
        config.work, "mine", identity, done="none", resume=config.resume, overwrite=config.overwrite
    )
    cluster = None
    if config.executor == "ray":
        from hexapla.mine.cluster import Cluster

        cluster = Cluster(config.workers, config.address, config.gpus)
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    dim = model.get_embedding_dimension() or 0
    n_comparisons = len(source.sentences) * len(target.sentences)
    exact = config.search == "exact" or (
        config.search == "auto" and n_comparisons <= _MOST_COMPARISONS
    )
    if exact:
        block_rows(len(source.sentences), len(target.sentences), dim, config.k, config.memory_mib)
    if not config.resume:
        clear(config.work)
        write_run(config.work, "mine", identity)
    if cluster is None:
        steps: Steps = partial(
            map, partial(encode, model, task="BitextMining", batch_size=config.batch_size)
        )
    else:
        loading = (config.encoder, config.trust_remote_code, config.allow_pickle)
        steps = partial(cluster.encode, loading=loading, batch_size=config.batch_size)
    sides = _encode((source, target), config.work, steps, dim, quiet=quiet)
    if exact and cluster is None:
        kept = config.work / "neighbours.safetensors"
        neighbours = nearest(*sides, config.k, memory_mib=config.memory_mib, kept=kept)
    elif exact and cluster is not None:
        neighbours = cluster.nearest(*sides, config.k, memory_mib=config.memory_mib)
    else:
        neighbours = (cluster.nearest_approximately if cluster else nearest_approximately)(
            *sides, config.k, seed=config.seed
        )
    pairs = mine_pairs(*neighbours, margin=config.margin, retrieval=config.retrieval)
    found = None if gold is None else calibrate(pairs, gold)
    threshold = config.threshold if found is None else found.threshold
    if threshold is not None:
        pairs = pairs.above(threshold)
    write_table(_table(pairs, source, target), config.out)
    shutil.rmtree(config.work)
    return pairs, found


def _encode(
    sides: tuple[Side, Side], work: Path, steps: Steps, dim: int, *, quiet: bool
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Return the vectors of both sides; equal sides are encoded once."""
    console = Console(stderr=True)
    with Progress(
        console=console, transient=True, disable=quiet or not console.is_terminal
    ) as progress:
        bars = [
            progress.add_task(f"encoding {side.name}", total=len(side.sentences)) for side in sides
        ]
        of_source, of_target = (
            encode_side(side, work / side.sha256[:32], steps, dim, partial(progress.advance, bar))
            for side, bar in zip(sides, bars, strict=True)
        )
    return of_source, of_target


def _table(pairs: Pairs, source: Side, target: Side) -> pa.Table:
    return pa.table(
        {
            "margin": pairs.margin,
            "cosine": pairs.cosine,
            "source_line": [source.places[row] for row in pairs.source],
            "target_line": [target.places[row] for row in pairs.target],
            "source": [source.sentences[row] for row in pairs.source],
            "target": [target.sentences[row] for row in pairs.target],
        }
    )


def told(found: Calibration) -> str:
    """Say what known pairs said.

    >>> told(Calibration(threshold=1.1, precision=0.5, recall=0.25, f1=1 / 3, n_gold=4, n_mined=2))
    'threshold 1.1000: precision 50.0 %, recall 25.0 %, F1 33.3 % (2 pairs of 4 known ones)'
    """
    shares = f"precision {100 * found.precision:.1f} %, recall {100 * found.recall:.1f} %, F1 {100 * found.f1:.1f} %"
    return f"threshold {found.threshold:.4f}: {shares} ({found.n_mined} pairs of {found.n_gold} known ones)"
