"""The files around a graph: tokenizer, configurations and modules, in the form of older versions.

sentence-transformers 6 reads all that version 5 wrote, and not the other way round. Optimum, which
its backends need, and Text Embeddings Inference know the older form, so that is what is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hexapla.encoder.locate import read_json_object, read_modules
from hexapla.export.exported_transformer import ExportedTransformer, exchanged
from hexapla.runs.atomic import write_text
from hexapla.runs.library_bars import no_library_bars

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# The settings of version 5 of sentence-transformers, one for each pooling, and its name today.
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_OF_TEI = ("cls", "mean", "lasttoken")


def save_serving_files(
    model: SentenceTransformer, transformer: ExportedTransformer, folder: Path
) -> None:
    """Write all of an encoder but its transformer: tokenizer, configurations, other modules.

    Args:
        model: The encoder.
        transformer: What runs its graph.
        folder: The folder, which has the graph.
    """
    with exchanged(model, transformer), no_library_bars():
        model.save(str(folder), safe_serialization=True, create_model_card=False)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors makes files that only their owner can read
    modules = read_modules(folder)
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        module["type"] = f"sentence_transformers.models.{kind}"
        if kind == "Pooling":
            _write_pooling(folder / module["path"] / "config.json")
    _write(folder / "modules.json", modules)
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": model.max_seq_length, "do_lower_case": False},
    )
    _write_tokenizer(folder / "tokenizer_config.json")


def ignored_by_tei(model: SentenceTransformer) -> list[str]:
    """Return the modules of an encoder that Text Embeddings Inference leaves out.

    With ONNX it reads the pooling from `1_Pooling`, normalises, and knows no other module.
    """
    pooling, *others = list(model)[1:]
    kinds = [type(each).__name__ for each in others]
    ignored = sorted({kind for kind in kinds if kind != "Normalize"})
    if getattr(pooling, "pooling_mode", None) not in _OF_TEI:
        ignored.insert(0, type(pooling).__name__)
    return ignored


def _write_pooling(path: Path) -> None:
    saved = read_json_object(path)
    modes = saved["pooling_mode"]
    modes = [modes] if isinstance(modes, str) else modes
    _write(
        path,
        {
            "word_embedding_dimension": saved["embedding_dimension"],
            **{key: mode in modes for key, mode in _POOLINGS.items()},
            "include_prompt": saved.get("include_prompt", True),
        },
    )


def _write_tokenizer(path: Path) -> None:
    """Name the tokenizer's class as transformers 4 does, and leave out how it was loaded here."""
    content = read_json_object(path)
    if content.get("tokenizer_class") == "TokenizersBackend":
        content["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("backend", "is_local", "local_files_only", "name_or_path"):
        content.pop(key, None)
    _write(path, content)


def _write(path: Path, content: object) -> None:
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
