"""Writing an encoder into the folder of the run that made it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.encoder_card import write_card
from hexapla.encoder.locate import MERGED, RESULT, SWEEP, TRIMMED, hash_encoder
from hexapla.runs.atomic import move_into, write_json
from hexapla.runs.library_bars import no_library_bars
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
    TRIMMED,
    "run.json",
    SWEEP,
    "[0-9]*_Normalize",
    "logs",
    _CHECKPOINTS,
    _PARTIAL,
)
"""What `align`, `merge` and `trim` write into their folder, as patterns."""


def save_encoder(model: SentenceTransformer, out: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write an encoder with its card and record, and remove the checkpoints.

    `align.json` is written last, with the hash of the other files, so that `load_encoder` notices
    when one has changed. A folder without it is unfinished.

    Args:
        model: The encoder.
        out: Folder of the run, which has its records already.
        result: What `align.json` and the card say.

    Returns:
        The content of `align.json`: `result` and the hash.
    """
    describe_example(model, result.get("example") or ())
    model.model_card_data.base_model = result.get("base_model")
    save_files(model, out, result["languages"], partial(write_card, result=result))
    record = {**result, "sha256": hash_encoder(out)}
    write_json(out / RESULT, record)
    shutil.rmtree(out / _CHECKPOINTS, ignore_errors=True)
    return record


def describe_example(model: SentenceTransformer, sentences: Sequence[str]) -> None:
    """Set the sentences with which the model card shows how the encoder is used, if there are any.

    They are a text, its translation and another text, in place of the library's own sentences.
    """
    if sentences:
        model.model_card_data.usage_examples = list(sentences)
        # All texts are encoded alike, also by an encoder that has prompts for queries.
        model.model_card_data.ir_model = False


def save_files(
    model: SentenceTransformer,
    out: Path,
    languages: Sequence[str],
    complete_card: Callable[[Path], None],
) -> None:
    """Write the files of an encoder, without a record.

    They are written beside and then moved in, `modules.json` after all others. A folder without
    `modules.json` does not load.

    Args:
        model: The encoder.
        out: Folder of the run.
        languages: What a new model card is tagged with.
        complete_card: Adds to the model card that sentence-transformers has written.
    """
    beside = out / _PARTIAL
    shutil.rmtree(beside, ignore_errors=True)
    model.model_card_data.generate_widget_examples = False
    # The Hub is not asked whether it has an encoder with the name of a local folder.
    model.model_card_data.local_files_only = True
    model.model_card_data.model_id = out.name
    # The Hub's check takes codes without script; the card names the languages in full.
    model.model_card_data.language = list(
        dict.fromkeys(codes.to_bcp47(language).split("-")[0] for language in languages)
    )
    try:
        with no_library_bars():
            model.save(str(beside), safe_serialization=True)
        complete_card(beside / "README.md")
        for path in beside.rglob("*.safetensors"):
            # safetensors makes files that only their owner can read; an encoder may be shared.
            path.chmod(0o644)
        move_into(beside, out, last="modules.json")
    finally:
        shutil.rmtree(beside, ignore_errors=True)
