"""Writing an encoder into the folder of the run that made it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.encoder_card import write_card
from hexapla.encoder.locate import RESULT
from hexapla.runs.atomic import move_into, write_json
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_CHECKPOINTS = "checkpoints"


def save_encoder(model: SentenceTransformer, out: Path, result: dict[str, Any]) -> None:
    """Write an encoder with its card and record, and remove the checkpoints.

    The files are written beside and then moved in, `modules.json` after all others and `align.json`
    last. A folder without `modules.json` does not load, and one without `align.json` is unfinished.

    Args:
        model: The encoder.
        out: Folder of the run, which has its records already.
        result: What `align.json` and the card say.
    """
    partial = out / ".encoder"
    shutil.rmtree(partial, ignore_errors=True)
    model.model_card_data.generate_widget_examples = False
    model.model_card_data.language = [codes.to_bcp47(language) for language in result["languages"]]
    model.save(str(partial), safe_serialization=True)
    write_card(partial / "README.md", result)
    for path in partial.rglob("*.safetensors"):
        # safetensors makes files that only their owner can read; an encoder may be shared.
        path.chmod(0o644)
    move_into(partial, out, last="modules.json")
    write_json(out / RESULT, result)
    shutil.rmtree(out / _CHECKPOINTS, ignore_errors=True)
