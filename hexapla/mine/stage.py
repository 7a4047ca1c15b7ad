"""Two piles of text and an encoder -> bitext: `hexapla mine`.

Both sides are read and encoded once, into files beside the output that an interrupted run goes on
from; neighbours are found within the memory that was given; what is mined is written last, whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from hexapla.encoder.load import describe, encode, load_encoder
from hexapla.errors import InputError
from hexapla.errors import nearest as nearest_word
from hexapla.mine.approximate import check_size, nearest_approximately
from hexapla.mine.bitext_files import check_ending, check_file, write_table
from hexapla.mine.calibrate import Calibration, calibrate, read_gold
from hexapla.mine.margin import Margin, Pairs, Retrieval, mine_pairs
from hexapla.mine.search import block_rows, nearest
from hexapla.mine.sides import Side, encode_side, read_side
from hexapla.runs.record import check_out, clear, write_run

SearchKind = Literal["auto", "exact", "ivf-pq"]
Steps = Callable[[Iterable[list[str]]], Iterable[NDArray[np.floating]]]
_MOST_COMPARISONS = 10**12


@dataclass(frozen=True, kw_only=True)
class MineConfig:
    """What to mine.

    Attributes:
        source: A file or folder of text, JSONL, CSV, TSV or Parquet, plain or compressed.
        target: Likewise.
        encoder: A Hub name, an encoder folder, or "tiny".
        out: The file to write, `.tsv` or `.parquet`.
        source_field: That holds the text, of anything but lines of text.
        target_field: Likewise.
        k: Neighbours that a margin score takes the mean of.
        margin: "ratio", "distance" or "absolute"; see `margin_scores`.
        retrieval: "max", "intersection", "forward" or "backward"; see `mine_pairs`.
        threshold: Only pairs whose margin score reaches it are written; None for all.
        calibrate: A file of known pairs, which choose the threshold instead.
        search: "exact" compares each with each, "ivf-pq" takes FAISS's candidates and ranks them
            exactly, "auto" is exact for up to 10^12 comparisons, a million a side.
        memory_mib: What the exact search may take besides the memory-mapped vectors; on a cluster,
            each task of it.
        batch_size: Texts in one forward pass.
        executor: "local", or a "ray" cluster, on all machines of which the encoder's name must mean
            the same.
        workers: Tasks of the cluster at once.
        address: Of the Ray cluster; None for the one that this machine belongs to, or else one of
            its own.
        gpus: That Ray gives to a task; may be a part of one.
        seed: Of the sample that FAISS's index is trained on.
        resume: Go on with an interrupted run.
        overwrite: Replace the file, or the interrupted run, that is there.
        trust_remote_code: Run the encoder's own code.
        allow_pickle: Load weights other than safetensors.
    """

    source: str
    target: str
    encoder: str
    out: Path
    source_field: str | None = None
    target_field: str | None = None
    k: int = 4
    margin: Margin = "ratio"
    retrieval: Retrieval = "max"
    threshold: float | None = None
    calibrate: Path | None = None
    search: SearchKind = "auto"
    memory_mib: int = 2048
    batch_size: int = 64
    executor: Literal["local", "ray"] = "local"
    workers: int = 1
    address: str | None = None
    gpus: float = 0.0
    seed: int = 0
    resume: bool = False
    overwrite: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        """Check every value by itself."""
        object.__setattr__(self, "out", Path(self.out))
        for key, allowed in (
            ("margin", get_args(Margin)),
            ("retrieval", get_args(Retrieval)),
            ("search", get_args(SearchKind)),
            ("executor", ("local", "ray")),
        ):
            value = getattr(self, key)
            if value not in allowed:
                raise InputError(
                    f'{key} is "{value}"; it must be {", ".join(allowed)}{nearest_word(value, allowed)}'
                )
        if self.executor == "local" and (
            self.workers != 1 or self.address is not None or self.gpus
        ):
            raise InputError(
                "workers, address and gpus are of a Ray cluster; say --executor ray with them"
            )
        for key in ("k", "memory_mib", "batch_size", "workers"):
            if getattr(self, key) < 1:
                raise InputError(f"{key} is {getattr(self, key)}; it must be 1 or more")
        if self.gpus < 0:
            raise InputError(f"gpus is {self.gpus:g}; it must be 0 or more")
        if self.threshold is not None and self.calibrate is not None:
            raise InputError(
                "both threshold and calibrate are given; the known pairs choose the threshold, so give one"
            )
        check_ending(self.out)
        if self.resume and self.overwrite:
            raise InputError(
                "both --resume and --overwrite; the one goes on with what is there, the other drops it"
            )

    @property
    def work(self) -> Path:
        """The folder of the unfinished run, beside the file."""
        return self.out.with_name(f"{self.out.name}.mining")


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
