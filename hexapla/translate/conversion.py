"""Convert a checkpoint to CTranslate2's format, once: in goes a checkpoint, out comes the folder in the cache.

The key is the hash of the content (weights, configuration, tokenizer), the version of CTranslate2
and the type of the weights, so nothing stale is ever found. A folder is written beside its place,
under a lock, and renamed when whole. What would convert without a word into something that
translates differently is refused, or put right, here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.runs.atomic import write_json
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.checkpoint_files import CONVERTED, cache_folder

CONVERTIBLE = ("m2m_100", "marian", "t5", "mt5", "umt5", "bart")
_RECORD = "conversion.json"


def can_convert(checkpoint: Checkpoint) -> bool:
    """Tell whether CTranslate2 runs a checkpoint as it should.

    It takes one vocabulary for both sides, so a Marian with two would write in the words of its
    source.
    """
    if checkpoint.converted:
        return True
    return checkpoint.model_type in CONVERTIBLE and not getattr(
        checkpoint.tokenizer, "separate_vocabs", False
    )


def convert(checkpoint: Checkpoint, compute_type: str, cache: Path | None) -> Path:
    """Return the folder with the converted checkpoint, converting it if that was not done before.

    Args:
        checkpoint: Of transformers; one that is converted already is returned as it is.
        compute_type: What the weights are stored as.
        cache: Folder for converted checkpoints; None for the user's cache.

    Raises:
        InputError: The checkpoint does not convert into the same translator, or the cache cannot be
            written.
    """
    if checkpoint.converted:
        _check_vocabulary(checkpoint, checkpoint.folder)
        return checkpoint.folder
    import ctranslate2
    from filelock import FileLock

    record = {
        "sha256": checkpoint.fingerprint,
        "ctranslate2": ctranslate2.__version__,
        "weights": compute_type,
    }
    key = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    place = (
        cache_folder(cache)
        / "ctranslate2"
        / f"{re.sub('[^A-Za-z0-9]+', '-', checkpoint.name)}-{key}"
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(f".{place.name}.lock")):
            if not _is_whole(place, record):
                _write(checkpoint, compute_type, record, place)
    except PermissionError as error:
        raise InputError(
            f"cache {place.parent}: cannot be written ({error.strerror}); give another folder"
        ) from error
    return place


def _write(checkpoint: Checkpoint, compute_type: str, record: dict[str, str], place: Path) -> None:
    beside = place.with_name(f".{place.name}.part")
    for old in (beside, place):  # left by a run that was killed, or damaged since
        shutil.rmtree(old, ignore_errors=True)
    _converter(checkpoint).convert(str(beside), quantization=compute_type)
    _check_vocabulary(checkpoint, beside)
    for file in beside.iterdir():
        with open(file, "rb") as written:
            os.fsync(written.fileno())
    write_json(beside / _RECORD, {**record, "n_bytes": (beside / CONVERTED).stat().st_size})
    beside.rename(place)


def _is_whole(place: Path, record: dict[str, str]) -> bool:
    if not (place / _RECORD).is_file() or not (place / CONVERTED).is_file():
        return False
    found = json.loads((place / _RECORD).read_text(encoding="utf-8"))
    return bool(found == {**record, "n_bytes": (place / CONVERTED).stat().st_size})


def _converter(checkpoint: Checkpoint) -> Any:
    """Make CTranslate2's converter, which is given our tokenizer and our model instead of loading its own."""
    from ctranslate2.converters import TransformersConverter

    from hexapla.translate.transformers import load_model

    class Converter(TransformersConverter):  # type: ignore[misc]
        def load_model(self, model_class: Any, model_name_or_path: str, **settings: Any) -> Any:
            return _prepare(checkpoint, load_model(checkpoint, "auto"))

        def load_tokenizer(
            self, tokenizer_class: Any, model_name_or_path: str, **settings: Any
        ) -> Any:
            return checkpoint.tokenizer

    return Converter(str(checkpoint.folder))


def _prepare(checkpoint: Checkpoint, model: Any) -> Any:
    """Refuse or repair what CTranslate2 would take for something else."""
    padding = checkpoint.tokenizer.pad_token_id
    if checkpoint.model_type == "marian":
        # CTranslate2 drops the last row, taking it for the padding, and starts decoding from a zero
        # vector, which the row of the padding is in published checkpoints.
        row = model.get_decoder().get_input_embeddings().weight[padding]
        if padding != model.config.vocab_size - 1 or row.abs().max().item() > 0:
            raise InputError(
                f"{checkpoint.name}: its <pad> is not the last of the vocabulary, or not zero, so CTranslate2 would "
                "translate otherwise; use --backend transformers"
            )
    if hasattr(model.config, "scale_decoder_outputs"):
        # Transformers 5 says so, and calls every T5 tied; CTranslate2 reads the old key and would
        # scale a MADLAD's logits down, which leaves the best token but flattens the probabilities
        # that beams and scores rest on.
        model.config.tie_word_embeddings = model.config.scale_decoder_outputs
    return model


def _check_vocabulary(checkpoint: Checkpoint, folder: Path) -> None:
    """See that the languages are still there: CTranslate2 takes a token that it lacks for `<unk>`."""
    for name in ("shared_vocabulary.json", "source_vocabulary.json", "target_vocabulary.json"):
        if (folder / name).is_file():
            known = set(json.loads((folder / name).read_text(encoding="utf-8")))
            break
    else:
        raise InputError(
            f"{folder}: has no vocabulary in JSON; convert the checkpoint with ctranslate2 4.7 or later"
        )
    lost = sorted(token for token in checkpoint.tokens.values() if token not in known)
    if lost:
        raise InputError(
            f"{checkpoint.name}: {len(lost)} of {len(checkpoint.tokens)} language tokens are not in CTranslate2's "
            f"vocabulary ({lost[0]}, ...), which would make them <unk>; use --backend transformers"
        )
