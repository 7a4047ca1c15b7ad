"""The names by which an encoder is known: its own, and those of what it was made from.

Most E5 saved no prompt and are worse without theirs, so that they are recognised wherever they lie:
in a folder of any name, in the Hub's cache, or as the base of another encoder. Nothing here imports
torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hexapla.encoder.locate import hub_file, locate, read_json_object, split_revision

_CACHED = "models--"  # the Hub's cache has a folder models--org--name for each repository
_CARD_BYTES = 2**20  # of a model card; the tables of scores in an E5's have some 200 kB
# The first entry of each, in the front matter.
_CARD_NAMES = re.compile(
    r"^(?:base_model|model-index):[ \t]*(?:\[|\n[ \t]*-)?[ \t]*(?:name:)?[ \t]*[\"']?([\w./-]+)",
    re.MULTILINE,
)


def base_names(name: str | Path, *, ask_hub: bool = True) -> Iterator[str]:
    """Yield an encoder's own name, and then those of what it was made from, as its files say.

    They are the last parts of names and paths, without owner and folders. One name alone means
    that the origin of a folder is not known. Files are read, or fetched, as they are needed.

    Args:
        name: A Hub name, a folder, "tiny" or "small".
        ask_hub: Ask the Hub for an encoder on it, and not its local cache alone.

    Raises:
        InputError: See `locate`; or `config.json` is damaged.
    """
    folder = locate(name)
    yield folder.absolute().name if folder else _last_part(split_revision(str(name))[0])
    if folder and (cached := hub_name(name)):
        yield _last_part(cached)
    for file, names_in in (("config.json", _configured_names), ("README.md", _card_names)):
        path = folder / file if folder else hub_file(str(name), file, ask_hub=ask_hub)
        if path and path.is_file():
            yield from filter(None, map(_last_part, names_in(path)))


def hub_name(name: str | Path) -> str | None:
    """Return the name on the Hub of an encoder that is there or in the Hub's cache, or None.

    >>> hub_name("org/name@v1"), hub_name("tiny")
    ('org/name', None)

    Raises:
        InputError: See `locate`.
    """
    folder = locate(name)
    if folder is None:
        return split_revision(str(name))[0]
    for part in (*folder.absolute().parts, *folder.resolve().parts):
        if part.startswith(_CACHED):
            return part.removeprefix(_CACHED).replace("--", "/")
    return None


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _configured_names(config: Path) -> list[str]:
    """Return the name or path from which the weights of a transformer were loaded."""
    given = read_json_object(config).get("_name_or_path")
    return [given] if isinstance(given, str) else []


def _card_names(card: Path) -> list[str]:
    """Return the base and the name that the front matter of a model card gives."""
    with card.open("rb") as file:
        text = file.read(_CARD_BYTES).decode("utf-8", errors="replace").replace("\r\n", "\n")
    return _CARD_NAMES.findall(text.partition("\n---")[0]) if text.startswith("---") else []
