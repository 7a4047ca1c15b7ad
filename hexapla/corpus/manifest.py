"""`corpus.json`, the manifest of a corpus folder: its name, its format, and what is checked in it.

The manifest lists the shards with their hashes. It is written last, so a folder without one is
unfinished.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hexapla.errors import InputError
from hexapla.runs.schema import (
    OPTIONAL,
    Count,
    FileName,
    LanguageCode,
    Sha256,
    Stored,
    check_object,
    damage_message,
    read_object,
)

FORMAT = "hexapla corpus 1"
MANIFEST = "corpus.json"

_MetaName = Annotated[str, Field(pattern=r"^meta\..")]


class Shard(Stored):
    """A file of rows."""

    file: FileName
    n_bytes: Count
    sha256: Sha256
    n_rows: Count


class EvaluationSetFacts(Stored):
    """An evaluation set that rows were kept apart from."""

    name: str
    n_sentences: Count


class FilterFacts(Stored):
    """One run of filters: the sets that it kept rows apart from, and rows left out by reason."""

    against: list[EvaluationSetFacts] = OPTIONAL
    rows: dict[str, Count] = OPTIONAL


class MakerFacts(Stored):
    """One of several translators of a column; what else is known of it differs."""

    n_cells: Count


class ColumnOrigin(Stored):
    """How a column was made, if several translators made it; else any facts."""

    translators: list[MakerFacts] = OPTIONAL


class Manifest(Stored):
    """What readers of a corpus rely on; see docs/formats.md."""

    format: Literal["hexapla corpus 1"]
    languages: Annotated[list[LanguageCode], Field(min_length=2)]
    pivot: LanguageCode
    meta: list[_MetaName]
    n_rows: Count
    shards: list[Shard]
    columns: dict[str, ColumnOrigin] = OPTIONAL
    dropped: dict[str, Count] = OPTIONAL
    filters: list[FilterFacts] = OPTIONAL
    license: str | None = OPTIONAL


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a corpus folder and check what every reader relies on.

    Raises:
        InputError: There is no manifest, or it is damaged, or of another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        if any(folder.glob("part-*.parquet")):
            raise InputError(
                f"{folder} is unfinished: it has shards but no {MANIFEST}, which is written last"
            )
        raise InputError(f"{folder} is no corpus folder: it has no {MANIFEST}")
    manifest = read_object(path, Stored)
    if manifest.get("format") != FORMAT:
        raise InputError(f'{path} is not of the format "{FORMAT}", the one this version reads')
    try:
        _check_manifest(check_object(manifest, Manifest))
    except ValueError as error:
        raise InputError(damage_message(path, error)) from error
    return manifest


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Compare the parts of a manifest with each other."""
    files = [shard["file"] for shard in manifest["shards"]]
    for key, names in (*((key, manifest[key]) for key in ("languages", "meta")), ("shards", files)):
        if len(set(names)) < len(names):
            raise ValueError(f"{key} has {Counter(names).most_common(1)[0][0]} more than once")
    if manifest["pivot"] not in manifest["languages"]:
        raise ValueError(
            f"pivot is {manifest['pivot']}; it must be one of its languages, "
            f"{', '.join(manifest['languages'])}"
        )
    if (n_rows := sum(shard["n_rows"] for shard in manifest["shards"])) != manifest["n_rows"]:
        raise ValueError(f"its shards have {n_rows:,} rows, the corpus {manifest['n_rows']:,}")
