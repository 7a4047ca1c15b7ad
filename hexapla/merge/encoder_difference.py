"""Differences between an encoder and its base that make a mixture of their weights meaningless.

Files are compared before anything is loaded (`folder_difference`), the rest after
(`loaded_difference`). A difference is a clause such as "vocab_size is 16000 and 245", the base's
value first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.locate import read_json_object

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

_ARCHITECTURE = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "hidden_act",
)
# Where a sentence-transformers folder has its transformer: now, and in old ones.
_TRANSFORMER = ("", "0_Transformer")


def folder_difference(base: Path, aligned: Path) -> str | None:
    """Return what differs in the configurations or vocabularies of two folders, or None.

    Raises:
        InputError: A file is not JSON.
    """
    difference = _config_difference(_read(base, "config.json"), _read(aligned, "config.json"))
    tokenizers = _read(base, "tokenizer.json"), _read(aligned, "tokenizer.json")
    if difference is None and all(tokenizers):
        difference = _vocabulary_difference(*map(_vocabulary, tokenizers))
    return difference


def loaded_difference(
    base: SentenceTransformer, aligned: SentenceTransformer, texts: Sequence[str], *, bare: bool
) -> str | None:
    """Return what differs between two loaded encoders, or None.

    Args:
        base: The base.
        aligned: The encoder aligned from it.
        texts: Texts that both must split into the same tokens.
        bare: The base is a bare transformer; its pooling was added when it was loaded, and is not
            compared.
    """
    return (
        _config_difference(*(model[0].auto_model.config.to_dict() for model in (base, aligned)))
        or (None if bare else _module_difference(base, aligned))
        or _state_difference(base.state_dict(), aligned.state_dict())
        or _vocabulary_difference(*(model.tokenizer.get_vocab() for model in (base, aligned)))
        or _token_difference(base, aligned, texts)
    )


def _config_difference(base: Mapping[str, Any], aligned: Mapping[str, Any]) -> str | None:
    for key in _ARCHITECTURE:
        if key in base and key in aligned and base[key] != aligned[key]:
            return f"{key} is {base[key]} and {aligned[key]}"
    return None


def _module_difference(base: SentenceTransformer, aligned: SentenceTransformer) -> str | None:
    names = [[type(module).__name__ for module in model] for model in (base, aligned)]
    if names[0] != names[1]:
        return f"the modules are {' -> '.join(names[0])} and {' -> '.join(names[1])}"
    for name, one, other in zip(names[0][1:], list(base)[1:], list(aligned)[1:], strict=True):
        for key, value in one.get_config_dict().items():
            if value != other.get_config_dict().get(key):
                return f"{key} of {name} is {value} and {other.get_config_dict().get(key)}"
    return None


def _state_difference(
    base: Mapping[str, torch.Tensor], aligned: Mapping[str, torch.Tensor]
) -> str | None:
    import torch

    for name in [*base, *aligned]:
        if name not in base or name not in aligned:
            return f"only the {'base' if name in base else 'aligned encoder'} has {name}"
        one, other = base[name], aligned[name]
        if one.shape != other.shape:
            return f"{name} has the shape {tuple(one.shape)} and {tuple(other.shape)}"
        if one.dtype != other.dtype:
            return f"{name} is of type {one.dtype} and {other.dtype}"
        if not one.is_floating_point() and not torch.equal(one.cpu(), other.cpu()):
            return f"{name} holds different whole numbers, which cannot be interpolated"
    return None


def _vocabulary_difference(base: Mapping[str, int], aligned: Mapping[str, int]) -> str | None:
    if len(base) != len(aligned):
        return f"the vocabulary has {len(base)} pieces and {len(aligned)}"
    for piece, number in base.items():
        if aligned.get(piece) != number:
            return f'the piece "{piece}" has the number {number} and {aligned.get(piece, "none")}'
    return None


def _token_difference(
    base: SentenceTransformer, aligned: SentenceTransformer, texts: Sequence[str]
) -> str | None:
    """Compare what a vocabulary does not show of a tokenizer, such as lower-casing or splitting."""
    length = aligned.max_seq_length
    ids = [
        model.tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]
        for model in (base, aligned)
    ]
    for text, one, other in zip(texts, *ids, strict=True):
        if one != other:
            return f'the tokens of "{text[:60]}" are {len(one)} and {len(other)}, not the same'
    return None


def _vocabulary(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """Return every piece and its number from a `tokenizer.json`, for every kind of model in it."""
    vocabulary = tokenizer.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, list):  # Unigram: pairs of a piece and its log-probability
        vocabulary = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    added = {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
    return {**vocabulary, **added}


def _read(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON file of the transformer; nothing if there is none."""
    for inside in _TRANSFORMER:
        if (folder / inside / name).is_file():
            return read_json_object(folder / inside / name)
    return {}
