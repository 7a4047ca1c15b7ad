"""A recipe's `build` table -> the settings of a build; its keys are those of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hexapla.build.config import BuildConfig
from hexapla.runs.config import ClusterSettings, ResumableSettings
from hexapla.runs.settings import make, read_settings, walk_settings

# Where a build runs is a setting of the whole recipe. A recipe builds from text.
_ELSEWHERE = {
    setting.name
    for shared in (ClusterSettings, ResumableSettings)
    for setting in read_settings(shared)
} | {"add", "top_up"}
BUILD_KEYS = tuple(
    dict.fromkeys(
        setting.name for setting in walk_settings(BuildConfig) if setting.name not in _ELSEWHERE
    )
)


def make_build(table: Mapping[str, Any], out: Path, **where: Any) -> BuildConfig:
    """Return the settings of a build from a recipe's `build` table.

    Args:
        table: The table.
        out: The corpus folder to make.
        where: Executor, workers, whether to resume: settings of the whole recipe.
    """
    texts = table["texts"]
    given = {**table, "texts": (texts,) if isinstance(texts, str) else texts, "out": out, **where}
    return make(BuildConfig, given)
