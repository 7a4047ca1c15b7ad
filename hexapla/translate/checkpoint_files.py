"""The files of a checkpoint: where they are, which of them may be loaded, and their hash.

In goes a Hub name or a folder, of transformers or already converted by CTranslate2. Only the
configuration is read at first, with no heavy library, so that a wrong name or the wrong kind of
model is reported in a second. From the Hub the small files are fetched first and the weights when
they are needed. Pickled weights can run code when they are loaded, so they are loaded only on
request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.runs.schema import read_foreign
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.hub_checkpoint import HubCheckpoint
from hexapla.translate.language_tokens import ARCHITECTURES

CONVERTED = "model.bin"
"""The weights of a checkpoint that CTranslate2 has converted."""
_SMALL = ("*.json", "*.model", "*.spm", "*.txt", "*.jinja")
_SAFE = ("model.safetensors", "model.safetensors.index.json")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# Files in which a tokenizer names its tokens; the last three are CTranslate2's.
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.json",
    "target_vocab.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "shared_vocabulary.json",
    "source_vocabulary.json",
    "target_vocabulary.json",
)


class CheckpointFiles:
    """The files of a checkpoint, whose configuration has been read.

    Attributes:
        name: Hub name without a revision, or the last part of a folder's path.
        given: Hub name without a revision, or a folder's path as it was given.
        folder: Where the files are.
        revision: Commit of a Hub checkpoint.
        config: Content of `config.json`.
        converted: Whether CTranslate2 has converted it.
        model_type: The family by transformers' name; empty for a converted checkpoint.

    Raises:
        InputError: There is no such checkpoint, or it is no translator that is known here.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        self._settings = config
        self._hub = _on_hub(config)
        self.revision: str | None = None
        if self._hub is None:
            self.folder, self.given = Path(config.translator).expanduser(), config.translator
            self.name = self.folder.resolve().name
        else:
            self.folder = self._hub.fetch(_SMALL)
            self.name = self.given = self._hub.name
            self.revision = self.folder.name
        self.config = self._read_config()
        self.converted = "model_type" not in self.config
        self.model_type = "" if self.converted else str(self.config["model_type"])
        self._check_architecture()

    def tokenizer_settings(self) -> dict[str, Any]:
        """Return the content of `tokenizer_config.json`; empty if there is none."""
        content = _read_json(self.folder / "tokenizer_config.json")
        return content if isinstance(content, dict) else {}

    def named_tokens(self) -> set[str] | None:
        """Return every text in the tokenizer's files: all its tokens, and some more.

        Returns:
            None where the vocabulary is in no file that can be read without the tokenizer's
            library.
        """
        if not any((self.folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            return None
        contents = (_read_json(self.folder / name) for name in _VOCABULARIES)
        return {text for content in contents for text in _texts_in(content)}

    def weights(self) -> list[Path]:
        """Fetch the weights if they are on the Hub, and return their files.

        Raises:
            InputError: There are none, some are missing, or they are pickled and that is not
                allowed.
        """
        if self.converted:
            return [self.folder / CONVERTED]
        given, allow_pickle = self._settings.translator, self._settings.allow_pickle
        for whole, index in (_SAFE, _PICKLED):
            if whole == _SAFE[0] or allow_pickle:
                self._fetch(whole, index)
            paths = self._listed(whole, index)
            if paths and (whole == _SAFE[0] or allow_pickle):
                return paths
        if any((self.folder / pickled).exists() for pickled in _PICKLED):
            problem = "has only pickled weights, which can run code when they are loaded"
        elif self._hub and self.revision and not self._hub.is_reached():
            raise self._hub.lacks_weights(self.revision)
        elif self.revision and not allow_pickle:
            problem = "has no weights as safetensors on the Hub"
        else:
            raise InputError(
                f"translator {given}: has no weights ({_SAFE[0]} is missing); fetch it again"
            )
        raise InputError(
            f"translator {given}: {problem}; give a revision with {_SAFE[0]}, or trust them with "
            "--allow-pickle"
        )

    def fingerprint(self) -> str:
        """Hash the weights, the configuration and the tokenizer, names included.

        Fetches the weights. `generation_config.json` is left out, since the search is set here.
        """
        small = {path for pattern in _SMALL for path in self.folder.glob(pattern)}
        ignored = ("generation_config.json", "README.txt")
        kept = {
            path
            for path in small
            if path.name not in ignored and not path.name.endswith(".index.json")
        }
        digest = hashlib.sha256()
        for path in sorted(kept | set(self.weights()), key=lambda path: path.name):
            digest.update(f"{path.name}\0{_sha256(path)}\0".encode())
        return digest.hexdigest()

    def _read_config(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        if not path.is_file():
            raise InputError(
                f"translator {self._settings.translator}: has no config.json; give a translation "
                "checkpoint"
            )
        config = read_foreign(path)
        if not isinstance(config, dict) or not (
            "model_type" in config or (self.folder / CONVERTED).is_file()
        ):
            raise InputError(
                f"{path}: names no model_type, and there is no {CONVERTED} of CTranslate2 beside it"
            )
        return config

    def _check_architecture(self) -> None:
        """Refuse what is no translator: an XLM-R, a GPT, the encoder of a T5 alone."""
        if self.converted:
            return
        stated = self.config.get("architectures")
        architectures = list(map(str, stated)) if isinstance(stated, list) else []
        expected = ARCHITECTURES.get(self.model_type)
        if expected is None or (architectures and expected not in architectures):
            raise InputError(
                f"{self.name} is a {', '.join(architectures) or self.model_type}, which is no "
                "translator that is known here; give an NLLB, M2M100, MADLAD or OPUS-MT "
                "checkpoint, or an endpoint with --backend openai"
            )

    def _fetch(self, whole: str, index: str) -> None:
        if self._hub:
            stem, _, ending = whole.partition(".")
            self._hub.fetch((whole, index, f"{stem}-*.{ending}"), self.revision)

    def _listed(self, whole: str, index: str) -> list[Path]:
        """Return the files of the weights: one whole file, or those that an index lists."""
        if (self.folder / whole).is_file():
            return [self.folder / whole]
        if not (self.folder / index).is_file():
            return []
        content = read_foreign(self.folder / index)
        places = content.get("weight_map") if isinstance(content, dict) else None
        names = sorted({str(name) for name in places.values()}) if isinstance(places, dict) else []
        if not names or any(Path(name).name != name for name in names):
            raise InputError(
                f"{self.folder / index}: does not list the files of the weights; fetch it again"
            )
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            raise InputError(
                f"{self.folder}: {len(missing)} of {len(names)} files of the weights are missing: "
                f"{missing[0]}, ..."
            )
        return [self.folder / name for name in names]


def _on_hub(config: TranslatorConfig) -> HubCheckpoint | None:
    """Return a translator by its name on the Hub; None if it is a folder.

    Raises:
        InputError: There is no such folder, or a revision of one is asked for.
    """
    name, folder = config.translator, Path(config.translator).expanduser()
    if folder.is_dir():
        if config.revision:
            raise InputError(
                f"translator {name}: is a folder, which has no revision {config.revision}; leave "
                "--revision out, or give a Hub name"
            )
        return None
    is_path = name.startswith((".", "/", "~")) or name.partition("@")[0].count("/") > 1
    if folder.exists() or is_path:
        raise InputError(
            f"translator {name}: no such folder; give a folder, or a Hub name like owner/name"
        )
    return HubCheckpoint(name, config.revision)


def _sha256(path: Path) -> str:
    # The Hub's cache names a large file by its SHA-256, so it need not be read again.
    target = path.resolve().name
    if path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", target):
        return target
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> Any:
    """Return the content of a JSON file; None if it is missing or damaged."""
    try:
        return read_foreign(path)
    except InputError:
        return None


def _texts_in(content: Any) -> Iterator[str]:
    """Yield the keys and texts of nested JSON, except for the merges of a byte-pair encoding."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for item in content:
            yield from _texts_in(item)
    elif isinstance(content, dict):
        for key, value in content.items():
            yield key
            if key != "merges":
                yield from _texts_in(value)
