"""Two collections of text and an encoder -> bitext: `hexapla mine`.

Both sides are read and encoded once, into files beside the output from which an interrupted run
continues. Neighbours are searched within the given memory. The output is written last, whole.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.load import encode, load_encoder
from hexapla.encoder.locate import describe
from hexapla.mine.bitext_files import check_file, write_table
from hexapla.mine.calibrate import Calibration, calibrate, read_gold
from hexapla.mine.check_search import check_indexed, check_k, import_faiss
from hexapla.mine.config import MineConfig
from hexapla.mine.margin import Pairs, mine_pairs
from hexapla.mine.sides import Side, Steps, encode_side, read_side
from hexapla.runs.progress import Progress
from hexapla.runs.record import check_run_folder, remove_run, write_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hexapla.mine.cluster import Cluster
    from hexapla.mine.search import Neighbours

_MAX_COMPARISONS = 10**12  # of an exact search that nobody asked for


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What is mined, checked.

    Attributes:
        source: The source sentences.
        target: The target sentences.
        gold: Known pairs, if given.
        is_exact: Whether the search is exact.
        identity: Hashes of the sentences and the encoder, which tell one run from another.
    """

    source: Side
    target: Side
    gold: set[tuple[int, int]] | None
    is_exact: bool
    identity: dict[str, str]


def mine(config: MineConfig, *, quiet: bool = False) -> tuple[Pairs, Calibration | None]:
    """Find the sentences of two sides that translate each other; write them, the best first.

    Args:
        config: What to mine.
        quiet: Show no progress.

    Returns:
        The written pairs, by rows of the distinct sentences, and the calibration on known pairs if
        there were any.

    Raises:
        InputError: A file, the encoder or a setting cannot be used, the memory is too small, a
            known pair names a place without a sentence, or the output or another run exists
            already. Nothing is written then.
    """
    inputs = _read_inputs(config)
    neighbours = _find_neighbours(config, inputs, quiet)
    pairs = mine_pairs(*neighbours, margin=config.margin, retrieval=config.retrieval)
    calibration = None if inputs.gold is None else calibrate(pairs, inputs.gold)
    threshold = config.threshold if calibration is None else calibration.threshold
    if threshold is not None:
        pairs = pairs.above(threshold)
    write_table(_table(pairs, inputs.source, inputs.target), config.out)
    shutil.rmtree(config.work)
    return pairs, calibration


def _read_inputs(config: MineConfig) -> _Inputs:
    """Read both sides, and check all that can be checked without loading the encoder."""
    check_file(config.out, overwrite=config.overwrite)
    check_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    source = read_side(config.source, config.source_field)
    target = read_side(config.target, config.target_field)
    n_source, n_target = len(source.sentences), len(target.sentences)
    check_k(config.k, min(n_source, n_target))
    if config.search == "ivf-pq":
        check_indexed(min(n_source, n_target), "smaller side")
    is_exact = config.search == "exact" or (
        config.search == "auto" and n_source * n_target <= _MAX_COMPARISONS
    )
    if not is_exact and config.executor == "local":
        import_faiss()
    inputs = _Inputs(
        source=source,
        target=target,
        gold=None if config.calibrate is None else read_gold(config.calibrate, source, target),
        is_exact=is_exact,
        identity={
            "source_sha256": source.sha256,
            "target_sha256": target.sha256,
            "encoder_sha256": describe(config.encoder).sha256,
        },
    )
    check_run_folder(
        config.work,
        "mine",
        inputs.identity,
        done="none",
        resume=config.resume,
        overwrite=config.overwrite,
    )
    return inputs


def _find_neighbours(
    config: MineConfig, inputs: _Inputs, quiet: bool
) -> tuple[Neighbours, Neighbours]:
    """Encode both sides and find their nearest neighbours, on this machine or on a cluster."""
    cluster = _connect(config)
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    dim = model.get_embedding_dimension() or 0
    if inputs.is_exact:
        from hexapla.mine.search import block_rows

        n_source, n_target = len(inputs.source.sentences), len(inputs.target.sentences)
        block_rows(n_source, n_target, dim, config.k, config.memory_mib)
    if not config.resume:
        remove_run(config.work)
        write_record(config.work, "mine", inputs.identity)
    if cluster is None:
        steps: Steps = partial(
            map, partial(encode, model, task="BitextMining", batch_size=config.batch_size)
        )
    else:
        loading = (config.encoder, config.trust_remote_code, config.allow_pickle)
        steps = partial(cluster.encode, loading=loading, batch_size=config.batch_size)
    with Progress(quiet=quiet) as progress:
        sides = (inputs.source, inputs.target)
        bars = [
            progress.add(f"encoding {side.name}", len(side.sentences), unit="sentences")
            for side in sides
        ]
        of_source, of_target = (
            # Equal sides share a folder, so they are encoded once.
            encode_side(side, config.work / side.sha256[:32], steps, dim, bar)
            for side, bar in zip(sides, bars, strict=True)
        )
    return _search(config, cluster, of_source, of_target, is_exact=inputs.is_exact)


def _connect(config: MineConfig) -> Cluster | None:
    if config.executor == "local":
        return None
    from hexapla.mine.cluster import Cluster

    return Cluster(config.workers, config.address, config.gpus)


def _search(
    config: MineConfig,
    cluster: Cluster | None,
    source: NDArray[np.float16],
    target: NDArray[np.float16],
    *,
    is_exact: bool,
) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours of the (S, D) source vectors and of the (T, D) target vectors."""
    from hexapla.mine.approximate import nearest_approximately
    from hexapla.mine.search import nearest

    if not is_exact:
        search = nearest_approximately if cluster is None else cluster.nearest_approximately
        return search(source, target, config.k, seed=config.seed)
    if cluster is not None:
        return cluster.nearest(source, target, config.k, memory_mib=config.memory_mib)
    saved = config.work / "neighbours.safetensors"
    return nearest(source, target, config.k, memory_mib=config.memory_mib, saved=saved)


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
