"""`corpus.json`, the manifest of a corpus folder: its name, its format, and what is checked in it.

The manifest lists the shards with their hashes. It is written last, so a folder without one is
unfinished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages as codes

FORMAT = "hexapla corpus 1"
MANIFEST = "corpus.json"
_KINDS = {"languages": list, "pivot": str, "n_rows": int, "meta": list, "shards": list}
_SHARD_KINDS = {"file": str, "sha256": str, "n_bytes": int, "n_rows": int}


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
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f'{path} is not of the format "{FORMAT}", the one this version reads')
    for key, kind in _KINDS.items():
        if not isinstance(manifest.get(key), kind):
            raise InputError(f"{path} is damaged: it has no {key} ({kind.__name__})")
    _check_languages(path, manifest)
    _check_shards(path, manifest)
    return manifest


def _check_languages(path: Path, manifest: dict[str, Any]) -> None:
    for code in manifest["languages"]:
        if not codes.is_language(code):
            hint = did_you_mean(str(code), codes.LANGUAGES)
            raise InputError(f"{path} lists the unknown language {code}{hint}")
    if len(manifest["languages"]) < 2 or manifest["pivot"] not in manifest["languages"]:
        raise InputError(
            f"{path}: a corpus has at least two languages, "
            f"one of them its pivot {manifest['pivot']}"
        )


def _check_shards(path: Path, manifest: dict[str, Any]) -> None:
    for shard in manifest["shards"]:
        if not isinstance(shard, dict) or not all(
            isinstance(shard.get(key), kind) for key, kind in _SHARD_KINDS.items()
        ):
            raise InputError(f"{path} is damaged: a shard needs {', '.join(_SHARD_KINDS)}")
        if Path(shard["file"]).name != shard["file"]:
            raise InputError(
                f"{path} is damaged: the shard {shard['file']} is not a file name in its folder"
            )
    if (n_rows := sum(shard["n_rows"] for shard in manifest["shards"])) != manifest["n_rows"]:
        raise InputError(
            f"{path} is damaged: its shards have {n_rows:,} rows, the corpus {manifest['n_rows']:,}"
        )
