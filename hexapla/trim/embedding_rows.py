"""An encoder -> the same encoder with fewer rows of its table of pieces, numbered as its tokenizer.

V pieces before, K after, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from hexapla.encoder.check_sizes import read_shapes
from hexapla.encoder.locate import read_modules
from hexapla.errors import InputError

_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_ROLES = ("_token_id", "_token_ids")


def named_numbers(model: SentenceTransformer) -> set[int]:
    """Return the numbers of pieces that an encoder's configuration and tokenizer name.

    Where positions are counted from the padding token's number on, as in XLM-R, those are all
    numbers up to it, so that it keeps its own.
    """
    transformer = model[0].auto_model
    found = {number for config, key in _named(transformer) for number in _listed(config[key])}
    found.update(model.tokenizer.all_special_ids)
    padding = _offset_of_positions(transformer)
    return found if padding is None else found | set(range(padding + 1))


def keep_rows(name: str, model: SentenceTransformer, order: Sequence[int]) -> None:
    """Keep some rows of the table of pieces, and renumber what the configuration names, in place.

    The table is changed wherever it is used, in a tied output layer too.

    Args:
        name: The encoder, to begin an error with.
        model: The encoder.
        order: (K,) old number of each new one.

    Raises:
        InputError: The encoder has another table with a row for each piece, or positions would be
            counted from elsewhere.
    """
    transformer = model[0].auto_model
    table = transformer.get_input_embeddings()
    weight_VD = table.weight
    n_before = len(weight_VD)
    # A tokenizer may number special tokens that the table has no row for; they come last.
    rows = [number for number in order if number < n_before]
    new = {old: number for number, old in enumerate(order)}
    padding = _offset_of_positions(transformer)
    if rows != list(order[: len(rows)]) or (padding is not None and new.get(padding) != padding):
        raise InputError(
            f"{name}: its special tokens cannot be renumbered with the pieces; give an encoder "
            "whose special tokens come first or last"
        )
    weight_KD = nn.Parameter(weight_VD.detach()[torch.tensor(rows)].clone())
    for module_name, module in transformer.named_modules():
        if getattr(module, "weight", None) is weight_VD:
            module.weight = weight_KD
            _set_sizes(module, len(rows), new)
        elif isinstance(module, nn.Embedding) and module.num_embeddings == n_before:
            raise InputError(
                f"{name}: {module_name} is another table with a row for each piece, and only one "
                "is trimmed; give another encoder"
            )
    for config, key in _named(transformer):
        numbers = config[key]
        renumbered = [new.get(number, number) for number in _listed(numbers)]
        config[key] = renumbered if isinstance(numbers, list) else renumbered[0]
    for config in _configs(transformer):
        if config.get("vocab_size") == n_before:
            config["vocab_size"] = len(rows)


def restore_type(model: SentenceTransformer, folder: Path | None) -> None:
    """Give a transformer's weights the type that they are stored in, if all have the same.

    Encoders are loaded in float32, and would take twice the room if they were half as wide before.

    Args:
        model: The encoder.
        folder: Where it was loaded from, if that is known.
    """
    if folder is None:
        return
    modules = read_modules(folder)
    inside = folder / modules[0]["path"] if modules else folder
    types = {
        kind for path in inside.glob("model*.safetensors") for kind, _ in read_shapes(path).values()
    }
    floats = types & _TYPES.keys()
    if len(floats) == 1:
        model[0].auto_model.to(_TYPES[floats.pop()])


def _set_sizes(module: nn.Module, n_rows: int, new: Mapping[int, int]) -> None:
    if isinstance(module, nn.Embedding):
        module.num_embeddings = n_rows
        if module.padding_idx is not None:
            module.padding_idx = new.get(module.padding_idx, module.padding_idx)
    elif isinstance(module, nn.Linear):
        module.out_features = n_rows


def _configs(transformer: Any) -> Iterator[dict[str, Any]]:
    """Yield the attributes of a configuration and of those inside it, to be changed in place."""
    waiting = [transformer.config]
    while waiting:
        attributes = vars(waiting.pop())
        yield attributes
        waiting += [
            value
            for key, value in attributes.items()
            if key.endswith("_config") and hasattr(value, "to_dict")
        ]


def _named(transformer: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield where a configuration names pieces by their numbers."""
    for config in _configs(transformer):
        for key, value in config.items():
            if key.endswith(_ROLES) and _listed(value):
                yield config, key


def _listed(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [number for number in values if isinstance(number, int)]


def _offset_of_positions(transformer: Any) -> int | None:
    """Return the number of the padding token if positions are counted from it, else None."""
    for part in transformer.modules():
        padding = getattr(part, "padding_idx", None)
        if hasattr(part, "position_embeddings") and isinstance(padding, int):
            return padding
    return None
