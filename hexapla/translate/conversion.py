"""Convert a checkpoint to CTranslate2's format, once: a checkpoint in, a cached folder out.

The cache key is the hash of the content (weights, configuration, tokenizer), the version of
CTranslate2 and the number format of the weights, so a stale conversion is never used. A lock keeps
two processes from converting the same checkpoint. What would silently convert into a translator
with other output is refused or repaired here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.runs.atomic import clear_beside, make_beside, write_json
from hexapla.runs.schema import read_foreign
from hexapla.runs.user_cache import cache_folder
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.checkpoint_files import CONVERTED, CheckpointFiles

CONVERTIBLE = ("m2m_100", "marian", "t5", "mt5", "umt5", "bart")
_RECORD = "conversion.json"


def can_convert(files: CheckpointFiles) -> bool:
    """Return whether CTranslate2 runs a checkpoint as it should.

    It uses one vocabulary for both sides, so a Marian with two would write in the words of its
    source.
    """
    if files.converted:
        return True
    has_two = files.tokenizer_settings().get("separate_vocabs", False)
    return files.model_type in CONVERTIBLE and not has_two


def convert(checkpoint: Checkpoint, compute_type: str, cache: Path | None) -> Path:
    """Return the folder with the converted checkpoint, which is made if the cache lacks it.

    Args:
        checkpoint: Of transformers; the folder of one that is already converted is returned.
        compute_type: Number format of the stored weights.
        cache: Folder for converted checkpoints; None for the user's cache.

    Raises:
        InputError: The checkpoint does not convert into the same translator, or the cache cannot be
            written.
    """
    if checkpoint.files.converted:
        _check_vocabulary(checkpoint, checkpoint.files.folder)
        return checkpoint.files.folder
    import ctranslate2
    from filelock import FileLock

    record = {
        "sha256": checkpoint.fingerprint,
        "ctranslate2": ctranslate2.__version__,
        "weights": compute_type,
    }
    key = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    name = re.sub("[^A-Za-z0-9]+", "-", checkpoint.name)
    folder = cache_folder(cache) / "ctranslate2" / f"{name}-{key}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not _is_whole(folder, record):
                _write(checkpoint, compute_type, record, folder)
    except PermissionError as error:
        raise InputError(
            f"cache {folder.parent}: cannot be written ({error.strerror}); give another folder"
        ) from error
    return folder


def _write(checkpoint: Checkpoint, compute_type: str, record: dict[str, str], folder: Path) -> None:
    if folder.exists():  # damaged since it was written
        shutil.rmtree(folder)
    clear_beside(folder)
    with make_beside(folder) as partial:
        try:
            _converter(checkpoint).convert(str(partial), quantization=compute_type, force=True)
        except (InputError, OSError):
            raise
        except Exception as error:  # the converter raises whatever it happens to meet
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(
                f"{checkpoint.name}: CTranslate2 cannot convert it ({reason}); use --backend "
                "transformers"
            ) from error
        _check_vocabulary(checkpoint, partial)
        size = (partial / CONVERTED).stat().st_size
        write_json(partial / _RECORD, {**record, "n_bytes": size})


def _is_whole(folder: Path, record: dict[str, str]) -> bool:
    if not (folder / _RECORD).is_file() or not (folder / CONVERTED).is_file():
        return False
    try:
        written = read_foreign(folder / _RECORD)
    except InputError:  # made again
        return False
    return bool(written == {**record, "n_bytes": (folder / CONVERTED).stat().st_size})


def _converter(checkpoint: Checkpoint) -> Any:
    """Return CTranslate2's converter, which gets our tokenizer and model and loads none itself."""
    from ctranslate2.converters import TransformersConverter

    from hexapla.translate.transformers import load_model

    class Converter(TransformersConverter):  # type: ignore[misc]
        def load_model(self, model_class: Any, model_name_or_path: str, **settings: Any) -> Any:
            return _prepare(checkpoint, load_model(checkpoint, "auto"))

        def load_tokenizer(
            self, tokenizer_class: Any, model_name_or_path: str, **settings: Any
        ) -> Any:
            return checkpoint.tokenizer

    return Converter(str(checkpoint.files.folder))


def _prepare(checkpoint: Checkpoint, model: Any) -> Any:
    """Refuse or repair what CTranslate2 would misread."""
    padding = checkpoint.tokenizer.pad_token_id
    if checkpoint.files.model_type == "marian":
        # CTranslate2 drops the last embedding, which it takes for the padding's, and starts
        # decoding from a zero vector, which is that embedding in published checkpoints.
        row = model.get_decoder().get_input_embeddings().weight[padding]
        if padding != model.config.vocab_size - 1 or row.abs().max().item() > 0:
            raise InputError(
                f"{checkpoint.name}: its <pad> is not the last of the vocabulary, or not zero, so "
                "CTranslate2 would translate differently; use --backend transformers"
            )
    if hasattr(model.config, "scale_decoder_outputs"):
        # Transformers 5 states the scaling in this key, and calls every T5 tied. CTranslate2 reads
        # the old key, and would scale a MADLAD's logits down: the best token stays the same, but
        # the probabilities that beams and scores rest on become flat.
        model.config.tie_word_embeddings = model.config.scale_decoder_outputs
    return model


def _check_vocabulary(checkpoint: Checkpoint, folder: Path) -> None:
    """Refuse a conversion that lacks language tokens: CTranslate2 would read them as `<unk>`."""
    for name in ("shared_vocabulary.json", "source_vocabulary.json", "target_vocabulary.json"):
        if (folder / name).is_file():
            content = read_foreign(folder / name)
            known = set(map(str, content)) if isinstance(content, list) else set()
            break
    else:
        raise InputError(
            f"{folder}: has no vocabulary in JSON; convert the checkpoint with ctranslate2 4.7 or "
            "later"
        )
    tokens = checkpoint.languages.tokens
    lost = sorted(token for token in tokens.values() if token not in known)
    if lost:
        raise InputError(
            f"{checkpoint.name}: {len(lost)} of {len(tokens)} language tokens are not in "
            f"CTranslate2's vocabulary ({lost[0]}, ...), which would make them <unk>; use "
            "--backend transformers"
        )
