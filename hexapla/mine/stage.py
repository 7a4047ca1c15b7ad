"""Two collections of text and an encoder -> bitext: `hexapla mine`.

Both sides are read and encoded once, into files beside the output from which an interrupted run
continues. Neighbours are searched within the given memory. The output is written last, whole.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.encode import encode_steps
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import describe
from hexapla.mine.bitext_files import check_file, write_table
from hexapla.mine.calibrate import Calibration, calibrate, read_gold
from hexapla.mine.check_search import check_indexed, check_k, import_faiss
from hexapla.mine.config import MineConfig
from hexapla.mine.disk_space import allocated, check_room
from hexapla.mine.finished import read_finished
from hexapla.mine.margin import Pairs, mine_pairs
from hexapla.mine.sides import Side, Steps, encode_side, read_side, vectors_path
from hexapla.runs.progress import Progress
from hexapla.runs.record import (
    RunRecord,
    check_apart,
    check_run_folder,
    read_record,
    write_record,
)
from hexapla.runs.run_folder import hold_run, remove_run
from hexapla.runs.schema import OPTIONAL
from hexapla.text.limits import with_text_limit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hexapla.mine.cluster import Cluster
    from hexapla.mine.search import Neighbours

_MAX_COMPARISONS = 10**12  # of an exact search that nobody asked for
_NEIGHBOURS = "neighbours.safetensors"
_WORK_FILES = ("run.json", _NEIGHBOURS, "*/vectors.f16", "*/done.json")
_log = logging.getLogger(__name__)


class _MineRecord(RunRecord):
    replaces: bool = OPTIONAL


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What is mined, checked.

    Attributes:
        source: The source sentences.
        target: The target sentences.
        gold: Known pairs, if given.
        is_exact: Whether the search is exact.
        identity: Hashes of the sentences and the encoder, and how it reads them, which tell one
            run from another.
    """

    source: Side
    target: Side
    gold: set[tuple[int, int]] | None
    is_exact: bool
    identity: dict[str, Any]


@with_text_limit
def mine(config: MineConfig, *, quiet: bool = False) -> tuple[Pairs, Calibration | None]:
    """Find the sentences of two sides that translate each other; write them, the best first.

    Args:
        config: What to mine.
        quiet: Show no progress.

    Returns:
        The written pairs, by rows of the distinct sentences, and the calibration on known pairs if
        there were any. With `resume` of a finished run, the pairs in its output alone.

    Raises:
        InputError: A file, the encoder or a setting cannot be used, the memory or the disk is too
            small, a known pair names a place without a sentence, or the output or another run
            exists already. Nothing is written then.
    """
    _check_paths(config)
    with hold_run(config.work):
        _check_paths(config)  # again, now that no other run can write there
        inputs = _read_inputs(config)
        if _is_finished(config):
            pairs = read_finished(config.out, inputs.source, inputs.target)
            _log.info(
                "%s: is finished already, and of the same sentences; it does not tell whether the "
                "encoder and the settings are the same",
                config.out,
            )
            remove_run(config.work, _WORK_FILES)
            return pairs, None
        return _mine(config, inputs, quiet)


def _mine(config: MineConfig, inputs: _Inputs, quiet: bool) -> tuple[Pairs, Calibration | None]:
    """Mine in a work folder that is locked and checked."""
    neighbours = _find_neighbours(config, inputs, quiet)
    pairs = mine_pairs(*neighbours, margin=config.margin, retrieval=config.retrieval)
    calibration = None if inputs.gold is None else calibrate(pairs, inputs.gold)
    threshold = config.threshold if calibration is None else calibration.threshold
    if threshold is not None:
        pairs = pairs.above(threshold)
    write_table(_table(pairs, inputs.source, inputs.target), config.out)
    remove_run(config.work, _WORK_FILES)
    return pairs, calibration


def _check_paths(config: MineConfig) -> None:
    """Refuse an output that is an input, or that exists and may not be replaced."""
    inputs = {
        "source": config.source,
        "target": config.target,
        "known pairs": config.calibrate,
        "encoder": config.encoder,
    }
    check_apart(config.out, inputs, inside=False)
    check_apart(config.work, inputs, inside=False)
    check_file(config.out, overwrite=config.overwrite or config.resume)


def _is_finished(config: MineConfig) -> bool:
    """Return whether the output of the run to resume is there already.

    An output that the run was to replace is there from the start.
    """
    if not config.resume or not config.out.exists():
        return False
    return not read_record(config.work, _MineRecord).get("replaces", False)


def _read_inputs(config: MineConfig) -> _Inputs:
    """Read both sides, and check all that can be checked without loading the encoder."""
    check_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
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
            **{key: getattr(config, key) for key in ("max_tokens", "pooling", "prompt")},
        },
    )
    if not _is_finished(config):
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
    model = load_encoder(config.encoder, **config.loading)
    dim = model.get_embedding_dimension() or 0
    if inputs.is_exact:
        from hexapla.mine.search import block_rows

        n_source, n_target = len(inputs.source.sentences), len(inputs.target.sentences)
        block_rows(n_source, n_target, dim, config.k, config.memory_mib)
    if not config.resume:
        remove_run(config.work, _WORK_FILES)
        write_record(config.work, "mine", inputs.identity, replaces=config.out.exists())
    _check_room(config, inputs, dim)
    if cluster is None:
        steps: Steps = partial(
            encode_steps, model, task="BitextMining", batch_size=config.batch_size
        )
    else:
        loading = (("name", config.encoder), *config.loading.items())
        steps = partial(cluster.encode, loading=loading, batch_size=config.batch_size)
    with Progress(quiet=quiet) as progress:
        sides = (inputs.source, inputs.target)
        bars = [
            progress.add(f"encoding {side.name}", len(side.sentences), unit="sentences")
            for side in sides
        ]
        of_source, of_target = (
            encode_side(side, config.work, steps, dim, bar)
            for side, bar in zip(sides, bars, strict=True)
        )
    return _search(config, cluster, of_source, of_target, is_exact=inputs.is_exact)


def _check_room(config: MineConfig, inputs: _Inputs, dim: int) -> None:
    """Refuse a disk without room for the vectors, the neighbours, and the pairs at their most."""
    sides = {side.sha256: side for side in (inputs.source, inputs.target)}
    n_bytes = sum(
        2 * dim * len(side.sentences) - allocated(vectors_path(side, config.work))
        for side in sides.values()
    )
    both = (inputs.source, inputs.target)
    if inputs.is_exact and config.executor == "local":
        # Those of a minute before stay until the new ones are written.
        n_bytes += 2 * 12 * config.k * sum(len(side.sentences) for side in both)
    if config.threshold is None and config.calibrate is None:
        n_bytes += sum(len(text.encode()) for side in both for text in side.sentences)
    check_room(config.work, n_bytes, "vectors, neighbours and pairs")


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
    saved = config.work / _NEIGHBOURS
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
