"""Whether a folder's configurations ask for about as many weights as its files hold.

A damaged size would otherwise fill the memory, or keep the library busy for ever, before anything
could be compared. Only headers of weights are read here, and models are made without memory (on
PyTorch's "meta" device).
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hexapla.encoder.locate import encoder_files, read_json_object
from hexapla.errors import InputError

Stored = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type, such as "F32", and shape of every tensor of some weights."""

# A configuration may ask for more values than are stored: the decoder of a T5 of which only the
# encoder was saved, layers that are tied, a pooler that is not used.
_MAX_RATIO = 4
_MARGIN = 50_000_000  # values that any encoder may lack; 200 MB of memory
_SHARED_LAYERS = 200  # ALBERT has one layer's weights for all of its layers, which are at most 24
_MAX_SIZE = 2**31
_SIZES = re.compile(r"size|dim|layer|head|position|embed|width|depth|hidden|vocab|bucket|features")
_LAYERS = re.compile(r"layers?$|depth$")
_log = logging.getLogger(__name__)


def check_sizes(folder: Path, *, trust_remote_code: bool = False) -> None:
    """Refuse configurations that ask for far more weights than there are, and damaged headers.

    Args:
        folder: The folder of an encoder or a translator. Weights in other formats than safetensors
            are not compared.
        trust_remote_code: It may have models of its own, which are not made here.

    Raises:
        InputError: A file of weights is damaged or holds whole numbers, or a size in a
            configuration does not fit the weights.
    """
    files: dict[Path, dict[str, tuple[str, tuple[int, ...]]]] = {}
    for path in encoder_files(folder):
        if path.suffix == ".safetensors":
            files.setdefault(path.parent, {}).update(read_shapes(path))
    for inside, stored in files.items():
        config = inside / "config.json"
        if not config.is_file() or (inside / "adapter_config.json").is_file():
            continue
        content = read_json_object(config)
        _check_types(inside, stored, content)
        _check_numbers(config, content, stored)
        if "model_type" not in content:
            _check_module(config, content, stored)
        elif not (trust_remote_code and "auto_map" in content):
            _check_model(config, stored)


def read_shapes(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Read type and shape of every tensor of a safetensors file from its header.

    Raises:
        InputError: The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            return {key: (one.get_dtype(), tuple(one.get_shape())) for key, one in slices.items()}
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path} is damaged: {reason or type(error).__name__}; fetch it again"
        ) from error


def _check_types(folder: Path, stored: Stored, config: Mapping[str, Any]) -> None:
    """Refuse weights that are whole numbers, which need a scale to mean anything."""
    if config.get("quantization_config"):
        return
    for key, (kind, _) in stored.items():
        if key.endswith((".weight", ".bias")) and kind.startswith(("I", "U", "B", "F8")):
            if kind == "BF16":
                continue
            raise InputError(
                f"{folder}: the weights are of type {kind} ({key}), quantized without a scale; "
                "give them as float32, bfloat16 or float16"
            )


def _check_numbers(path: Path, config: Mapping[str, Any], stored: Stored) -> None:
    """Refuse sizes that no weights can have."""
    n_layers = max(len(stored), _SHARED_LAYERS)
    for key, value in _numbers(config):
        if _LAYERS.search(key) and value > n_layers:
            raise InputError(
                f"{path}: {key} is {value}, and the weights have {len(stored)} tensors, which is "
                "less than one for each layer; mend it, or fetch it again"
            )
        if _SIZES.search(key) and not -_MAX_SIZE < value < _MAX_SIZE:
            raise InputError(
                f"{path}: {key} is {value}; a size is less than {_MAX_SIZE}: mend it, or fetch it "
                "again"
            )


def _check_model(path: Path, stored: Stored) -> None:
    """Count the values of the model that a configuration describes."""
    import torch
    from transformers import AutoConfig, AutoModel

    try:
        with torch.device("meta"):
            config = AutoConfig.from_pretrained(path.parent, local_files_only=True)
            model = AutoModel.from_config(config)
        asked = sum(tensor.numel() for tensor in model.state_dict().values())
    except Exception as error:  # loading meets the same, and reports it
        _log.debug("%s: %s: %s", path, type(error).__name__, error)
        return
    _compare(path, asked, stored)


def _check_module(path: Path, config: Mapping[str, Any], stored: Stored) -> None:
    """Multiply the two largest sizes of a module, such as those of a linear layer."""
    sizes = sorted((abs(n) for key, n in _numbers(config) if _SIZES.search(key)), reverse=True)
    _compare(path, math.prod(sizes[:2]), stored)


def _compare(path: Path, asked: int, stored: Stored) -> None:
    held = sum(math.prod(shape) for _, shape in stored.values())
    if asked > _MAX_RATIO * held + _MARGIN:
        raise InputError(
            f"{path}: asks for {asked:,} weights, and {held:,} are stored; mend its sizes, or "
            "fetch it again"
        )


def _numbers(content: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Yield the integers of a configuration with their keys."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value, name)
    elif isinstance(content, int) and not isinstance(content, bool):
        yield name, content
