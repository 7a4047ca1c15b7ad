"""What an encoder's files show before it is loaded: remote code, pickled weights, own pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hexapla.encoder.locate import (
    NOT_WEIGHTS,
    PICKLED,
    encoder_files,
    is_bare,
    locate,
    read_json_object,
    read_modules,
)
from hexapla.errors import InputError
from hexapla.text.special_files import refuse_special

OWN_POOLING = "{name}: has its own pooling; leave --pooling out, which is for bare transformers"
_KIND = "SentenceTransformer"
_WITHOUT_FILES = (".Normalize",)  # old encoders have no folder for it


def check_encoder(
    name: str | Path,
    *,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    has_pooling: bool = False,
) -> Path | None:
    """Check all of an encoder that can be seen without loading it, and return its folder.

    Args:
        name: A Hub name, a folder, or "tiny".
        trust_remote_code: The encoder may run its own code.
        allow_pickle: Weights may be in formats other than safetensors.
        has_pooling: The user chose a pooling, which only a bare transformer accepts.

    Returns:
        The folder, or None for a Hub name.

    Raises:
        InputError: See `locate` and `check_folder`; or the encoder has its own pooling.
    """
    folder = locate(name)
    if folder is None:
        return None
    check_folder(folder, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
    if has_pooling and not is_bare(name):
        raise InputError(OWN_POOLING.format(name=name))
    return folder


def check_folder(
    folder: Path, *, trust_remote_code: bool = False, allow_pickle: bool = False
) -> None:
    """Refuse a folder that would run its own code or unpickle weights without permission.

    Raises:
        InputError: The folder needs remote code, has pickled weights only, has no weights, or lacks
            a module.
    """
    for path in folder.rglob("*"):
        refuse_special(path)  # libraries read files that are not ours, such as the card
    modules = read_modules(folder)
    _check_modules(folder, modules)
    if not trust_remote_code:
        _refuse_remote_code(folder, modules)
    files = encoder_files(folder)
    safe = {path.parent for path in files if path.suffix == ".safetensors"}
    pickled = [path for path in files if path.suffix in PICKLED and path.name not in NOT_WEIGHTS]
    if not safe and not pickled:
        raise InputError(f"{folder}: no weights; an encoder folder holds model.safetensors")
    # Pickled weights beside safetensors are not loaded.
    pickled = [path for path in pickled if path.parent not in safe]
    if pickled and not allow_pickle:
        raise InputError(
            f"{pickled[0]}: pickled weights can run code when loaded; "
            "convert them to safetensors, or set allow_pickle (--allow-pickle)"
        )


def _check_modules(folder: Path, modules: Sequence[Mapping[str, str]]) -> None:
    """Refuse a folder without a list of its modules, or without the folder of one.

    What a module's missing configuration says would be replaced by defaults.
    """
    saved = folder / "config_sentence_transformers.json"
    if saved.is_file():
        # sentence-transformers would drop the modules behind the transformer of another kind.
        kind = read_json_object(saved).get("model_type", _KIND)
        if kind != _KIND:
            raise InputError(f"{saved}: model_type is {kind!r}; give an encoder, a {_KIND}")
    if not modules and (saved.is_file() or any(folder.glob("[0-9]_*/config.json"))):
        raise InputError(
            f"{folder}: has modules of sentence-transformers, but no modules.json, which lists "
            "them; fetch the encoder again"
        )
    for module in modules:
        if not (folder / module["path"]).is_dir() and not module["type"].endswith(_WITHOUT_FILES):
            raise InputError(
                f"{folder / module['path']} is missing, the folder of a module that modules.json "
                "lists; fetch the encoder again"
            )
        config = folder / module["path"] / "config.json"
        content = read_json_object(config) if module["path"] and config.is_file() else {}
        for key in ("module_input_name", "module_output_name"):
            if not isinstance(content.get(key), str | None):
                raise InputError(
                    f"{config} is damaged: {key} must be a text; fetch the encoder again"
                )


def _refuse_remote_code(folder: Path, modules: Sequence[Mapping[str, str]]) -> None:
    hint = "read that code, then set trust_remote_code (--trust-remote-code)"
    for config in sorted(folder.rglob("*config*.json")):
        content = read_json_object(config)
        if content.get("auto_map"):
            raise InputError(f"{config}: asks to run the folder's own code (auto_map); {hint}")
        activation = content.get("activation_function")
        # sentence-transformers would use its default, Tanh, in its place.
        if config.parent != folder and not str(activation or "torch.").startswith("torch."):
            raise InputError(
                f'{config}: activation_function "{activation}" is not of PyTorch; {hint}'
            )
    for module in modules:
        if not module["type"].startswith("sentence_transformers."):
            raise InputError(
                f'{folder / "modules.json"}: module "{module["type"]}" is not of '
                f"sentence-transformers; {hint}"
            )
