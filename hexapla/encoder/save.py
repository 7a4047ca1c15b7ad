"""Writing an encoder into the folder of the run that made it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.encoder_card import write_card
from hexapla.encoder.locate import MERGED, RESULT, SWEEP, hash_encoder
from hexapla.runs.atomic import move_into, write_json
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_CHECKPOINTS = "checkpoints"
_PARTIAL = ".encoder"
# Of the encoder itself, and of each module that has a folder, such as 1_Pooling.
_OF_MODULE = (
    "config.json",
    "config_*.json",
    "generation_config.json",
    "sentence_*_config.json",
    "model*.safetensors",
    "model*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "sentencepiece*.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "chat_template.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "configuration_*.py",
    "modeling_*.py",
    "tokenization_*.py",
)
ENCODER_FILES = (
    *_OF_MODULE,
    *(f"[0-9]*_*/{name}" for name in _OF_MODULE),
    "modules.json",
    "README.md",
    RESULT,
    MERGED,
    "run.json",
    SWEEP,
    "[0-9]*_Normalize",
    "logs",
    _CHECKPOINTS,
    _PARTIAL,
)
"""What `align` and `merge` write into their folder, as patterns."""


def save_encoder(model: SentenceTransformer, out: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write an encoder with its card and record, and remove the checkpoints.

    The files are written beside and then moved in, `modules.json` after all others and `align.json`
    last, with the hash of the others, so that `load_encoder` notices when one has changed. A folder
    without `modules.json` does not load, and one without `align.json` is unfinished.

    Args:
        model: The encoder.
        out: Folder of the run, which has its records already.
        result: What `align.json` and the card say.

    Returns:
        The content of `align.json`: `result` and the hash.
    """
    partial = out / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write_encoder(model, partial, result)
        move_into(partial, out, last="modules.json")
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    record = {**result, "sha256": hash_encoder(out)}
    write_json(out / RESULT, record)
    shutil.rmtree(out / _CHECKPOINTS, ignore_errors=True)
    return record


def _write_encoder(model: SentenceTransformer, folder: Path, result: dict[str, Any]) -> None:
    model.model_card_data.generate_widget_examples = False
    model.model_card_data.language = [codes.to_bcp47(language) for language in result["languages"]]
    model.save(str(folder), safe_serialization=True)
    write_card(folder / "README.md", result)
    for path in folder.rglob("*.safetensors"):
        # safetensors makes files that only their owner can read; an encoder may be shared.
        path.chmod(0o644)
