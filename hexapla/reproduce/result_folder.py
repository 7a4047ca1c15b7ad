"""Where the results of a recipe lie: folders named after what they hold and keyed by its content.

A thing keeps its key when the recipe renames it, so it is found under its old name.
"""

from __future__ import annotations

from pathlib import Path

FORMAT = 1
"""Of the result folder; part of every key."""
BUILT = "built"
"""Name of a built corpus folder, which several corpora of a recipe may be taken from."""
CORPORA, ENCODERS, SCORES, COMPARISONS, LOGS, FIGURES = (
    "corpora",
    "encoders",
    "scores",
    "comparisons",
    "logs",
    "figures",
)
OWN = (
    *(CORPORA, ENCODERS, SCORES, COMPARISONS, LOGS, FIGURES),
    *("run.json", "recipe.toml", "results.md", "results.json"),
)
"""What a result folder holds; other files in it are the user's."""


def keyed_folder(parent: Path, name: str, key: str) -> Path:
    """Return the folder of a key: one that exists under any name, or else the one to make.

    Args:
        parent: Folder of all things of this kind.
        name: Name of the thing in the recipe.
        key: Hash of all that it is made from.
    """
    named = parent / f"{name}-{key[:8]}"
    if named.exists():
        return named
    return min(parent.glob(f"*-{key[:8]}"), default=named)
