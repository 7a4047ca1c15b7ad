"""The files of a checkpoint, from a folder or the Hugging Face Hub: which are read, which may be, and their hash.

In goes a name, out come paths. From the Hub the small files are fetched first, so that a wrong
language or the wrong kind of model is known before gigabytes are on their way. Pickled weights can
run code when they are loaded, so they are only taken when that was asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from hexapla.errors import InputError

_SMALL = ("*.json", "*.model", "*.spm", "*.txt", "*.jinja")
_SAFE = ("model.safetensors", "model.safetensors.index.json")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
CONVERTED = "model.bin"


def open_folder(name: str, revision: str | None) -> Path:
    """Return the folder with configuration and tokenizer of a checkpoint, fetched from the Hub if it is no folder.

    Raises:
        InputError: There is no such folder, and the Hub does not give it.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(
            f"translator {name}: no such folder; give a folder, or a Hub name like owner/name"
        )
    return _snapshot(name, revision, _SMALL)


def weights(name: str, folder: Path, *, revision: str | None, allow_pickle: bool) -> list[Path]:
    """Return the files with the weights, fetched if need be.

    Raises:
        InputError: There are none, some are missing, or they are pickled and that is not allowed.
    """
    from_hub = not Path(name).expanduser().is_dir()
    for whole, index in (_SAFE, _PICKLED):
        stem, _, ending = whole.partition(".")
        if from_hub and (whole in _SAFE or allow_pickle):
            _snapshot(name, revision, (whole, index, f"{stem}-*.{ending}"))
        paths = _listed(folder, whole, index)
        if paths and whole in _PICKLED and not allow_pickle:
            break
        if paths:
            return paths
    if from_hub and not allow_pickle:
        found = "has no weights as safetensors on the Hub"
    elif any((folder / pickled).exists() for pickled in _PICKLED):
        found = "has only pickled weights, which can run code when they are loaded"
    else:
        raise InputError(
            f"translator {name}: has no weights ({_SAFE[0]} is missing); fetch it again"
        )
    raise InputError(
        f"translator {name}: {found}; take a revision with {_SAFE[0]}, or trust them with --allow-pickle"
    )


def fingerprint(folder: Path, heavy: Sequence[Path]) -> str:
    """Hash the weights, the configuration and the tokenizer, names included."""
    small = {path for pattern in _SMALL for path in folder.glob(pattern)}
    ignored = ("generation_config.json", "README.txt")  # how to search is ours to say
    small = {
        path for path in small if path.name not in ignored and not path.name.endswith(".index.json")
    }
    digest = hashlib.sha256()
    for path in sorted(small | set(heavy), key=lambda path: path.name):
        digest.update(f"{path.name}\0{_sha256(path)}\0".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    # The Hub's cache names the file of large content by its SHA-256: nothing to read again.
    target = path.resolve().name
    if path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", target):
        return target
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(folder: Path, whole: str, index: str) -> list[Path]:
    if (folder / whole).is_file():
        return [folder / whole]
    if not (folder / index).is_file():
        return []
    try:
        names = sorted(
            set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values())
        )
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{folder / index}: does not list the files of the weights; fetch it again"
        ) from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(names)} files of the weights are missing: {missing[0]}, ..."
        )
    return [folder / name for name in names]


def _snapshot(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except LocalEntryNotFoundError as error:
        at = f" at revision {revision}" if revision else ""
        raise InputError(
            f"translator {name}: neither a folder nor in the Hub's cache{at}, and the Hub cannot be reached; fetch it "
            "where there is a network (hf download), or give a folder"
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"translator {name}: neither a folder nor on the Hub ({reason})"
        ) from error


def cache_folder(given: Path | None) -> Path:
    """Return where converted checkpoints and paid answers lie: as given, or in the user's cache (`XDG_CACHE_HOME`)."""
    return given or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hexapla"
