"""A teacher's vectors of the pivots, made once and shared by every epoch, run and process.

They are memory-mapped, in the cache of `datasets` beside the tokens (`token_cache.py`), under a
name made of the rows, the teacher and its prompt. A teacher that is in the cache is not loaded.

Shape suffixes: R rows, E dimensions of the teacher, D of the encoder that is trained.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from datasets import config as datasets_config
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.prepare import Prepared
from hexapla.alignment.reference import Reference, fit_bridge
from hexapla.encoder.encode import encode
from hexapla.encoder.kind import e5_prompt
from hexapla.encoder.load import load_encoder, save_prompt, training_prompt
from hexapla.encoder.locate import is_bare
from hexapla.errors import InputError
from hexapla.runs.atomic import make_beside, write_beside
from hexapla.runs.progress import Progress

_FORMAT = 1
_ROWS_PER_PART = 2048  # encoded at once, sorted by length
_UNIT = 1e-3  # a vector's norm may differ from 1 by so much and still count as 1
_log = logging.getLogger(__name__)


def open_teacher(
    config: AlignConfig, prepared: Prepared, model: SentenceTransformer, *, quiet: bool = True
) -> Reference:
    """Return what a teacher gives the pivots; its vectors are made first if they are not cached.

    Args:
        config: Settings, which name a teacher.
        prepared: The rows, and the teacher's hash.
        model: The encoder that is trained.
        quiet: Show no progress.

    Raises:
        InputError: The teacher does not load, its prompt leaves no room for a text, it gives
            vectors that are not finite, or the encoder can give none of their norms.
    """
    name, facts = config.teacher, prepared.teacher
    if name is None or facts is None:
        raise ValueError("there is no teacher")
    # A teacher's prompt follows from its files and its name.
    prompts = [config.teacher_prompt, e5_prompt(name)]
    key = [_FORMAT, prepared.corpus.sha256, len(prepared.rows), prepared.corpus.pivot]
    key += [facts.sha256, prompts, config.teacher_loss]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    folder = Path(datasets_config.HF_DATASETS_CACHE) / "hexapla" / f"teacher-{digest}"
    if not folder.exists():
        with make_beside(folder) as partial, Progress(quiet=quiet) as progress:
            _write_vectors(partial / "vectors.npy", config, prepared, progress)
    vectors_RE = np.load(folder / "vectors.npy", mmap_mode="r")
    if config.teacher_loss == "mse":
        _check_norms(config, vectors_RE, model)
    dim = model.get_embedding_dimension()
    bridge = None
    if dim is not None and vectors_RE.shape[1] != dim:
        path = folder / f"bridge-{dim}.npy"
        if not path.exists():
            _write_bridge(path, vectors_RE, dim)
        bridge = np.load(path)
    return Reference(vectors_RE=vectors_RE, pivots_only=False, bridge_ED=bridge)


def _write_vectors(path: Path, config: AlignConfig, prepared: Prepared, progress: Progress) -> None:
    """Encode the pivots part by part; for the cosine they are made unit vectors."""
    name = str(config.teacher)
    if is_bare(name):
        _log.warning("%s is a bare language model, which was never trained to teach", name)
    model = load_encoder(
        name,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        prompt=config.teacher_prompt,
    )
    prompt = training_prompt(model)
    save_prompt(model, prompt)
    _log.info("%s is the teacher, with the prompt %r", name, prompt)
    pivots = prepared.rows.select_columns([prepared.corpus.pivot])
    bar = progress.add("encoding by the teacher", len(pivots), unit="pivots")
    # Written as a stream: a full disk ends a process that writes through a memory map.
    with path.open("wb") as file:
        for batch in pivots.iter(batch_size=_ROWS_PER_PART):
            texts = batch[prepared.corpus.pivot]
            vectors = encode(model, texts, task="STS", normalize=config.teacher_loss != "mse")
            if not np.isfinite(vectors).all():
                raise InputError(f"{name}: gives vectors that are not finite; is it damaged?")
            if not file.tell():
                header = {"descr": "<f4", "fortran_order": False}
                shape = (len(pivots), vectors.shape[1])
                np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
            file.write(vectors.astype("<f4").tobytes())
            bar.advance(len(texts))


def _write_bridge(path: Path, vectors_RE: NDArray[np.float32], dim: int) -> None:
    bridge_ED, kept = fit_bridge(vectors_RE, dim)
    _log.info(
        "the teacher's %d dimensions are brought to %d, which keep %.1f %% of its vectors",
        vectors_RE.shape[1],
        dim,
        100 * kept,
    )
    with write_beside(path) as partial, partial.open("wb") as file:
        np.save(file, bridge_ED)


def _check_norms(
    config: AlignConfig, vectors_RE: NDArray[np.float32], model: SentenceTransformer
) -> None:
    """Refuse a teacher's norms that the encoder cannot give; such a training would collapse."""
    norms = np.linalg.norm(vectors_RE[:_ROWS_PER_PART], axis=1)
    if isinstance(model[-1], Normalize) and np.abs(norms - 1).max() > _UNIT:
        raise InputError(
            f"teacher_loss is mse; the vectors of {config.teacher} have norms of "
            f"{norms.min():.3g} to {norms.max():.3g}, and {config.encoder} gives unit vectors; use "
            "cosine (--teacher-loss cosine)"
        )
