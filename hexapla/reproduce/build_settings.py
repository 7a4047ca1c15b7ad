"""A recipe's `build` table -> the settings of a build: each key is that of the stage which has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hexapla.build.config import BuildConfig
from hexapla.sources import SourceConfig
from hexapla.text import languages as codes
from hexapla.translate.translator import TranslatorConfig

# Where a build is done is said for the whole recipe.
_BUILD = {
    kind: tuple(each.name for each in dataclasses.fields(kind) if each.name not in taken)
    for kind, taken in (
        (SourceConfig, ("language",)),
        (TranslatorConfig, ("name", "source")),
        (
            BuildConfig,
            (
                "source",
                "translator",
                "out",
                "resume",
                "overwrite",
                "executor",
                "address",
                "workers",
            ),
        ),
    )
}
BUILD_KEYS = (
    "translator",
    "pivot",
    *dict.fromkeys(key for keys in _BUILD.values() for key in keys),
)


def make_build(table: Mapping[str, Any], out: Path, **where: Any) -> BuildConfig:
    """Return the settings of a build from a recipe's `build` table.

    Args:
        table: Of the recipe.
        out: The corpus folder to make.
        where: Executor, workers, whether to resume: what is no matter of the recipe.
    """
    tuples: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    texts = tuples["texts"]
    pivot = codes.parse(table.get("pivot", "eng_Latn"))
    of: dict[type, dict[str, Any]] = {
        kind: {key: tuples[key] for key in keys if key in tuples} for kind, keys in _BUILD.items()
    }
    source = SourceConfig(
        **{**of[SourceConfig], "texts": (texts,) if isinstance(texts, str) else texts},
        language=pivot,
    )
    translator = TranslatorConfig(name=table["translator"], source=pivot, **of[TranslatorConfig])
    return BuildConfig(source=source, translator=translator, out=out, **of[BuildConfig], **where)
