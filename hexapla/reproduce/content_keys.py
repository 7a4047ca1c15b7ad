"""Keys of corpora: the hash of their settings and of the content of everything they are made from.

Where a file lies says nothing about what it is, so paths are not part of a key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hexapla.build.config import BuildConfig
from hexapla.corpus.shards import file_facts
from hexapla.filters.filter_settings import read_filters
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.corpus_recipe import CorpusRecipe
from hexapla.translate.backends import translator_paths
from hexapla.translate.config import TranslatorConfig

# Settings of a translator, besides its name, that its output depends on.
_TRANSLATOR_KEYS = (
    "pivot",
    "backend",
    "revision",
    "beam_size",
    "max_input_tokens",
    "compute_type",
    "sentences_per_request",
    "codes",
    "version_command",
)


def hash_facts(facts: object) -> str:
    """Return the hash of facts that can be written as JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def content_hash(path: Path) -> str:
    """Return the hash of a file, or of all files in a folder with their names.

    A link counts as what it leads to.
    """
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else _files(path):
        digest.update(file.relative_to(path).as_posix().encode())
        digest.update(bytes.fromhex(file_facts(file)["sha256"]))  # read once in a process
    return digest.hexdigest()


def build_key(build: Mapping[str, Any]) -> str:
    """Return the hash of all that the cells of a build depend on, and of nothing else.

    Workers are not part of it, nor is `max_loss`: a build that stopped at it continues with a
    higher one.
    """
    config = make_build(build, Path("unknown"))
    return hash_facts(
        [
            config.settings(),
            [_content(text) for text in config.source.texts],
            _translator(config),
            {key: build[key] for key in _TRANSLATOR_KEYS if key in build},
            _filters(config.filters),
            [_content(each) for each in config.against],
        ]
    )


def corpus_key(recipe: CorpusRecipe) -> str:
    """Return the hash of a corpus's settings and of everything it is made from.

    A path that is not on this machine (a Hub name) stands for itself.

    Raises:
        InputError: Filters that cannot be read.
    """
    facts: dict[str, Any] = {**asdict(recipe), "path": None, "build": None}
    facts["filters"] = _filters(recipe.filters) if recipe.filters != "none" else None
    if recipe.build is not None:
        facts["made_from"] = build_key(recipe.build)
    else:
        facts["made_from"] = [_content(path) for path in recipe.path]
    return hash_facts(facts)


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(root) / name for root, _, names in os.walk(folder, followlinks=True) for name in names
    )


def _filters(name: str) -> dict[str, Any]:
    facts = read_filters(name).to_json()
    if facts["cosine"]:
        facts["cosine"]["encoder"] = _content(facts["cosine"]["encoder"])
    return facts


def _translator(config: BuildConfig) -> object:
    if not isinstance(config.translator, TranslatorConfig):
        raise TypeError("the translator of a recipe is named, not given")
    name = config.translator.translator
    if config.translator.backend == "command":
        return [name, *map(_content, translator_paths(config.translator))]
    return _content(name)


def _content(path: str) -> str:
    return content_hash(Path(path)) if Path(path).exists() else path
