"""An encoder and the one aligned from it -> what keeps them from being merged, and the weights between theirs.

What can be seen in the files is compared before anything loads, the rest after. Everything but the
weights is the aligned encoder's: tokenizer, prompts, pooling, length limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from hexapla.errors import InputError

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
_TRANSFORMER = (
    "",
    "0_Transformer",
)  # where a sentence-transformers folder keeps its transformer, now and in old ones


class Interpolation:
    """An encoder whose weights can be set anywhere between those of its base and its own.

    Three sets of weights are held: the two ends', and the encoder's, which are written over in
    place.

    Args:
        base: the base's state dict; equal to the encoder's in names, shapes and types.
        model: the aligned encoder.
    """

    def __init__(self, base: Mapping[str, torch.Tensor], model: SentenceTransformer) -> None:
        self._places = {
            name: place for name, place in model.state_dict().items() if place.is_floating_point()
        }
        self._aligned = {name: place.clone() for name, place in self._places.items()}
        self._base = {name: base[name].to(place.device) for name, place in self._places.items()}

    @torch.no_grad()
    def set(self, alpha: float) -> None:
        """Make every weight (1 - alpha) times the base's plus alpha times the aligned encoder's, alpha 0 to 1."""
        for name, place in self._places.items():
            # At the ends a copy, for even a multiplication by 1 and an added 0 lose the sign of
            # -0.0. Between them `lerp`, which leaves a weight that alignment did not move as it is;
            # two products would round it.
            if alpha in (0.0, 1.0):
                place.copy_(self._aligned[name] if alpha else self._base[name])
            else:
                torch.lerp(self._base[name], self._aligned[name], alpha, out=place)


def not_finite(model: SentenceTransformer) -> str | None:
    """Return the name of the first tensor with a NaN or an infinity in it."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return str(name)
    return None


def folder_difference(base: Path, aligned: Path) -> str | None:
    """Say what in the configurations or vocabularies of two folders differs; None if nothing that the files show.

    Raises:
        InputError: a file that is not JSON.
    """
    found = _config_difference(_read(base, "config.json"), _read(aligned, "config.json"))
    tokenizers = _read(base, "tokenizer.json"), _read(aligned, "tokenizer.json")
    if found is None and all(tokenizers):
        found = _vocabulary_difference(*map(_vocabulary, tokenizers))
    return found


def difference(
    base: SentenceTransformer, aligned: SentenceTransformer, texts: Sequence[str], *, bare: bool
) -> str | None:
    """Say what in two loaded encoders differs that would make a mixture of their weights meaningless.

    Args:
        base: the base.
        aligned: the encoder aligned from it.
        texts: what both must cut into the same tokens.
        bare: the base is a bare transformer, whose pooling is not its own.
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
    for name in [*base, *aligned]:
        if name not in base or name not in aligned:
            return f"only the {'base' if name in base else 'aligned encoder'} has {name}"
        one, other = base[name], aligned[name]
        if one.shape != other.shape:
            return f"{name} has the shape {tuple(one.shape)} and {tuple(other.shape)}"
        if one.dtype != other.dtype:
            return f"{name} is of type {one.dtype} and {other.dtype}"
        if not one.is_floating_point() and not torch.equal(one.cpu(), other.cpu()):
            return f"{name} holds other whole numbers, and those cannot be mixed"
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
    """Compare what the tokenizers do, which a vocabulary does not tell: lower case, say, or another split."""
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
    """Return every piece and its number from a `tokenizer.json`, whatever kind of model it holds."""
    vocabulary = tokenizer.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, list):  # Unigram has pairs of a piece and its log-probability
        vocabulary = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    added = {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
    return {**vocabulary, **added}


def _read(folder: Path, name: str) -> dict[str, Any]:
    for inside in _TRANSFORMER:
        path = folder / inside / name
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise InputError(f"{path}: not readable as JSON: {error}") from error
            return content if isinstance(content, dict) else {}
    return {}
